"""The live debugger of a source: events as they arrive, what became of them, and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import received_events
from integrations.admin.advice import advice_for
from integrations.admin.badges import outcome_badge
from integrations.admin.bodies import coloured
from integrations.admin.contact_names import contacts_named
from integrations.models import HeldEvent, Outcome, ReceivedEvent, Source
from integrations.received_events import Choice
from workspace.admin import PagesAdmin
from workspace.admin.pictures import number
from workspace.exactjson import exact_loads

_PAGE = 50
# So many arrivals are drawn at a time; of more the newest are.
_ARRIVALS = 100
_KNOWN = 60
_WORD_LIMIT = 200
TYPES = (
    ("track", gettext_lazy("track")),
    ("identify", gettext_lazy("identify")),
    ("page", gettext_lazy("page")),
    ("screen", gettext_lazy("screen")),
    ("group", gettext_lazy("group")),
    ("alias", gettext_lazy("alias")),
    ("delete", gettext_lazy("delete")),
    # Whole requests that were refused.
    ("batch", gettext_lazy("batch")),
    ("import", gettext_lazy("import")),
    ("webhook", gettext_lazy("webhook")),
)

_SAID_TIMES = {
    "originalTimestamp": gettext_lazy("Happened, by the sender's clock"),
    "timestamp": gettext_lazy("Happened, as sent"),
    "sentAt": gettext_lazy("Sent, by the sender's clock"),
}


class DebuggerPages(PagesAdmin):
    """The page, the rows that it asks for, and what is shown of one event."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "<int:object_id>/debugger/rows/",
                wrap(self.rows_view),
                name="integrations_source_rows",
            ),
            path(
                "<int:object_id>/debugger/event/",
                wrap(self.event_view),
                name="integrations_source_event",
            ),
            *super().get_urls(),
        ]

    def debugger_view(self, request: HttpRequest, source: Source) -> HttpResponse:
        """The newest events; the page then asks for those that arrive."""
        choice, words = _choice(request)
        page = received_events.log_page(source.pk, choice, before=None, limit=_PAGE)
        context = self.thing_context(request, source, page="debugger", title=_("Live debugger"))
        waiting = received_events.waiting_count(source.pk)
        context.update(
            rows=_rows(request, page.events),
            next_before=page.next_before or "",
            is_search_cut=page.is_search_cut,
            searched=number(received_events.SEARCHED),
            newest=max((event.pk for event in page.events), default=0)
            or received_events.newest_id(source.pk),
            waiting=waiting,
            waiting_text=_waiting_text(waiting),
            words=words,
            is_chosen=choice.is_any,
            has_any=bool(page.events) or received_events.newest_id(source.pk) > 0,
            types=TYPES,
            outcomes=Outcome.choices,
            rows_url=reverse("admin:integrations_source_rows", args=[source.pk]),
            event_url=reverse("admin:integrations_source_event", args=[source.pk]),
            setup_url=reverse("admin:integrations_source_setup", args=[source.pk]),
        )
        return TemplateResponse(request, "integrations/debugger.html", context)

    def rows_view(self, request: HttpRequest, object_id: int) -> JsonResponse:
        """Rows for the page: those that arrived `after` an id, or a page `before` one."""
        source = self.visible_or_404(request, str(object_id))
        choice, _words = _choice(request)
        waiting = received_events.waiting_count(source.pk)
        answer: dict[str, Any] = {"waiting": waiting, "waiting_text": _waiting_text(waiting)}
        after = _whole(request.GET.get("after"))
        if after is not None:
            found, is_more = received_events.arrived(
                source.pk, choice, after=after, known=_known(request), limit=_ARRIVALS
            )
            answer |= {"is_more": is_more}
        else:
            page = received_events.log_page(
                source.pk, choice, before=_whole(request.GET.get("before")), limit=_PAGE
            )
            found = page.events
            answer |= {
                "next_before": page.next_before,
                "is_search_cut": page.is_search_cut,
                "newest": received_events.newest_id(source.pk),
            }
        html = ""
        if found:
            context = {"rows": _rows(request, found)}
            html = render_to_string("integrations/debugger_rows.html", context, request)
        return JsonResponse(answer | {"html": html, "count": len(found)})

    def event_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """All of one event: its body, what became of it and why, its times."""
        source = self.visible_or_404(request, str(object_id))
        event = ReceivedEvent.objects.filter(
            source_id=source.pk, pk=_whole(request.GET.get("id")) or 0
        ).first()
        if event is None:
            raise Http404
        held = _held(event)
        context = {
            "row": _rows(request, [event])[0],
            "event": event,
            "body": coloured(event.body),
            "advice": advice_for(event.code),
            "times": _times(event),
            "held_url": reverse("admin:integrations_heldevent_change", args=[held]) if held else "",
        }
        return TemplateResponse(request, "integrations/debugger_event.html", context)


def _rows(request: HttpRequest, events: Sequence[ReceivedEvent]) -> list[dict[str, Any]]:
    contacts = contacts_named(request, [event.contact_id for event in events])
    return [
        {
            "event": event,
            "contact": contacts.get(event.contact_id or 0),
            "badge": outcome_badge(event.outcome),
            "is_unused": event.outcome in {Outcome.REFUSED, Outcome.FAILED},
        }
        for event in events
    ]


def _choice(request: HttpRequest) -> tuple[Choice, dict[str, str]]:
    """What is asked for, and the words of the form."""
    names = ("type", "name", "outcome", "text", "contact")
    words = {
        name: request.GET.get(name, "").replace("\0", "").strip()[:_WORD_LIMIT] for name in names
    }
    who = words["contact"]
    choice = Choice(
        type=words["type"],
        name=words["name"],
        outcome=words["outcome"],
        text=words["text"],
        contact_ids=received_events.contact_ids_of(who) if who else None,
    )
    return choice, words


def _known(request: HttpRequest) -> list[int]:
    given = request.GET.get("known", "").split(",")[:_KNOWN]
    return [number for text in given if (number := _whole(text)) is not None]


def _waiting_text(count: int) -> str:
    if not count:
        return ""
    if count == 1:
        return _("1 request waits to be digested")
    return _("%(n)s requests wait to be digested") % {"n": number(count)}


def _held(event: ReceivedEvent) -> int | None:
    """The held event of this one, if somebody has to deal with it."""
    if not event.code:
        return None
    found = HeldEvent.objects.filter(
        source_id=event.source_id,
        state=HeldEvent.State.OPEN,
        message_id=event.message_id,
        code=event.code,
    )
    return found.order_by("-pk").values_list("pk", flat=True).first()


def _times(event: ReceivedEvent) -> list[tuple[str, str]]:
    """The times of an event: as the sender said, as we saw, and the one that counts."""
    said = _said_times(event.body)
    times = [(str(label), said[name]) for name, label in _SAID_TIMES.items() if name in said]
    times.append((_("Received"), _moment(event.received_at)))
    if event.occurred_at is not None:
        times.append((_("Counts for"), _moment(event.occurred_at)))
    return times


def _moment(at: datetime) -> str:
    """A moment to the millisecond, in the time zone of the workspace."""
    local = timezone.localtime(at)
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d} {local:%Z}"


def _said_times(body: str) -> dict[str, str]:
    try:
        document = exact_loads(body)
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {name: text for name in _SAID_TIMES if isinstance(text := document.get(name), str)}


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None
