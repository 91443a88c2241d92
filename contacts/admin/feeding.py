"""The timeline on the screen: filters as they stand in the address, days, and what is new.

The page, its filters and its further pages work as plain links and forms; where the browser runs
scripts the same address gives the items alone (`part=items`) and the page is not loaded anew.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import blake2b
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from contacts.models import Contact, EventStatistic
from contacts.timeline import Filters, Item, Place, counts, offered_sources, page
from contacts.timeline.origins import origins, sources_page
from workspace.access import Actor, actor_of
from workspace.admin.pictures import number

PAGE_SIZE = 50
COUNTED_DAYS = 90
_COUNT_LIMIT = 999
_TEXT_LIMIT = 200
_NAMES_SHOWN = 200
# What may stand in the address to choose items, besides `kind`.
_NAMED = ("name", "segment", "source", "text", "since", "until")


@dataclass(frozen=True, slots=True)
class Row:
    """An item, and what the workspace's clocks showed then."""

    item: Item
    at: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """The items of one day of the workspace's calendar, newest first."""

    day: date
    title: str
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Chip:
    """A kind that one can choose, with how much of it there was lately."""

    kind: str
    label: Any
    icon: str
    count: str
    is_empty: bool
    is_chosen: bool


def feed_context(request: HttpRequest, contact: Contact) -> dict[str, Any]:
    """A page of the timeline with its filters, for the template; the newest, or older ones."""
    actor = actor_of(request)
    filters, chosen = _filters(request, actor)
    return {
        **_items_context(request, contact, actor, filters, chosen),
        "chips": _chips(contact, actor, filters),
        "counted_days": COUNTED_DAYS,
        "chosen": chosen,
        "event_names": _event_names(contact),
        "origins": [(origin.key, origin.name) for origin in origins(actor)],
        "sources_page": sources_page(actor),
        "is_filtered": not filters.is_open,
        "more_filters": sum(bool(chosen[name]) for name in ("name", "source", "since", "until")),
    }


def items_response(request: HttpRequest, contact: Contact) -> HttpResponse:
    """The items alone. Who has them already (`known` is their fingerprint) gets 204."""
    actor = actor_of(request)
    filters, chosen = _filters(request, actor)
    context = _items_context(request, contact, actor, filters, chosen)
    if request.GET.get("known") == context["fingerprint"]:
        return HttpResponse(status=204)
    return TemplateResponse(
        request, "contacts/timeline_items.html", {**context, "contact": contact}
    )


def _items_context(
    request: HttpRequest,
    contact: Contact,
    actor: Actor,
    filters: Filters,
    chosen: dict[str, str],
) -> dict[str, Any]:
    before = _place(request.GET.get("before", ""))
    found = page(contact.pk, actor=actor, filters=filters, after=before, limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    older = {**_query(filters, chosen), "before": shown[-1].id} if len(found) > PAGE_SIZE else {}
    fingerprint = blake2b("\n".join(item.id for item in shown).encode(), digest_size=8)
    return {
        "days": _days(shown),
        "older": urlencode(older, doseq=True),
        "is_newest": before is None,
        "newest": urlencode(_query(filters, chosen), doseq=True),
        "fingerprint": fingerprint.hexdigest(),
        "is_filtered": not filters.is_open,
    }


def _days(items: list[Item]) -> list[Day]:
    today = timezone.localdate()
    rows = (Row(item, _on_clocks(item.at)) for item in items)
    grouped = groupby(rows, key=lambda row: row.at.date())
    return [Day(day, _day_title(day, today), list(found)) for day, found in grouped]


def _on_clocks(at: datetime) -> datetime:
    """The wall time, with no zone; that of UTC at the ends of the calendar, where there is none."""
    try:
        return timezone.localtime(at).replace(tzinfo=None)
    except OverflowError:
        return at.replace(tzinfo=None)


def _day_title(day: date, today: date) -> str:
    if day == today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    return date_format(day, "l, j F" if day.year == today.year else "j F Y")


def _filters(request: HttpRequest, actor: Actor) -> tuple[Filters, dict[str, str]]:
    """What the address asks for, and how it stands there; what makes no sense is passed over."""
    given = {name: request.GET.get(name, "").replace("\0", "").strip() for name in _NAMED}
    given["text"] = given["text"][:_TEXT_LIMIT]
    offered = {source.kind for source in offered_sources(actor)}
    since, until = _midnight(given["since"]), _midnight(given["until"], days=1)
    given["since"], given["until"] = (
        given["since"] if since else "",
        given["until"] if until else "",
    )
    filters = Filters(
        kinds=frozenset(request.GET.getlist("kind")) & offered,
        name=given["name"] or None,
        segment=given["segment"] or None,
        source=given["source"] or None,
        since=since,
        until=until,
        text=given["text"],
    )
    return filters, given


def _query(filters: Filters, chosen: dict[str, str]) -> dict[str, Any]:
    named = {name: value for name, value in chosen.items() if value}
    return {"kind": sorted(filters.kinds), **named} if filters.kinds else named


def _midnight(text: str, *, days: int = 0) -> datetime | None:
    """The beginning of a day in the workspace's time zone, or of one some days later."""
    try:
        day = parse_date(text)
        return (
            timezone.make_aware(datetime.combine(day + timedelta(days=days), time()))
            if day
            else None
        )
    except (ValueError, OverflowError):
        return None


def _place(text: str) -> Place | None:
    try:
        return Place.read(text)
    except ValueError:
        return None


def _chips(contact: Contact, actor: Actor, filters: Filters) -> list[Chip]:
    lately = Filters(since=timezone.now() - timedelta(days=COUNTED_DAYS))
    return [
        Chip(
            kind=one.source.kind,
            label=one.source.label,
            icon=one.source.icon,
            count=f"{number(one.count)}+" if one.is_more else number(one.count),
            is_empty=not one.count,
            is_chosen=one.source.kind in filters.kinds,
        )
        for one in counts(contact.pk, actor=actor, filters=lately, limit=_COUNT_LIMIT)
    ]


def _event_names(contact: Contact) -> list[tuple[str, str, str]]:
    """The kinds of events of the contact, the most frequent first: name, label, how many."""
    found = EventStatistic.objects.filter(contact_id=contact.pk, event_count__gt=0)
    ordered = found.select_related("definition").order_by("-event_count", "definition__name")
    return [
        (one.definition.name, str(one.definition), number(one.event_count))
        for one in ordered[:_NAMES_SHOWN]
    ]
