"""The page on which a draft is rehearsed on history: how, how far it is, what it found."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import Contact
from journeys.checking import errors_among, faults_of
from journeys.drawing.catalog import OUTCOME_LABELS, REACTION_LABELS
from journeys.hiding import Hiding
from journeys.journeys import DRAWABLE
from journeys.models import Journey, Message, Participant, Refusal, Rehearsal
from journeys.outline import name_of, nodes_of
from journeys.rehearsing import gift_cards, rehearsals
from journeys.rehearsing.figures import figures_of, is_of
from journeys.widgets import CanvasWidget
from loyalty.gift_cards.campaigns import known_campaigns
from loyalty.money import money
from workspace.access import Actor, actor_of
from workspace.admin import PagesAdmin, job_context
from workspace.admin.pictures import chart, number
from workspace.errors import DomainError
from workspace.exactjson import exact_dumps

_DAYS = (
    (7, gettext_lazy("the last week")),
    (30, gettext_lazy("the last 30 days")),
    (90, gettext_lazy("the last 90 days")),
)


class RehearsingPages(PagesAdmin):
    """The page of the rehearsals of a journey."""

    def rehearsal_view(self, request: HttpRequest, journey: Journey) -> HttpResponseBase:
        """What the rehearsals of a draft found; posted, it begins another one."""
        actor = actor_of(request)
        if not actor.may(rehearsals.PERMISSION):
            raise PermissionDenied
        if request.method == "POST":
            return _begin(request, journey)
        done = list(rehearsals.rehearsals_of(journey))
        chosen = _chosen(done, request.GET.get("number", ""))
        errors = errors_among(faults_of(journey, actor=actor, at=timezone.now()))
        context = self.thing_context(
            request, journey, page="rehearsal", title=_("Rehearsal: %s") % journey.name
        )
        context.update(
            journey=journey,
            days=_DAYS,
            usual_days=rehearsals.DAYS_USUAL,
            reactions=_reactions_in(journey),
            error_count=len(errors),
            may_begin=not errors and journey.state in DRAWABLE,
            done=done,
            chosen=chosen,
            is_of_older_draft=chosen is not None and not _is_of_draft(chosen, journey),
        )
        if chosen is not None and chosen.job is not None:
            context.update(job_context(chosen.job))
        if chosen is not None and chosen.result is not None:
            drawing = chosen.drawing or journey.drawing
            canvas = _canvas(chosen, drawing, actor)
            context.update(
                told=_told(drawing, chosen.result, actor),
                **_days_of(chosen),
                canvas=canvas.render(
                    "rehearsed_drawing", exact_dumps(Hiding(actor).drawing(drawing), indent=2)
                ),
                media=self.media + canvas.media,
            )
        return TemplateResponse(request, "journeys/rehearsal.html", context)


def _begin(request: HttpRequest, journey: Journey) -> HttpResponseRedirect:
    days = request.POST.get("days", "")
    shares = {name: request.POST.get(name, "").strip() for name in REACTION_LABELS}
    try:
        rehearsals.request_rehearsal(
            journey,
            actor=actor_of(request),
            at=timezone.now(),
            days=int(days) if days.isdecimal() and len(days) < 5 else 0,
            reactions={
                name: int(text) if text.isdecimal() and len(text) < 5 else text
                for name, text in shares.items()
                if text
            },
        )
    except DomainError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("It is being rehearsed: nothing is sent, nothing is kept."))
    return HttpResponseRedirect(reverse("admin:journeys_journey_rehearsal", args=[journey.pk]))


def _chosen(done: list[Rehearsal], asked: str) -> Rehearsal | None:
    """The one that the address names, else the newest."""
    named = [one for one in done if str(one.pk) == asked]
    return next(iter(named or done), None)


def _is_of_draft(rehearsal: Rehearsal, journey: Journey) -> bool:
    return rehearsal.draft_number == journey.draft_number or is_of(
        rehearsal, journey.drawing, journey.settings
    )


def _canvas(rehearsal: Rehearsal, drawing: Any, actor: Actor) -> CanvasWidget:
    """What was rehearsed, with its figures; without them where it is not known what that was."""
    counts = figures_of(rehearsal)
    has_figures = bool(rehearsal.drawing) or set(counts) == set(nodes_of(drawing))
    return CanvasWidget(
        actor=actor,
        settings=Hiding(actor).settings(rehearsal.settings),
        counts=counts if has_figures else None,
        counts_of=rehearsed_words(rehearsal) if has_figures else "",
        is_read_only=True,
    )


def _days_of(rehearsal: Rehearsal) -> dict[str, str]:
    """From when to when the past was gone through, for people."""
    result: Mapping[str, Any] = rehearsal.result or {}
    return {
        name: date_format(datetime.fromisoformat(result[name]), "SHORT_DATE_FORMAT")
        for name in ("since", "until")
    }


def rehearsed_words(rehearsal: Rehearsal) -> str:
    """What the figures of a rehearsal are of."""
    words = _days_of(rehearsal)
    return _("Figures of a rehearsal from %(since)s to %(until)s: nothing of it happened.") % words


def _reactions_in(journey: Journey) -> list[tuple[str, str]]:
    """The reactions for which the draft waits, by name and in words."""
    nodes = journey.drawing.get("nodes") if isinstance(journey.drawing, dict) else None
    wanted = {
        (node.get("config") or {}).get("reaction")
        for node in (nodes if isinstance(nodes, list) else ())
        if isinstance(node, dict) and isinstance(node.get("config"), dict)
    }
    return [(name, _(label)) for name, label in REACTION_LABELS.items() if name in wanted]


def _told(drawing: Any, result: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """A result in words and numbers, for the template."""
    nodes = nodes_of(drawing)
    sent, cards, cap = result["messages"], result["gift_cards"], result["cap"]
    figures = [
        (_("contacts"), number(result["contacts"])),
        (_("entrances"), number(result["entered"])),
        (_("messages"), number(sent["total"])),
        (_("inside at the end"), number(result["inside"])),
    ]
    figures += [(_("in gift cards"), money(amount, code)) for code, amount in cards["cost"].items()]
    reasons, refused = dict(Message.Reason.choices), dict(Refusal.Reason.choices)
    outcomes = {**dict(Participant.Outcome.choices), "failed": _("came to grief")}
    return {
        "figures": figures,
        "since": result["since"][:10],
        "until": result["until"][:10],
        "nodes": [
            {
                "label": _label(nodes, node_id),
                "waiting": number(counts["waiting"]),
                "failed": number(counts["failed"]),
                "passed": [
                    (_outcome(outcome), number(count))
                    for outcome, count in counts["passed"].items()
                ],
                "messages": [
                    (Message.Channel(channel).label, number(count))
                    for channel, count in sent["nodes"].get(node_id, {}).items()
                ],
            }
            for node_id, counts in _in_order(nodes, result["nodes"])
        ],
        "days": _days_chart(sent["days"]),
        "left_out": [
            (reasons.get(name, name), number(count)) for name, count in sent["left_out"].items()
        ],
        "refused": [
            (refused.get(name, name), number(count)) for name, count in result["refused"].items()
        ],
        "ended": [
            (outcomes.get(name, name), number(count)) for name, count in result["ended"].items()
        ],
        "cards": _cards(cards, actor),
        "cap": cap,
        "over": number(cap["over"]),
        "people": _people(cap, actor),
        "notes": result["notes"],
    }


def _days_chart(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What would be sent each day, over each channel; None where nothing would be."""
    if not rows:
        return None
    by_day = {date.fromisoformat(row["day"]): row for row in rows}
    first, last = min(by_day), max(by_day)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    channels = (
        (Message.Channel.EMAIL, _("E-mail"), "primary"),
        (Message.Channel.PUSH, _("Push"), "warning"),
    )
    series = [
        (label, [by_day.get(day, {}).get(channel, 0) for day in days], tone)
        for channel, label, tone in channels
    ]
    shown = [one for one in series if any(one[1])]
    labels = [date_format(day, "j M") for day in days]
    return chart(labels, shown, kind="bar", axis=_("Day"), is_stacked=True)


def _cards(cards: Mapping[str, Any], actor: Actor) -> list[dict[str, Any]]:
    """What each campaign would give, and to whom not; those of other groups without their name."""
    rows = cards.get("campaigns", [])
    wanted = known_campaigns(actor).filter(key__in=[row["campaign"] for row in rows])
    known = {key: (pk, name) for pk, key, name in wanted.values_list("pk", "key", "name")}
    hidden = (None, _("a campaign of another group, or one that is gone"))
    return [
        {
            "id": known.get(row["campaign"], hidden)[0],
            "name": known.get(row["campaign"], hidden)[1],
            "count": number(row["count"]),
            "worth": money(row["amount_minor"], row["currency"]),
            "left": _("as many as are asked for") if row["left"] is None else number(row["left"]),
            "failed": [
                (gift_cards.PROBLEMS.get(name, name), number(count))
                for name, count in row["failed"].items()
            ],
        }
        for row in rows
    ]


def _people(cap: Mapping[str, Any], actor: Actor) -> list[dict[str, Any]]:
    """Whom the cap kept from a message, with their names where one may see those."""
    rows = cap.get("people", [])
    names: dict[int, str] = {}
    if rows and actor.may("contacts.view_contact"):
        found = Contact.objects.filter(pk__in=[row["contact_id"] for row in rows])
        names = {one.pk: str(one) for one in found}
    return [
        {
            "id": row["contact_id"],
            "name": names.get(row["contact_id"], ""),
            "messages": number(row["messages"]),
            "left_out": number(row["left_out"]),
        }
        for row in rows
    ]


def _in_order(
    nodes: Mapping[str, Any], counts: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, Mapping[str, Any]]]:
    """As they are drawn: JSON in the database keeps no order. What was drawn then comes last."""
    rank = {node_id: number for number, node_id in enumerate(nodes)}
    return sorted(counts.items(), key=lambda one: (rank.get(one[0], len(rank)), one[0]))


def _label(nodes: Mapping[str, Mapping[str, Any]], node_id: str) -> str:
    return name_of(nodes.get(node_id, {})) or node_id


def _outcome(name: str) -> str:
    label = OUTCOME_LABELS.get(name)
    return _(label) if label else name
