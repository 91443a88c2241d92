"""Rule-based events on the screen: the list, the form with its test, and the buttons."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin import Link, register_event_link
from contacts.admin.courses import DAYS, daily_courses
from contacts.admin.events import last_event_context
from contacts.admin.profile import shown_properties
from contacts.event_uses import uses_of
from contacts.models import EventDefinition, EventStatistic
from segments import facts, rule_events
from segments.admin.rule_event_forms import (
    BaseForm,
    RuleEventForm,
    base_names,
    known_namespaces,
    known_properties,
    outermost,
    payload_in_words,
)
from segments.derivation import PREVIEW_DAYS, RulePreview, preview_rule
from segments.errors import CriteriaRefused
from segments.models import RuleEvent
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, PagesAdmin, object_action, page_context
from workspace.admin.pictures import badge, number, sparkline
from workspace.errors import DomainError


@admin.register(RuleEvent)
class RuleEventAdmin(PagesAdmin, ObjectActionsAdmin):
    """Events made of others by a condition over their payload."""

    list_display = ("name_and_base", "sentence", "state", "last_at", "course", "used_in")
    list_display_links = ("name_and_base",)
    list_select_related = ("base",)
    list_filter = ("is_enabled",)
    search_fields = ("name", "base__name", "description")
    sortable_by = ("name_and_base", "last_at")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    add_label = gettext_lazy("Create event")
    empty_state = EmptyState(
        gettext_lazy(
            "A rule-based event is made of events that come in: of each “purchase” whose message"
            " says “thank you”, for example, an event of its own. Segments and journeys can then"
            " ask for it by name."
        ),
        icon="rule",
    )

    class Media:
        js = ("segments/segment_form.js",)
        css = {"all": ("segments/segment_form.css", "segments/rule_event.css")}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[RuleEvent]":
        rules: QuerySet[RuleEvent] = super().get_queryset(request)
        newest = EventStatistic.objects.filter(definition_id=OuterRef("definition_id"))
        newest = newest.order_by("-last_at")
        return rules.annotate(newest_at=Subquery(newest.values("last_at")[:1]))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Asked once for the page, not once a row.
        request.event_courses = daily_courses(until=timezone.now())  # type: ignore[attr-defined]
        names = list(RuleEvent.objects.values_list("name", flat=True))
        request.event_uses = uses_of(names, actor=actor_of(request))  # type: ignore[attr-defined]
        answer: HttpResponse = super().changelist_view(request, extra_context)
        return answer

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button that says what it does.
        return False

    @admin.display(description=gettext_lazy("event"), ordering="name")
    def name_and_base(self, rule: RuleEvent) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<span class="rg-faint rg-small rg-break">{} {}</span></span>',
            rule.name,
            _("made of"),
            rule.base.name,
        )

    @admin.display(description=gettext_lazy("condition"))
    def sentence(self, rule: RuleEvent) -> SafeString:
        return format_html('<span class="rg-break">{}</span>', _sentence(rule))

    @admin.display(description=gettext_lazy("state"), ordering="is_enabled")
    def state(self, rule: RuleEvent) -> SafeString:
        return _state(rule)

    @admin.display(description=gettext_lazy("last event"), ordering="newest_at")
    def last_at(self, rule: Any) -> Any:
        return rule.newest_at or _("never")

    @admin.display(description=gettext_lazy("course"))
    def course(self, rule: RuleEvent) -> SafeString:
        counts = self.request.event_courses.get(rule.definition_id, [0] * DAYS)
        words = {"events": number(sum(counts)), "days": DAYS}
        return sparkline(counts, _("%(events)s events in %(days)d days") % words)

    @admin.display(description=gettext_lazy("used in"))
    def used_in(self, rule: RuleEvent) -> str:
        return number(len(self.request.event_uses.get(rule.name, ())))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """First on which events, then the rule."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        asked = BaseForm(request.GET if "base" in request.GET else None)
        if not asked.is_bound or not asked.is_valid():
            context = page_context(self, request, title=_("Create event"))
            context.update(form=asked, media=self.media, names=base_names())
            return TemplateResponse(request, "segments/rule_event_base.html", context)
        return self._form_view(request, None, asked.cleaned_data["base"])

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A rule, to change it or to look at it."""
        rule: RuleEvent = self.visible_or_404(request, object_id)
        return self._form_view(request, rule, rule.base.name)

    def _form_view(self, request: HttpRequest, rule: RuleEvent | None, base: str) -> HttpResponse:
        actor = actor_of(request)
        may_write = rule is None or self.has_change_permission(request, rule)
        is_post = request.method == "POST"
        if is_post and not may_write:
            raise PermissionDenied
        definition = EventDefinition.objects.filter(name=base).first()
        known = known_properties(definition)
        form = RuleEventForm(
            request.POST if is_post else None,
            actor=actor,
            base=base,
            known=outermost([*known, *((rule and rule.payload) or ())]),
            rule=rule,
        )
        test: RulePreview | None = None
        if is_post and form.is_valid():
            if "_test" in request.POST:
                test = _test(form, base)
            elif kept := self._save(request, form, rule, base):
                return HttpResponseRedirect(self.page_of(request, kept))
        form.builder.is_read_only = not may_write
        title = rule.name if rule else _("Create event")
        context: dict[str, Any] = page_context(self, request, title=title, thing=rule)
        context.update(
            form=form,
            media=self.media + form.media,
            may_write=may_write,
            thing=rule,
            base=base,
            base_url=reverse("admin:contacts_eventdefinition_change", args=[definition.pk])
            if definition and actor.may("contacts.view_eventdefinition")
            else "",
            properties=known,
            namespaces=known_namespaces(),
            test=test,
            test_rows=_shown(test) if actor.may("contacts.view_event") else [],
            days=PREVIEW_DAYS,
        )
        if rule is not None:
            context.update(self._about(request, rule))
        return TemplateResponse(request, "segments/rule_event_form.html", context)

    def _about(self, request: HttpRequest, rule: RuleEvent) -> dict[str, Any]:
        actor = actor_of(request)
        made = rule.definition
        link = {
            "title": _("Its events"),
            "url": reverse("admin:contacts_eventdefinition_change", args=[made.pk]),
            "icon": "bolt",
        }
        return {
            "buttons": self.buttons(request, rule),
            "links": [link] if actor.may("contacts.view_eventdefinition") else [],
            "state": _state(rule),
            "sentence": _sentence(rule),
            "payload": payload_in_words(rule),
            "uses": uses_of([rule.name], actor=actor)[rule.name],
            **last_event_context(made, actor),
        }

    def _save(
        self, request: HttpRequest, form: RuleEventForm, rule: RuleEvent | None, base: str
    ) -> RuleEvent | None:
        given: dict[str, Any] = {
            **form.settings(),
            "actor": actor_of(request),
            "at": timezone.now(),
        }
        try:
            if rule is None:
                kept = rule_events.create_rule_event(base=base, **given)
            else:
                kept = rule_events.update_rule_event(rule, **given)
        except DomainError as error:
            form.add_problems(error)
            return None
        self.message_user(request, _("“%(name)s” was saved.") % {"name": kept}, messages.SUCCESS)
        return kept

    @object_action(
        gettext_lazy("Enable"),
        permission="segments.change_ruleevent",
        icon="play_arrow",
        is_offered=lambda rule: not rule.is_enabled,
        consequence=gettext_lazy(
            "From now on, each base event that comes in and fits makes an event. Those that came"
            " before make none."
        ),
    )
    def enable(self, request: HttpRequest, rule: RuleEvent) -> str:
        rule_events.enable_rule_event(rule, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is enabled.") % {"name": rule}

    @object_action(
        gettext_lazy("Disable"),
        permission="segments.change_ruleevent",
        icon="pause",
        is_offered=lambda rule: rule.is_enabled,
        consequence=gettext_lazy(
            "No more events are made. Those that were made stay, and so do segments that ask for"
            " them. Base events that come meanwhile are not made up for later."
        ),
    )
    def disable(self, request: HttpRequest, rule: RuleEvent) -> str:
        rule_events.disable_rule_event(rule, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is disabled.") % {"name": rule}

    @object_action(
        gettext_lazy("Delete"),
        permission="segments.delete_ruleevent",
        icon="delete",
        variant="danger",
        consequence=gettext_lazy(
            "The rule is forgotten; the events that it made stay. That is refused while something,"
            " such as a segment, asks for them. This cannot be undone."
        ),
    )
    def delete_rule(self, request: HttpRequest, rule: RuleEvent) -> HttpResponse:
        rule_events.delete_rule_event(rule, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” was deleted.") % {"name": rule})
        return HttpResponseRedirect(reverse("admin:segments_ruleevent_changelist"))


def _test(form: RuleEventForm, base: str) -> RulePreview | None:
    given = form.settings()
    asked = ("where", "payload", "namespace", "identifier")
    try:
        rules = {name: given[name] for name in asked}
        return preview_rule(base=base, at=timezone.now(), **rules)
    except DomainError as error:
        form.add_problems(error)
        return None


def _shown(test: RulePreview | None) -> list[dict[str, Any]]:
    return [
        {
            "contact_id": one.contact_id,
            "at": one.occurred_at,
            "properties": shown_properties(one.properties),
        }
        for one in (test.examples if test else ())
    ]


def _sentence(rule: RuleEvent) -> str:
    try:
        return facts.explain_clause(facts.parse_conditions(rule.where))
    except CriteriaRefused as refused:
        return str(refused)


def _state(rule: RuleEvent) -> SafeString:
    if rule.is_enabled:
        return badge(_("enabled"), "good", "play_arrow")
    return badge(_("off"), "neutral", "pause")


register_event_link(
    Link(
        "rule_event",
        gettext_lazy("Create event"),
        "segments_ruleevent_add",
        "rule",
        "segments.add_ruleevent",
    )
)
