"""What the profile page shows of one person; as many queries for much as for little."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from contacts.admin.forms import field_label
from contacts.admin.registry import panels
from contacts.merge_records import moved_words, told_reason
from contacts.models import (
    AttributeDefinition,
    Category,
    ComputedMetric,
    ConsentDefinition,
    ConsentEntry,
    ConsentState,
    Contact,
    ContactMerge,
    EventStatistic,
    Identity,
    LabelledKey,
    LastSeen,
    LeadScoreChange,
    MetricDefinition,
    MetricValue,
    Tag,
)
from contacts.timeline.identities import namespace_name
from contacts.website_metrics import website_values_of
from workspace.admin.pictures import badge, number, sparkline
from workspace.exactjson import exact_dumps
from workspace.models import Website

Type = AttributeDefinition.Type
_FIELDS = (
    *("email", "phone", "first_name", "last_name", "gender"),
    *("country", "city", "postal_code", "language", "time_zone", "birth_date"),
)
_HISTORY_SHOWN = 100
_SCORES_SHOWN = 30
_CHOICES_SHOWN = 500
_MERGES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Consent:
    """What a contact allows, and the lines of the ledger that say so."""

    definition: ConsentDefinition
    badge: Any
    since: datetime | None
    is_granted: bool
    history: list[ConsentEntry]


def profile_context(request: HttpRequest, contact: Contact) -> dict[str, Any]:
    """Everything known of one person, for the template."""
    identities = list(
        Identity.objects.filter(contact_id=contact.pk).order_by("namespace", "created_at", "value")
    )
    last_seen = LastSeen.objects.filter(contact_id=contact.pk).first()
    loaded = [(panel, panel.load(request, contact)) for panel in panels()]
    return {
        "contact": contact,
        "external_id": next((i.value for i in identities if i.namespace == "user_id"), ""),
        "identities": [_known_name(identity) for identity in identities],
        "merges": [_told_merge(merge) for merge in contact.merges.all()[:_MERGES_SHOWN]],
        "initial": str(contact).lstrip("#")[:1].upper(),
        **_known("fields", _fields(contact)),
        **_known("attributes", _attributes(contact)),
        "labels": [
            {
                "name": "tags",
                "title": _("Tags"),
                "add_title": _("Add a tag"),
                "none": _("No tags"),
                **_labels(Tag, Tag.objects.filter(contacttag__contact_id=contact.pk)),
            },
            {
                "name": "categories",
                "title": _("Categories"),
                "add_title": _("Add a category"),
                "none": _("No categories"),
                **_labels(
                    Category, Category.objects.filter(contactcategory__contact_id=contact.pk)
                ),
            },
        ],
        "consents": _consents(contact),
        "metrics": _metrics(contact),
        "website_metrics": _website_metrics(contact),
        "event_count": number(_event_count(contact)),
        "last_seen_at": last_seen.last_seen_at if last_seen else None,
        "score": number(contact.lead_score.normalize() + 0),
        "score_line": _score_line(contact),
        "panels": [
            {"title": panel.title, "template": panel.template, "data": data, "key": panel.key}
            for panel, data in loaded
            if data is not None
        ],
    }


def _known_name(identity: Identity) -> dict[str, Any]:
    """A name, and when and how it was learned."""
    return {
        "namespace": namespace_name(identity.namespace),
        "value": identity.value,
        "at": identity.learned_at or identity.created_at,
        "how": " · ".join(part for part in (identity.evidence, identity.cause) if part),
    }


def _told_merge(merge: ContactMerge) -> dict[str, Any]:
    """Who became one with the contact, when and why, and what went over."""
    words = moved_words()
    return {
        "id": merge.pk,
        "at": merge.at,
        "why": told_reason(merge),
        "moved": [
            f"{words.get(word, word)}: {number(count)}"
            for word, count in merge.moved.items()
            if count
        ],
        "dropped": [(key, shown_value(value, "")) for key, value in merge.dropped.items()],
    }


def shown_value(value: Any, type_: str) -> str:
    """An attribute's canonical value for people."""
    if value is None or value == "":
        return ""
    if type_ == Type.BOOLEAN:
        return _("yes") if value else _("no")
    if type_ == Type.LIST and isinstance(value, list):
        return ", ".join(map(str, value))
    if type_ == Type.DATE:
        return date_format(date.fromisoformat(value), "DATE_FORMAT")
    if type_ == Type.DATETIME:
        at = timezone.localtime(datetime.fromisoformat(value))
        return date_format(at, "DATETIME_FORMAT")
    if isinstance(value, int | float | Decimal):
        return number(value)
    return str(value)


def shown_properties(properties: dict[str, Any]) -> list[tuple[str, str]]:
    """The properties of an event, one line each."""
    return [
        (
            name,
            value if isinstance(value, str) else exact_dumps(value),
        )
        for name, value in properties.items()
    ]


def _known(name: str, values: list[tuple[str, Any]]) -> dict[str, Any]:
    """Under a name what is known; what is not, only by its labels."""
    unknown = [label for label, value in values if value in (None, "")]
    return {
        name: [(label, value) for label, value in values if value not in (None, "")],
        f"unknown_{name}": unknown,
    }


def _fields(contact: Contact) -> list[tuple[str, Any]]:
    shown: list[tuple[str, Any]] = []
    for name in _FIELDS:
        value = getattr(contact, name)
        if isinstance(value, date):
            value = date_format(value, "DATE_FORMAT")
        shown.append((str(field_label(name)), value))
    return shown


def _attributes(contact: Contact) -> list[tuple[str, str]]:
    definitions = AttributeDefinition.objects.order_by("label")
    return [(d.label, shown_value(contact.attributes.get(d.key), d.type)) for d in definitions]


def _labels(model: type[LabelledKey], given: "QuerySet[Any]") -> dict[str, Any]:
    """The labels that a contact has, and those that it could be given."""
    has = list(given.order_by("label"))
    known = {label.pk for label in has}
    everything = model._default_manager.order_by("label")[: _CHOICES_SHOWN + len(known)]
    return {"given": has, "choices": [label for label in everything if label.pk not in known]}


def _consents(contact: Contact) -> list[Consent]:
    states = {
        state.definition_id: state for state in ConsentState.objects.filter(contact_id=contact.pk)
    }
    history: dict[int, list[ConsentEntry]] = {}
    entries = ConsentEntry.objects.filter(contact_id=contact.pk).order_by("-at", "-id")
    for entry in entries[:_HISTORY_SHOWN]:
        history.setdefault(entry.definition_id, []).append(entry)
    found = []
    for definition in ConsentDefinition.objects.order_by("label"):
        state = states.get(definition.pk)
        is_granted = state is not None and state.state == ConsentEntry.State.GRANTED
        if state is None:
            word = badge(_("never asked"))
        elif is_granted:
            word = badge(_("granted"), "good", "check")
        else:
            word = badge(_("withdrawn"), "bad", "block")
        found.append(
            Consent(
                definition,
                word,
                state.since if state else None,
                is_granted,
                history.get(definition.pk, []),
            )
        )
    return found


def _metrics(contact: Contact) -> list[tuple[str, str]]:
    values = MetricValue.objects.filter(contact_id=contact.pk).select_related("metric")
    found = []
    for value in values.order_by("metric__label"):
        if value.number is not None:
            shown = number(value.number.normalize() + 0)
        elif value.date is not None:
            shown = date_format(value.date, "DATE_FORMAT")
        else:
            shown = value.text
        found.append((value.metric.label, shown))
    return found


def _website_metrics(contact: Contact) -> list[tuple[str, list[tuple[str, str]]]]:
    """The same for each website, where there are several: with one it is said already."""
    if Website.objects.all()[:2].count() < 2:
        return []
    known = ComputedMetric.objects.select_related("metric").order_by("metric__label")
    metrics = [(one.upload_name, one.metric) for one in known]
    return [
        (
            website.name,
            [
                (metric.label, _website_value(values[name], metric.type))
                for name, metric in metrics
                if name in values
            ],
        )
        for website, values in website_values_of(contact.pk)
    ]


def _website_value(value: Any, type_: str) -> str:
    match type_:
        case MetricDefinition.Type.NUMBER:
            return number(Decimal(value).normalize() + 0)
        case MetricDefinition.Type.DATE:
            return date_format(date.fromisoformat(value), "DATE_FORMAT")
    return str(value)


def _event_count(contact: Contact) -> int:
    known = EventStatistic.objects.filter(contact_id=contact.pk)
    return known.aggregate(total=Sum("event_count"))["total"] or 0


def _score_line(contact: Contact) -> Any:
    changes = LeadScoreChange.objects.filter(contact_id=contact.pk).order_by("-at", "-id")
    scores = [float(change.score) for change in changes[:_SCORES_SHOWN]]
    if len(scores) < 2:
        return ""
    return sparkline(scores[::-1], _("Course of the lead score"))
