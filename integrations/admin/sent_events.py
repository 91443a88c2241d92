"""What goes over a connection that hears of facts: the card on its page, and each event as sent."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import announcements, deliveries, delivery_counts, delivery_log
from integrations.admin.authorization_panels import Panel, register_panel
from integrations.admin.bodies import coloured
from integrations.admin.contact_names import contacts_named
from integrations.admin.delivery_pictures import course_chart, delivery_badge, moment
from integrations.delivery_counts import Course
from integrations.models import Delivery, DeliveryAttempt, VendorConnection
from integrations.vendors import connections, registry, trials
from integrations.vendors.registry import SettingField
from workspace.access import actor_of
from workspace.admin import ObjectActionsAdmin, PagesAdmin, object_action
from workspace.admin.pictures import number
from workspace.exactjson import exact_dumps

State = Delivery.State
_SEE = "integrations.view_delivery"
_PAGE, _NEWEST = 25, 5


class SentEventPages(PagesAdmin, ObjectActionsAdmin):
    """The tab “Events” of a connection that hears of facts, and the button for a test."""

    def tabs_of(self, request: HttpRequest, thing: Any, current: str = "") -> list[dict[str, Any]]:
        """Without that of events where none are sent; where they are, nothing is synchronized."""
        tabs = super().tabs_of(request, thing, current)
        unlisted = set[str]()
        if not (trials.takes_events(thing) and actor_of(request).may(_SEE)):
            unlisted.add(_events_url(thing))
        if not registry.syncs_of(thing.kind):
            unlisted.add(reverse("admin:integrations_vendorconnection_syncs", args=[thing.pk]))
        return [tab for tab in tabs if tab["url"] not in unlisted]

    def events_view(self, request: HttpRequest, connection: VendorConnection) -> HttpResponse:
        """The events as they were sent, the newest first, with what was answered.

        With `part=rows` the rows alone, by which the page keeps itself up to date.
        """
        if not actor_of(request).may(_SEE):
            raise PermissionDenied
        type_ = request.GET.get("type", "").replace("\0", "")[:80]
        state = request.GET.get("state", "")
        found = deliveries.visible_deliveries(actor_of(request)).filter(connection=connection)
        if type_:
            found = found.filter(kind=type_)
        if state in State.values:
            found = found.filter(state=state)
        before = _whole(request.GET.get("before"))
        if before is not None:
            found = found.filter(pk__lt=before)
        shown = list(found.select_related("connection").order_by("-pk")[: _PAGE + 1])
        rows = _rows(request, connection, shown[:_PAGE])
        if request.GET.get("part") == "rows":
            return TemplateResponse(request, "integrations/sent_event_rows.html", {"rows": rows})
        context = self.thing_context(request, connection, page="events", title=_("Events"))
        context |= {
            "rows": rows,
            "types": _types(connection, type_),
            "states": State.choices,
            "type": type_,
            "state": state,
            "is_chosen": bool(type_ or state),
            "is_newest": before is None,
            "next": shown[_PAGE - 1].pk if len(shown) > _PAGE else "",
            "is_tested": connection.is_enabled,
        }
        return TemplateResponse(request, "integrations/sent_events.html", context)

    @object_action(
        gettext_lazy("Send test event"),
        permission=connections.CHANGE,
        icon="send",
        consequence=gettext_lazy(
            "An event “connection.test” that says nothing and is of no contact is sent at once."
            " Whether it arrived is seen on the page Events, and in the debugger at the other"
            " side."
        ),
        is_offered=lambda connection: connection.is_enabled and trials.takes_events(connection),
    )
    def send_test_event(self, request: HttpRequest, connection: VendorConnection) -> HttpResponse:
        trials.send_test_event(connection.pk, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("The test event is on its way."))
        return HttpResponseRedirect(
            _events_url(connection)
            if actor_of(request).may(_SEE)
            else self.page_of(request, connection)
        )


def _rows(
    request: HttpRequest, connection: VendorConnection, shown: Iterable[Delivery]
) -> list[dict[str, Any]]:
    """Deliveries as a debugger shows them: three queries for all of them."""
    listed = list(shown)
    contacts = contacts_named(request, [one.contact_id for one in listed])
    tries: dict[int, list[dict[str, Any]]] = {}
    attempts = DeliveryAttempt.objects.filter(delivery__in=[one.pk for one in listed])
    for one in attempts.order_by("-pk"):
        tries.setdefault(one.delivery_id, []).append({"try": one, "at": moment(one.at)})
    return [
        {
            "delivery": one,
            "name": announcements.name_there(connection, one.kind),
            "badge": delivery_badge(one),
            "contact": contacts.get(one.contact_id or 0),
            "at": moment(one.created_at),
            "due": moment(one.due_at) if one.state == State.QUEUED and one.attempts else "",
            "body": coloured(exact_dumps(deliveries.document_of(one))),
            "tries": tries.get(one.pk, []),
            # What changes of a row that stands there already.
            "version": f"{one.state}-{one.attempts}",
        }
        for one in listed
    ]


def _panel(request: HttpRequest, connection: VendorConnection) -> Panel | None:
    if not trials.takes_events(connection):
        return None
    actor, now = actor_of(request), timezone.now()
    may_see = actor.may(_SEE)
    course = delivery_counts.course_of(connection.pk, until=now)
    (counts,) = delivery_log.unfinished([connection.pk]).values()
    settings_url = reverse("admin:integrations_vendorconnection_settings", args=[connection.pk])
    context = {
        "thing": connection,
        "facts": _facts(connection),
        "figures": [
            (_("Sent today"), number(course.today(State.DELIVERED)), State.DELIVERED),
            (_("Left out today"), number(course.today(State.CANCELLED)), State.CANCELLED),
            (_("Waiting"), number(counts.queued), State.QUEUED),
            (_("Failed, not sent again"), number(counts.failed), State.FAILED),
        ],
        "chart": course_chart(course),
        "types": _types_told(connection, course),
        "days": delivery_counts.DAYS,
        "settings_url": settings_url,
        "events_url": _events_url(connection) if may_see else "",
        "may_see": may_see,
        "rows": _newest(request, connection) if may_see else [],
    }
    html = render_to_string("integrations/sent_panel.html", context, request)
    links: list[tuple[Any, str]] = [(_("Settings"), settings_url)]
    if may_see:
        links.append((_("All events"), _events_url(connection)))
    return Panel(gettext_lazy("What goes out"), html, links)


def _newest(request: HttpRequest, connection: VendorConnection) -> list[dict[str, Any]]:
    found = deliveries.visible_deliveries(actor_of(request)).filter(connection=connection)
    newest = found.select_related("connection").order_by("-pk")[:_NEWEST]
    return _rows(request, connection, newest)


def _facts(connection: VendorConnection) -> list[tuple[Any, str]]:
    """How it is sent, as the settings say it; the account's name has the key but for its end."""
    vendor = registry.find_vendor(connection.kind)
    told: list[tuple[Any, str]] = []
    if connection.account_name:
        told.append((_("Account"), connection.account_name))
    for one in vendor.settings if vendor else ():
        if one.kind != "types":
            value = connection.settings.get(one.name, one.default)
            told.append((one.label, _said(one, value)))
    return told


def _said(setting: SettingField, value: Any) -> str:
    """A setting's value in words."""
    if setting.kind == "flag":
        return _("yes") if value else _("no")
    if setting.kind == "number":
        return number(value)
    if setting.kind == "choices":
        words = dict(registry.choices_of(setting))
        return ", ".join(str(words.get(one, one)) for one in value) or "–"
    words = dict(registry.choices_of(setting))
    return str(words.get(value, value)) or str(setting.empty or "–")


def _types_told(connection: VendorConnection, course: Course) -> list[dict[str, Any]]:
    """The types that it hears of, or heard of lately, with how many went there, most first."""
    labels = {one.name: one.label for one in announcements.registered_types()}
    labels[trials.TEST_TYPE] = _("A test, sent by hand")
    heard = set(connection.event_types)
    return [
        {
            "type": name,
            "label": labels.get(name, ""),
            "name": announcements.name_there(connection, name),
            "count": number(course.by_kind.get(name, 0)),
            "is_heard": name in heard or name == trials.TEST_TYPE,
        }
        for name in sorted(
            heard | course.by_kind.keys(), key=lambda name: (-course.by_kind.get(name, 0), name)
        )
    ]


def _types(connection: VendorConnection, chosen: str) -> list[str]:
    """The types that one may choose among."""
    return sorted({*connection.event_types, trials.TEST_TYPE, *([chosen] if chosen else [])})


def _events_url(connection: VendorConnection) -> str:
    return reverse("admin:integrations_vendorconnection_events", args=[connection.pk])


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None


register_panel("sent events", _panel)
