"""The kinds of events: made by themselves when one arrives, named and described by people."""

from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts import events
from contacts.admin import event_importing
from contacts.admin.courses import DAYS, course_days, daily_courses
from contacts.admin.event_schema import enforcement_badge, schema_view
from contacts.admin.profile import shown_properties
from contacts.admin.registry import event_links
from contacts.event_declarations import breaches_of
from contacts.event_definitions import describe_definition
from contacts.event_schemas import sentence
from contacts.event_uses import origins_of, uses_of
from contacts.models import EventBreach, EventDefinition, EventStatistic
from workspace.access import Actor, actor_of
from workspace.admin import EmptyState, PagesAdmin, page_context
from workspace.admin.pictures import badge, chart, number, sparkline
from workspace.errors import Problem


@admin.register(EventDefinition)
class EventDefinitionAdmin(PagesAdmin):
    """What contacts do, by its name at the sources."""

    list_display = (*("name_and_label", "last_at", "in_days", "course", "schema_state", "used_in"),)
    list_filter = ("enforcement",)
    first_page_label = gettext_lazy("Overview")
    thing_pages = (("schema", gettext_lazy("Schema"), "schema_page"),)
    search_fields = ("name", "label")
    ordering = ("name",)
    list_per_page = 50
    show_full_result_count = False
    actions = None
    fields = ("name", "label", "description")
    readonly_fields = ("name",)
    change_form_template = "contacts/event_definition.html"
    empty_state = EmptyState(
        gettext_lazy(
            "Purchases, visits, openings: what contacts do comes in as events. Send them to"
            " POST /api/events/, or import a file. A definition is made by itself with the first"
            " event of a name."
        ),
        icon="bolt",
        steps=(
            (
                gettext_lazy("Import a file"),
                "admin:contacts_event_import",
                "upload_file",
                "contacts.add_event",
            ),
        ),
    )
    change_list_template = "contacts/contact_list.html"

    class Media:
        css = {"all": ("contacts/event_schema.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        # The first event of a name makes its definition.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[EventDefinition]":
        definitions: QuerySet[EventDefinition] = super().get_queryset(request)
        newest = EventStatistic.objects.filter(definition_id=OuterRef("pk")).order_by("-last_at")
        return definitions.annotate(
            newest_at=Subquery(newest.values("last_at")[:1]),
            declared_count=Count("properties"),
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Asked once for the page, not once a row.
        actor, names = actor_of(request), EventDefinition.objects.values_list("name", flat=True)
        request.event_courses = daily_courses(until=timezone.now())  # type: ignore[attr-defined]
        request.event_uses = uses_of(set(names), actor=actor)  # type: ignore[attr-defined]
        request.event_origins = origins_of(set(names), actor=actor)  # type: ignore[attr-defined]
        links = [
            {"title": link.title, "icon": link.icon, "url": reverse(f"admin:{link.url_name}")}
            for link in event_links()
            if actor.may(link.permission)
        ]
        answer: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), "links": links}
        )
        return answer

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("import/", wrap(self.import_view), name="contacts_event_import"),
            path(
                "import/<str:token>/",
                wrap(self.import_columns),
                name="contacts_event_import_columns",
            ),
            *super().get_urls(),
        ]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """A file of events."""
        return event_importing.upload_view(request, self._import_context(request))

    def import_columns(self, request: HttpRequest, token: str) -> HttpResponse:
        """What its columns are, before anything is written."""
        return event_importing.columns_view(request, self._import_context(request), token)

    def _import_context(self, request: HttpRequest) -> dict[str, Any]:
        if not actor_of(request).may("contacts.add_event"):
            raise PermissionDenied
        return page_context(self, request, title=_("Import events"))

    def _course_of(self, definition: EventDefinition) -> list[int]:
        courses: dict[int, list[int]] = self.request.event_courses
        return courses.get(definition.pk, [0] * DAYS)

    @admin.display(description=gettext_lazy("event"), ordering="name")
    def name_and_label(self, definition: EventDefinition) -> SafeString:
        origin = self.request.event_origins.get(definition.name)
        return format_html(
            '<span class="rg-two-lines"><span>{} {}</span>'
            '<code class="rg-faint rg-small rg-break">{}</code></span>',
            definition.label or definition.name,
            badge(origin.label, "info") if origin else "",
            definition.name,
        )

    @admin.display(description=gettext_lazy("last event"), ordering="newest_at")
    def last_at(self, definition: Any) -> Any:
        return definition.newest_at or _("never")

    @admin.display(description=gettext_lazy("in 30 days"))
    def in_days(self, definition: EventDefinition) -> str:
        return number(sum(self._course_of(definition)))

    @admin.display(description=gettext_lazy("course"))
    def course(self, definition: EventDefinition) -> SafeString:
        counts = self._course_of(definition)
        words = {"events": number(sum(counts)), "days": DAYS}
        return sparkline(counts, _("%(events)s events in %(days)d days") % words)

    @admin.display(description=gettext_lazy("schema"), ordering="enforcement")
    def schema_state(self, definition: Any) -> Any:
        if not definition.declared_count:
            return format_html('<span class="rg-faint">{}</span>', _("none declared"))
        return enforcement_badge(definition.enforcement)

    @admin.display(description=gettext_lazy("used in"))
    def used_in(self, definition: EventDefinition) -> str:
        return number(len(self.request.event_uses.get(definition.name, ())))

    def schema_page(self, request: HttpRequest, definition: EventDefinition) -> HttpResponse:
        """What its events carry, and what becomes of those that do not."""
        context = self.thing_context(request, definition, page="schema", title=str(definition))
        may_write = self.has_change_permission(request, definition)
        context["media"] = self.media
        return schema_view(request, definition, context, may_write=may_write)

    def save_model(self, request: HttpRequest, obj: Any, form: forms.Form, change: bool) -> None:
        describe_definition(
            obj.pk,
            actor=actor_of(request),
            at=timezone.now(),
            label=form.cleaned_data["label"],
            description=form.cleaned_data["description"],
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        definition = context.get("original")
        if definition is not None:
            now = timezone.now()
            days = course_days(until=now)
            counts = daily_courses(until=now).get(definition.pk, [0] * DAYS)
            actor = actor_of(request)
            context.update(
                course_chart=chart(
                    [date_format(day, "j M") for day in days],
                    [(_("Events"), counts, "primary")],
                    kind="bar",
                )
                if any(counts)
                else None,
                thing_tabs=self.tabs_of(request, definition),
                uses=uses_of([definition.name], actor=actor)[definition.name],
                origin=origins_of([definition.name], actor=actor).get(definition.name),
                properties=_properties(definition),
                enforcement=enforcement_badge(definition.enforcement),
                schema_url=reverse("admin:contacts_eventdefinition_schema", args=[definition.pk]),
                **_breach_context(definition),
                **last_event_context(definition, actor),
            )
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer


def last_event_context(definition: EventDefinition, actor: Actor) -> dict[str, Any]:
    """The last event of a kind with its body, for the template `contacts/last_event.html`."""
    newest = events.last_event(definition.pk)
    may_look = actor.may("contacts.view_event")
    return {
        "newest": newest,
        "may_see_newest": may_look,
        "newest_at": newest.occurred_at.astimezone(ZoneInfo(settings.TIME_ZONE))
        if newest
        else None,
        "newest_properties": shown_properties(newest.properties) if newest and may_look else [],
    }


def _properties(definition: EventDefinition) -> list[dict[str, Any]]:
    """What is declared and what was seen, by name."""
    declared = {one.name: one for one in definition.properties.all()}
    return [
        {
            "name": name,
            "declared": declared.get(name),
            "seen": ", ".join(definition.schema.get(name, ())),
        }
        for name in sorted({*declared, *definition.schema})
    ]


def _breach_context(definition: EventDefinition) -> dict[str, Any]:
    found = breaches_of(definition.pk, until=timezone.now())
    return {
        "breaches": found,
        "breach_chart": chart(
            [date_format(day, "j M") for day in found.by_day],
            [(_("Breaches"), list(found.by_day.values()), "bad")],
            kind="bar",
        )
        if found.count
        else None,
        "breach_reason": _reason(found.last) if found.last else "",
    }


def _reason(breach: EventBreach) -> str:
    return sentence(Problem(**problem) for problem in breach.last_problems)
