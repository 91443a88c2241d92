"""The admin's menu and first page, and what makes it look like ours."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config import dashboard as first_page
from integrations.source_counts import open_held_count
from integrations.vendors import owners
from loyalty.guarding import suspicions
from workspace import access
from workspace.admin import mail
from workspace.models import Job

_Item = tuple[Any, str, str, str]

# (title, name of the address, icon, permission); a room without a permission is for everybody.
_CUSTOMERS: tuple[_Item, ...] = (
    (gettext_lazy("Contacts"), "contacts_contact_changelist", "group", "contacts.view_contact"),
    (gettext_lazy("Import"), "contacts_import", "upload_file", "contacts.add_contact"),
    (
        gettext_lazy("Attributes"),
        "contacts_attributedefinition_changelist",
        "tune",
        "contacts.view_attributedefinition",
    ),
    (gettext_lazy("Tags"), "contacts_tag_changelist", "sell", "contacts.view_tag"),
    (
        gettext_lazy("Categories"),
        "contacts_category_changelist",
        "category",
        "contacts.view_category",
    ),
    (
        gettext_lazy("Consents"),
        "contacts_consentdefinition_changelist",
        "verified_user",
        "contacts.view_consentdefinition",
    ),
    (
        gettext_lazy("Identities"),
        "contacts_identityrule_changelist",
        "fingerprint",
        "contacts.view_identityrule",
    ),
    (
        gettext_lazy("Events"),
        "contacts_eventdefinition_changelist",
        "bolt",
        "contacts.view_eventdefinition",
    ),
    (
        gettext_lazy("Rule-based events"),
        "segments_ruleevent_changelist",
        "rule",
        "segments.view_ruleevent",
    ),
    (
        gettext_lazy("Metrics"),
        "contacts_metricdefinition_changelist",
        "monitoring",
        "contacts.view_metricdefinition",
    ),
)
_SEGMENTS: tuple[_Item, ...] = (
    (
        gettext_lazy("Segments"),
        "segments_segment_changelist",
        "donut_small",
        "segments.view_segment",
    ),
    (
        gettext_lazy("Import segments"),
        "segments_segment_import",
        "cloud_download",
        "segments.add_segment",
    ),
    (
        gettext_lazy("Actions"),
        "segments_segmentaction_changelist",
        "bolt",
        "segments.view_segment",
    ),
    (
        gettext_lazy("Saved criteria"),
        "segments_savedcriteria_changelist",
        "bookmark",
        "segments.view_savedcriteria",
    ),
    (gettext_lazy("Exports"), "segments_export_changelist", "download", "segments.view_export"),
)
_GIFT_CARDS: tuple[_Item, ...] = (
    (
        gettext_lazy("Gift-card campaigns"),
        "loyalty_campaign_changelist",
        "card_giftcard",
        "loyalty.view_campaign",
    ),
    (gettext_lazy("Cards"), "loyalty_voucher_changelist", "card_giftcard", "loyalty.view_voucher"),
    (
        gettext_lazy("Redemptions"),
        "loyalty_redemption_changelist",
        "point_of_sale",
        "loyalty.view_redemption",
    ),
    (
        gettext_lazy("Distributions"),
        "loyalty_distribution_changelist",
        "outbound",
        "loyalty.view_distribution",
    ),
    (
        gettext_lazy("Validation rules"),
        "loyalty_validationrule_changelist",
        "rule",
        "loyalty.view_validationrule",
    ),
    (gettext_lazy("Reports"), "loyalty_campaigns", "query_stats", "loyalty.view_campaign"),
    (
        gettext_lazy("Ledger of cards"),
        "loyalty_cardposting_changelist",
        "account_balance",
        "loyalty.view_cardposting",
    ),
    (
        gettext_lazy("Suspicious activity"),
        "loyalty_suspicion_changelist",
        "shield",
        "loyalty.view_suspicion",
    ),
    (
        gettext_lazy("Publishable keys"),
        "loyalty_clientkey_changelist",
        "public",
        "loyalty.view_clientkey",
    ),
)
_LOYALTY: tuple[_Item, ...] = (
    (gettext_lazy("Members"), "loyalty_member_changelist", "loyalty", "loyalty.view_member"),
    (
        gettext_lazy("Mechanisms"),
        "loyalty_mechanism_changelist",
        "redeem",
        "loyalty.view_mechanism",
    ),
    (
        gettext_lazy("Points ledger"),
        "loyalty_points",
        "receipt_long",
        "loyalty.view_pointsposting",
    ),
    (
        gettext_lazy("Earn rules"),
        "loyalty_earnrule_changelist",
        "add_circle",
        "loyalty.view_earnrule",
    ),
    (gettext_lazy("Programme"), "loyalty_programme", "settings", "loyalty.view_programme"),
)
_JOURNEYS: tuple[_Item, ...] = (
    (gettext_lazy("Journeys"), "journeys_journey_changelist", "route", "journeys.view_journey"),
    (
        gettext_lazy("Messages"),
        "journeys_message_changelist",
        "forward_to_inbox",
        "journeys.view_message",
    ),
    (
        gettext_lazy("Templates"),
        "integrations_template_changelist",
        "draft",
        "integrations.view_template",
    ),
    (
        gettext_lazy("Test profiles"),
        "journeys_testprofile_changelist",
        "science",
        "journeys.view_testprofile",
    ),
)
_INTEGRATIONS: tuple[_Item, ...] = (
    (
        gettext_lazy("Sources"),
        "integrations_source_changelist",
        "sensors",
        "integrations.view_source",
    ),
    (
        gettext_lazy("Held events"),
        "integrations_heldevent_changelist",
        "pending",
        "integrations.view_heldevent",
    ),
    (
        gettext_lazy("Push messages"),
        "integrations_pushconnection_changelist",
        "notifications",
        "integrations.view_pushconnection",
    ),
    (
        gettext_lazy("Webhooks"),
        "integrations_webhook_changelist",
        "webhook",
        "integrations.view_webhook",
    ),
    (
        gettext_lazy("Deliveries"),
        "integrations_delivery_changelist",
        "outbox",
        "integrations.view_delivery",
    ),
    (
        gettext_lazy("Bounces"),
        "integrations_mailreport_changelist",
        "undo",
        "integrations.view_mailreport",
    ),
    (
        gettext_lazy("Suppressed addresses"),
        "integrations_suppression_changelist",
        "block",
        "integrations.view_suppression",
    ),
)
_DATA: tuple[_Item, ...] = (
    (
        gettext_lazy("External Authorizations"),
        "integrations_vendorconnection_changelist",
        "hub",
        "integrations.view_vendorconnection",
    ),
    (
        gettext_lazy("Websites"),
        "workspace_website_changelist",
        "language",
        "workspace.view_website",
    ),
)
_SYSTEM: tuple[_Item, ...] = (
    (gettext_lazy("Jobs"), "workspace_job_changelist", "pending_actions", ""),
    (gettext_lazy("Staff"), "workspace_user_changelist", "badge", "workspace.view_user"),
    (gettext_lazy("User groups"), "auth_group_changelist", "groups", "auth.view_group"),
    (gettext_lazy("API users"), "workspace_apiuser_changelist", "key", "workspace.view_apiuser"),
    (
        gettext_lazy("Audit trail"),
        "workspace_auditentry_changelist",
        "history",
        "workspace.view_auditentry",
    ),
    (
        gettext_lazy("Schedules"),
        "django_celery_beat_periodictask_changelist",
        "event_repeat",
        "django_celery_beat.view_periodictask",
    ),
)


def stylesheet(request: HttpRequest) -> str:
    """Our styles on top of the theme's."""
    return static("workspace/regulars.css")


def script(request: HttpRequest) -> str:
    """Dialogs, live progress and the keyboard."""
    return static("workspace/regulars.js")


def mark(request: HttpRequest) -> str:
    """Our sign, in the menu and on the browser's tab."""
    return static("workspace/mark.svg")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The rooms in the sidebar, those that this person may enter."""
    groups = [
        {
            "title": "",
            "items": [
                {"title": _("Overview"), "icon": "space_dashboard", "link": reverse("admin:index")}
            ],
        },
        {"title": _("Customers"), "items": _allowed(request, _CUSTOMERS)},
        {"title": _("Segments"), "items": _allowed(request, _SEGMENTS)},
        {"title": _("Journeys"), "items": _allowed(request, _JOURNEYS)},
        {"title": _("Gift cards"), "items": _allowed(request, _GIFT_CARDS)},
        {"title": _("Loyalty"), "items": _allowed(request, _LOYALTY)},
        {"title": _("Integrations"), "items": _allowed(request, _INTEGRATIONS)},
        {"title": _("Data"), "items": _allowed(request, _DATA)},
        {"title": _("System"), "items": [*_allowed(request, _SYSTEM), *_outbox(request)]},
    ]
    return [group for group in groups if group["items"]]


def running_jobs(request: HttpRequest) -> int:
    """How many jobs that this person may see are not over, of the newest hundred.

    Stands on every page: costs one query while nothing runs.
    """
    unfinished = Job.objects.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])
    found = unfinished.only("subject", "user_id", "api_user_id").order_by("-pk")[:100]
    return len(access.visible_among(list(found), access.actor_of(request)))


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows."""
    return {**context, **first_page.overview(request)}


def _allowed(request: HttpRequest, items: Iterable[_Item]) -> list[dict[str, Any]]:
    user: Any = request.user
    found: list[dict[str, Any]] = []
    for title, name, icon, permission in items:
        if permission and not user.has_perm(permission):
            continue
        address = _address(name)
        if address is None:
            continue
        item: dict[str, Any] = {
            "title": title,
            "icon": icon,
            "link": address,
        }
        if name == "contacts_contact_changelist":
            # The import has an entry of its own, below this address.
            is_import = request.path.startswith(reverse("admin:contacts_import"))
            item["active"] = request.path.startswith(address) and not is_import
        if name == "segments_segment_changelist":
            # So has this one.
            is_import = request.path.startswith(reverse("admin:segments_segment_import"))
            item["active"] = request.path.startswith(address) and not is_import
        if name == "workspace_job_changelist":
            item |= {"badge": running_jobs(request), "badge_variant": "info"}
        if name == "loyalty_suspicion_changelist":
            item |= {"badge": suspicions.open_count(), "badge_variant": "warning"}
        if name == "integrations_heldevent_changelist":
            item |= {"badge": open_held_count(), "badge_variant": "warning"}
        if name == "integrations_vendorconnection_changelist":
            item |= {"badge": owners.refused().count(), "badge_variant": "danger"}
        found.append(item)
    return found


def _address(name: str) -> str | None:
    """Where a room is: a screen of the admin, or a page beside it."""
    for full_name in (f"admin:{name}", name):
        try:
            return reverse(full_name)
        except NoReverseMatch:
            continue
    return None


def _outbox(request: HttpRequest) -> list[dict[str, Any]]:
    user: Any = request.user
    if not (user.is_superuser and mail.is_kept_on_disk()):
        return []
    return [{"title": _("Mail outbox"), "icon": "mail", "link": reverse("mail_outbox")}]
