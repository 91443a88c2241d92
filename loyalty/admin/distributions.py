"""Distributions on the screen: the list, the form in steps, what each did, its buttons."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations.models import Delivery
from loyalty.admin.distribution_forms import DistributionForm, SendForm
from loyalty.distribution import distributions
from loyalty.distribution.distribution_counts import counts_of, course_of, troubles_of
from loyalty.distribution.distribution_words import describe
from loyalty.models import Distribution, DistributionTask
from segments.models import Membership
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, PagesAdmin, object_action, page_context
from workspace.admin.pictures import badge, chart, number
from workspace.errors import DomainError

State, TaskState = Distribution.State, DistributionTask.State
_ACTIVATE = "loyalty.activate_distribution"
_STATE_TONES = {State.DRAFT: "neutral", State.ACTIVE: "good", State.PAUSED: "warning"}
_TASK_TONES = {
    TaskState.PENDING: "info",
    TaskState.DONE: "good",
    TaskState.REFUSED: "neutral",
    TaskState.HELD_OUT: "neutral",
    TaskState.FAILED: "bad",
}
_CHART_TONES = {
    TaskState.DONE: "good",
    TaskState.REFUSED: "neutral",
    TaskState.HELD_OUT: "primary",
    TaskState.FAILED: "bad",
}
_SHOWN = 100


def state_badge(distribution: Distribution) -> SafeString:
    """The state, as a word with a colour; that it paused by itself stands out."""
    tone = "bad" if distribution.paused_reason else _STATE_TONES[State(distribution.state)]
    return badge(distribution.get_state_display(), tone)


def _waiting(distribution: Distribution) -> int:
    return DistributionTask.objects.filter(
        distribution=distribution, state=TaskState.PENDING
    ).count()


def _what_activating_does(distribution: Distribution) -> str:
    told = [_("From now on whoever does what is described gets a card, within a second or so.")]
    if distribution.include_present and distribution.segment_id is not None:
        count = Membership.objects.filter(segment_id=distribution.segment_id).count()
        message = ngettext(
            "%(count)s contact is in the segment now, and is reached at once unless it was before.",
            "%(count)s contacts are in the segment now, and each is reached at once who was not"
            " before.",
            count,
        )
        told.append(message % {"count": number(count)})
    if waiting := _waiting(distribution):
        message = ngettext(
            "%(count)s contact waits since it was paused and is reached now.",
            "%(count)s contacts wait since it was paused and are reached now.",
            waiting,
        )
        told.append(message % {"count": number(waiting)})
    return " ".join(told)


def _what_pausing_does(distribution: Distribution) -> str:
    told = [
        _(
            "Nobody gets a card any more, and what happens while it is paused counts for nothing:"
            " it is not made up for later."
        )
    ]
    if waiting := _waiting(distribution):
        message = ngettext(
            "%(count)s contact is waiting, and goes on waiting until you activate it again.",
            "%(count)s contacts are waiting, and go on waiting until you activate it again.",
            waiting,
        )
        told.append(message % {"count": number(waiting)})
    told.append(_("Cards that are out stay good, and messages that are queued are sent."))
    return " ".join(told)


def _what_sending_does(distribution: Distribution) -> str:
    count = 0
    if distribution.segment_id is not None:
        count = Membership.objects.filter(segment_id=distribution.segment_id).count()
    message = ngettext(
        "%(count)s contact is in the segment “%(segment)s” now and gets a card of “%(campaign)s”.",
        "%(count)s contacts are in the segment “%(segment)s” now and get a card of “%(campaign)s”"
        " each.",
        count,
    )
    words = {
        "count": number(count),
        "segment": distribution.segment,
        "campaign": distribution.campaign,
    }
    once = (
        _("Who has one of it already gets none.")
        if distribution.campaign.join_once
        else _("Who has one of it already gets another one.")
    )
    return f"{message % words} {once} {_('This cannot be undone.')}"


@admin.register(Distribution)
class DistributionAdmin(PagesAdmin, ObjectActionsAdmin):
    """Who does this gets a card of that campaign."""

    list_display: Any = ("name_and_state",)
    list_display_links = None
    search_fields = ("name", "key")
    list_filter = ("state", "channel")
    sortable_by = ()
    ordering = ("name", "pk")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    thing_pages = (
        ("contacts", gettext_lazy("Contacts"), "contacts_view"),
        ("settings", gettext_lazy("Settings"), "settings_view"),
    )
    first_page_label = gettext_lazy("Overview")
    add_label = gettext_lazy("New distribution")
    empty_state = EmptyState(
        gettext_lazy(
            "A distribution gives cards by itself: whoever enters a segment, leaves a review or"
            " comes to a tier gets one, once, and is told by e-mail. Make a campaign with codes,"
            " then say who gets them."
        ),
        icon="outbound",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Distribution]":
        known = distributions.known_distributions(actor_of(request))
        return known.select_related("campaign", "segment", "template", "connection").order_by(
            *self.ordering
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button that says what it does.
        return False

    def get_list_display(self, request: HttpRequest) -> Any:
        actor = actor_of(request)

        @admin.display(description=gettext_lazy("what it does"))
        def sentence(distribution: Distribution) -> SafeString:
            text = describe(distribution, actor=actor)
            return format_html('<span class="rg-break rg-small">{}</span>', text)

        return ("name_and_state", sentence, "given", "waiting", "failed")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        answer: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            shown = answer.context_data.get("cl")
            if shown is not None:
                rows = list(shown.result_list)
                counts = counts_of([one.pk for one in rows])
                for one in rows:
                    one.counts = counts[one.pk]
        return answer

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_state(self, distribution: Distribution) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><a class="rg-strong rg-break" href="{}">{}</a>'
            '<span class="rg-row rg-badges">{}</span></span>',
            reverse("admin:loyalty_distribution_change", args=[distribution.pk]),
            distribution.name,
            state_badge(distribution),
        )

    @admin.display(description=gettext_lazy("given"))
    def given(self, distribution: Any) -> str:
        return number(distribution.counts[TaskState.DONE])

    @admin.display(description=gettext_lazy("waiting"))
    def waiting(self, distribution: Any) -> str:
        return number(distribution.counts[TaskState.PENDING])

    @admin.display(description=gettext_lazy("failed"))
    def failed(self, distribution: Any) -> SafeString | str:
        count = distribution.counts[TaskState.FAILED]
        return badge(number(count), "bad") if count else "0"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new distribution, which is a draft until it is activated."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._form_view(request, None)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What it did; what may be changed stands on the page Settings."""
        if request.method == "POST":
            raise Http404
        distribution = self.visible_or_404(request, object_id)
        now = timezone.now()
        counts = counts_of([distribution.pk])[distribution.pk]
        days, by_state = course_of(distribution, until=now)
        labels = dict(TaskState.choices)
        series = [
            (str(labels[state]), by_state[state], tone)
            for state, tone in _CHART_TONES.items()
            if state in by_state
        ]
        shown_days = [date_format(day, "SHORT_DATE_FORMAT") for day in days]
        context = self.thing_context(request, distribution, page="", title=distribution.name)
        context.update(
            state=state_badge(distribution),
            sentence=describe(distribution, actor=actor_of(request)),
            figures=[
                (str(labels[state]), number(counts[state]), f"?state={state}")
                for state in TaskState.values
            ],
            has_course=bool(series),
            chart=chart(shown_days, series, kind="bar", axis=_("Day"), is_stacked=True),
            troubles=[
                (
                    badge(labels[one.state], _TASK_TONES[TaskState(one.state)]),
                    one,
                    number(one.count),
                )
                for one in troubles_of(distribution)
            ],
            contacts_url=reverse("admin:loyalty_distribution_contacts", args=[distribution.pk]),
            buttons=self.buttons(request, distribution),
        )
        return TemplateResponse(request, "loyalty/distribution.html", context)

    def contacts_view(self, request: HttpRequest, distribution: Distribution) -> HttpResponse:
        """Whom it reached, the newest first."""
        rows = DistributionTask.objects.filter(distribution=distribution).order_by("-pk")
        state = request.GET.get("state", "")
        if state in TaskState.values:
            rows = rows.filter(state=state)
        shown = list(rows.select_related("contact", "publication__voucher")[:_SHOWN])
        keys = [f"distribution-task:{task.pk}" for task in shown]
        sent = dict(Delivery.objects.filter(key__in=keys).values_list("key", "state"))
        names = dict(Delivery.State.choices)
        may_see = actor_of(request).may("contacts.view_contact")
        context = self.thing_context(request, distribution, page="contacts", title=_("Contacts"))
        context.update(
            rows=[
                {
                    "task": task,
                    "badge": badge(task.get_state_display(), _TASK_TONES[TaskState(task.state)]),
                    "name": _name_of(task) if may_see else f"#{task.contact_id}",
                    "sent": names.get(sent.get(f"distribution-task:{task.pk}", ""), ""),
                }
                for task in shown
            ],
            may_see=may_see,
            chosen=state,
            states=TaskState.choices,
            is_cut=len(shown) == _SHOWN,
        )
        return TemplateResponse(request, "loyalty/distribution_contacts.html", context)

    def settings_view(self, request: HttpRequest, distribution: Distribution) -> HttpResponse:
        """The form."""
        return self._form_view(request, distribution)

    def _form_view(self, request: HttpRequest, distribution: Distribution | None) -> HttpResponse:
        actor = actor_of(request)
        may_write = distribution is None or self.has_change_permission(request, distribution)
        is_post = request.method == "POST"
        if is_post and not may_write:
            raise PermissionDenied
        data = request.POST if is_post else None
        form = DistributionForm(data, actor=actor, distribution=distribution)
        if is_post and form.is_valid() and (kept := self._save(request, form, distribution)):
            return HttpResponseRedirect(self.page_of(request, kept))
        form.builder.is_read_only = not may_write
        if not may_write:
            for field in form.fields.values():
                field.disabled = True
        if distribution is None:
            context = page_context(self, request, title=_("New distribution"))
        else:
            context = self.thing_context(
                request, distribution, page="settings", title=_("Settings")
            )
        context.update(
            form=form,
            media=self.media + form.media,
            may_write=may_write,
            thing=distribution,
            is_fixed=distribution is not None and distribution.activated_at is not None,
            sentence=describe(distribution, actor=actor) if distribution else "",
            words=_summary_words(),
        )
        return TemplateResponse(request, "loyalty/distribution_form.html", context)

    def _save(
        self, request: HttpRequest, form: DistributionForm, distribution: Distribution | None
    ) -> Distribution | None:
        given = {**form.given(), "actor": actor_of(request), "at": timezone.now()}
        try:
            if distribution is None:
                kept = distributions.create_distribution(**given)
            else:
                kept = distributions.update_distribution(distribution, **given)
        except DomainError as error:
            form.add_problems(error)
            return None
        told = (
            _("“%(name)s” was saved.")
            if kept.activated_at
            else _("“%(name)s” was saved. It is a draft: it does nothing until you activate it.")
        )
        self.message_user(request, told % {"name": kept}, messages.SUCCESS)
        return kept

    @object_action(
        gettext_lazy("Activate"),
        permission=_ACTIVATE,
        icon="play_circle",
        variant="primary",
        consequence=_what_activating_does,
        is_offered=lambda one: (
            one.state != State.ACTIVE
            and (one.trigger != Distribution.Trigger.MANUAL or one.state == State.PAUSED)
        ),
    )
    def activate(self, request: HttpRequest, distribution: Distribution) -> str:
        distributions.activate(distribution, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is active.") % {"name": distribution}

    @object_action(
        gettext_lazy("Send now"),
        permission=_ACTIVATE,
        icon="send",
        variant="primary",
        consequence=_what_sending_does,
        confirm=gettext_lazy("Give the cards"),
        form_class=SendForm,
        is_offered=lambda one: (
            one.trigger == Distribution.Trigger.MANUAL and one.state != State.PAUSED
        ),
    )
    def send_now(self, request: HttpRequest, distribution: Distribution, form: SendForm) -> str:
        count = distributions.send(
            distribution,
            actor=actor_of(request),
            at=timezone.now(),
            contact_id=form.cleaned_data["contact"],
        )
        message = ngettext(
            "%(count)s contact is reached now.", "%(count)s contacts are reached now.", count
        )
        return message % {"count": number(count)}

    @object_action(
        gettext_lazy("Pause"),
        permission=_ACTIVATE,
        icon="pause_circle",
        consequence=_what_pausing_does,
        is_offered=lambda one: one.state == State.ACTIVE,
    )
    def pause(self, request: HttpRequest, distribution: Distribution) -> str:
        distributions.pause(distribution, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is paused.") % {"name": distribution}

    @object_action(
        gettext_lazy("Try again"),
        permission=_ACTIVATE,
        icon="replay",
        consequence=gettext_lazy(
            "Whoever was refused or failed is tried again now. Who has a card already gets no"
            " second one, and a message that was sent is not sent again."
        ),
        is_offered=lambda one: one.state != State.DRAFT,
    )
    def retry(self, request: HttpRequest, distribution: Distribution) -> str:
        count = distributions.retry(distribution, actor=actor_of(request), at=timezone.now())
        message = ngettext(
            "%(count)s contact is tried again.", "%(count)s contacts are tried again.", count
        )
        return message % {"count": number(count)}

    @object_action(
        gettext_lazy("Delete"),
        permission="loyalty.delete_distribution",
        icon="delete",
        variant="danger",
        consequence=gettext_lazy(
            "The draft is gone. Its campaign and its template stay. This cannot be undone."
        ),
        is_offered=lambda one: one.state == State.DRAFT,
    )
    def delete_draft(self, request: HttpRequest, distribution: Distribution) -> HttpResponse:
        distributions.delete_distribution(distribution, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” was deleted.") % {"name": distribution})
        return HttpResponseRedirect(reverse("admin:loyalty_distribution_changelist"))


def _name_of(task: DistributionTask) -> str:
    contact = task.contact
    name = f"{contact.first_name} {contact.last_name}".strip()
    return name or contact.email or f"#{contact.pk}"


def _summary_words() -> dict[str, str]:
    """For the sentence at the end of the form, which follows what is chosen; {x} is the choice."""
    return {
        "segment_entered": _("Whoever enters the segment “{x}”"),
        "segment_left": _("Whoever leaves the segment “{x}”"),
        "manual": _("Whoever is in the segment “{x}” when you send it"),
        "event": _("Whoever does “{x}”, each time,"),
        "publication": _("Whoever gets a card of the campaign “{x}”"),
        "redemption": _("Whoever redeems a card of the campaign “{x}”"),
        "tier_changed": _("Whoever comes to the tier “{x}”"),
        "gets": _("gets a card of “{x}”"),
        "email": _("by e-mail: “{x}”."),
        "webhook": _("and the webhook “{x}” is told."),
        "vendor": _("and “{x}” gets the code as an event, to send it on."),
        "none": _("and is told nothing: it is in the wallet."),
        "present": _("So do those who are in the segment when it becomes active."),
        "missing": _("…"),
    }
