"""Two contacts that are one person become one: the survivor has all, the loser's row is empty.

What is kept: every event (the same message at the same time once), the whole ledgers of consents
and scores, all identities, tags and categories. Of fields, attributes and metrics the survivor's
value wins, and blanks are filled; what was dropped stands in the `ContactMerge`. The floors above
add what they keep, see `contacts.extensions.register_merger`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts import event_notes, metric_marks, touches
from contacts.erasure import empty_values
from contacts.errors import ContactUnknown, MergeRefused
from contacts.events import COLUMNS, share_recording, store_events
from contacts.extensions import Pair, registered_mergers
from contacts.identities import Name
from contacts.models import Contact, ContactMerge
from contacts.survivors import merged_into, survivor_of, survivors_of
from workspace import audit, sql
from workspace.access import SYSTEM, Actor
from workspace.exactjson import exact_dumps

__all__ = [
    "Merger",
    "filled_columns",
    "merge_contacts",
    "merge_many",
    "merged_into",
    "survivor_of",
    "survivors_of",
]

FIELDS = (
    *("email", "phone", "first_name", "last_name", "gender", "country", "city", "postal_code"),
    *("language", "time_zone", "birth_date"),
)
_NAMED = frozenset({"email", "phone"})
# Columns of a survivor's row that may be filled, with their types.
_COLUMNS = {
    **dict.fromkeys(FIELDS, "text"),
    "birth_date": "date",
    "lead_score": "numeric",
    "created_at": "timestamptz",
}
_FILL = f"""
UPDATE contacts_contact c SET updated_at = %s, attributes = new.attributes::jsonb,
  {", ".join(f"{name} = new.{name}" for name in _COLUMNS)}
FROM unnest(%s::bigint[], %s::text[], {", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values())})
  AS new (id, attributes, {", ".join(_COLUMNS)})
WHERE c.id = new.id
"""  # noqa: S608  made of our own words only
_LOCK = "SELECT id FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
# In the order in which they are merged.
_PAIRS = "unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS pair (loser, survivor, place)"
_OF = f"FROM {{table}} t JOIN {_PAIRS} ON t.contact_id = pair.loser"

_EVENTS = f"""(
  SELECT pair.survivor AS contact_id, e.definition_id, e.occurred_at, e.received_at,
    e.message_id, e.url_id, e.properties
  FROM {_PAIRS} JOIN contacts_event e ON e.contact_id = pair.loser
    AND e.occurred_at BETWEEN %s AND %s
) AS incoming ({", ".join(COLUMNS)})"""  # noqa: S608  made of our own words only
_SPAN = """
SELECT min(first_at) AS first_at, max(last_at) AS last_at FROM contacts_eventstatistic
WHERE contact_id = ANY(%s)
"""
_FORGET_EVENTS = """
WITH gone AS (
  DELETE FROM contacts_event WHERE contact_id = ANY(%s) AND occurred_at BETWEEN %s AND %s
  RETURNING contact_id)
SELECT contact_id, count(*) AS rows FROM gone GROUP BY contact_id
"""
_LAST_SEEN = f"""
INSERT INTO contacts_lastseen AS known (contact_id, last_seen_at)
SELECT pair.survivor, max(t.last_seen_at) {_OF.format(table="contacts_lastseen")}
GROUP BY pair.survivor ORDER BY pair.survivor
ON CONFLICT (contact_id) DO UPDATE SET last_seen_at = excluded.last_seen_at
WHERE known.last_seen_at < excluded.last_seen_at
"""
# With their own numbers, so that of two lines of one instant the later one still counts.
_CONSENTS = f"""
INSERT INTO contacts_consententry
  (contact_id, id, definition_id, state, at, source, reason, actor)
SELECT pair.survivor, t.id, t.definition_id, t.state, t.at, t.source, t.reason, t.actor
{_OF.format(table="contacts_consententry")} ORDER BY pair.survivor, t.id
"""
_SCORES = f"""
INSERT INTO contacts_leadscorechange (contact_id, id, score, at, reason, actor)
SELECT pair.survivor, t.id, t.score, t.at, t.reason, t.actor
{_OF.format(table="contacts_leadscorechange")} ORDER BY pair.survivor, t.id
"""
_LABELS = f"""
INSERT INTO contacts_contact{{kind}} AS known (contact_id, {{kind}}_id, added_at)
SELECT pair.survivor, t.{{kind}}_id, min(t.added_at) {_OF.format(table="contacts_contact{kind}")}
GROUP BY pair.survivor, t.{{kind}}_id ORDER BY 1, 2
ON CONFLICT (contact_id, {{kind}}_id) DO UPDATE SET added_at = excluded.added_at
WHERE known.added_at > excluded.added_at
"""
_METRICS = f"""
INSERT INTO contacts_metricvalue (contact_id, metric_id, number, date, text, computed_at)
SELECT DISTINCT ON (pair.survivor, t.metric_id)
  pair.survivor, t.metric_id, t.number, t.date, t.text, t.computed_at
{_OF.format(table="contacts_metricvalue")}
ORDER BY pair.survivor, t.metric_id, pair.place
ON CONFLICT (contact_id, metric_id) DO NOTHING
"""
_MOVES = (
    *(_LAST_SEEN, _CONSENTS, _SCORES, _METRICS),
    *(_LABELS.format(kind=kind) for kind in ("tag", "category")),
)
# After the survivor's own: its external id stays what it is. Among themselves in the order that
# they had, so that the first of a loser comes before its others.
_IDENTITIES = f"""
UPDATE contacts_identity i SET contact_id = moved.survivor,
  learned_at = coalesce(i.learned_at, i.created_at),
  created_at = greatest(%s, i.created_at, (
    SELECT max(own.created_at) + interval '1 microsecond' FROM contacts_identity own
    WHERE own.contact_id = moved.survivor AND own.namespace = i.namespace))
    + moved.place * interval '1 microsecond'
FROM (
  SELECT t.namespace, t.value, pair.survivor, row_number() OVER (
    PARTITION BY pair.survivor, t.namespace ORDER BY pair.place, t.created_at, t.value) - 1 AS place
  {_OF.format(table="contacts_identity")}) moved
WHERE i.namespace = moved.namespace AND i.value = moved.value
"""  # noqa: S608
_FORGET = """
WITH gone AS (DELETE FROM {table} WHERE contact_id = ANY(%s) RETURNING contact_id)
SELECT contact_id, count(*) AS rows FROM gone GROUP BY contact_id
"""
_COUNT_IDENTITIES = """
SELECT contact_id, count(*) AS rows FROM contacts_identity WHERE contact_id = ANY(%s)
GROUP BY contact_id
"""
_DROPPED_METRICS = f"""
SELECT t.contact_id, d.key, coalesce(t.number::text, t.date::text, t.text) AS value
{_OF.format(table="contacts_metricvalue")}
JOIN contacts_metricvalue own ON own.contact_id = pair.survivor AND own.metric_id = t.metric_id
JOIN contacts_metricdefinition d ON d.id = t.metric_id
WHERE (t.number, t.date, t.text) IS DISTINCT FROM (own.number, own.date, own.text)
"""  # noqa: S608
_FOLLOW = f"""
UPDATE contacts_contactmerge m SET survivor_id = pair.survivor
FROM {_PAIRS} WHERE m.survivor_id = pair.loser
"""  # noqa: S608
# What is counted under which word in the record of a merge.
_TABLES = {
    "contacts_contacttag": "tags",
    "contacts_contactcategory": "categories",
    "contacts_consententry": "consents",
    "contacts_leadscorechange": "scores",
    "contacts_metricvalue": "metrics",
    "contacts_websitemetrics": "",
    "contacts_eventstatistic": "",
    "contacts_lastseen": "",
    "contacts_consentstate": "",
}


@dataclass(frozen=True, slots=True)
class Merger:
    """One contact that becomes another, and why: two names that a message gave to one person."""

    survivor_id: int
    loser_id: int
    evidence: str = ""
    names: tuple[Name, ...] = ()


@transaction.atomic
def merge_contacts(
    survivor_id: int,
    loser_id: int,
    *,
    actor: Actor,
    at: datetime,
    cause: str,
    evidence: str = "",
) -> ContactMerge:
    """Make one contact of two. Returns the record of it, which says what was moved and dropped.

    Rules of identity are not asked: whoever calls knows that it is one person. One that was
    merged before stands for its survivor. Raises ContactUnknown, and MergeRefused for one and the
    same.
    """
    survivor_id, loser_id = survivor_of(survivor_id), survivor_of(loser_id)
    if survivor_id == loser_id:
        raise MergeRefused(_("Both are the same contact: #%(id)d.") % {"id": survivor_id})
    merger = Merger(survivor_id, loser_id, evidence)
    (merge,) = merge_many([merger], actor=actor, at=at, cause=cause)
    return merge


@transaction.atomic
def merge_many(
    mergers: Sequence[Merger], *, actor: Actor, at: datetime, cause: str
) -> list[ContactMerge]:
    """Merge several pairs in as many statements as one; blanks are filled in the order given.

    Nobody is a survivor and a loser, and nobody loses twice. Holds all these contacts locked, in
    the order of their ids, until the transaction ends. Raises ContactUnknown where one does not
    exist or was erased; then nothing is written.
    """
    share_recording()
    pairs = [Pair(one.survivor_id, one.loser_id) for one in mergers]
    losers = [pair.loser_id for pair in pairs]
    contacts = _locked({*losers, *(pair.survivor_id for pair in pairs)})
    # Before anything else is locked: whoever works off notes may need it.
    event_notes.follow_merge(pairs)
    moved: dict[int, dict[str, int]] = {loser_id: {} for loser_id in losers}
    dropped = _merge_rows(pairs, contacts, actor=actor, at=at)
    # The floors above before the identities go over, of which they may ask.
    for name, merge in registered_mergers().items():
        for loser_id, found in merge(pairs, at).items():
            moved[loser_id][name] = found.count
            dropped[loser_id].update(found.dropped)
    _move_events(pairs, moved)
    for row in sql.rows(_DROPPED_METRICS, _arrays(pairs)):
        dropped[row["contact_id"]][f"metrics.{row['key']}"] = row["value"]
    for statement in _MOVES:
        sql.execute(statement, _arrays(pairs))
    _count(moved, "identities", _rows(_COUNT_IDENTITIES, losers))
    sql.execute(_IDENTITIES, [at, *_arrays(pairs)])
    for table, word in _TABLES.items():
        counts = _rows(_FORGET.format(table=table), losers)
        if word:
            _count(moved, word, counts)
    # Besides what the triggers saw: lists that name the contact, and whatever is kept elsewhere.
    both = [pair.survivor_id for pair in pairs] + losers
    touches.touch(both, touches.NEW)
    metric_marks.mark(both)
    return _record(mergers, moved, dropped, actor=actor, at=at, cause=cause)


def filled_columns(survivor: Contact, loser: Contact) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the survivor gets of the loser's row, and what of it is dropped, by name.

    Fields that the survivor has stay; an e-mail address or phone number of the loser is not lost,
    it stays an identity. Attributes are named "attributes.KEY". The lead score is the higher of
    both: each was given for what the same person did. Known since is the earlier.
    """
    filled: dict[str, Any] = {}
    dropped: dict[str, Any] = {}
    for name in FIELDS:
        own, other = getattr(survivor, name), getattr(loser, name)
        if other and not own:
            filled[name] = other
        elif other and other != own and name not in _NAMED:
            dropped[name] = str(other)
    missing = {
        key: value for key, value in loser.attributes.items() if key not in survivor.attributes
    }
    if missing:
        filled["attributes"] = {**survivor.attributes, **missing}
    for key, value in loser.attributes.items():
        if key not in missing and value != survivor.attributes[key]:
            dropped[f"attributes.{key}"] = value
    if loser.lead_score > survivor.lead_score:
        filled["lead_score"] = loser.lead_score
    if loser.created_at < survivor.created_at:
        filled["created_at"] = loser.created_at
    return filled, dropped


def _locked(contact_ids: set[int]) -> dict[int, Contact]:
    sql.execute(_LOCK, [sorted(contact_ids)])
    found = Contact.objects.filter(erased_at=None).in_bulk(contact_ids)
    unknown = sorted(contact_ids - set(found))
    if unknown:
        raise ContactUnknown(_("There is no contact %(id)s.") % {"id": unknown[0]})
    return found


def _merge_rows(
    pairs: Sequence[Pair], contacts: Mapping[int, Contact], *, actor: Actor, at: datetime
) -> dict[int, dict[str, Any]]:
    """Fill the survivors' rows and empty the losers'; what was dropped of each loser."""
    dropped, scored = {}, {}
    for pair in pairs:
        survivor = contacts[pair.survivor_id]
        filled, dropped[pair.loser_id] = filled_columns(survivor, contacts[pair.loser_id])
        for name, value in filled.items():
            setattr(survivor, name, value)
        survivor.updated_at = at
        if "lead_score" in filled:
            scored[pair.survivor_id] = pair.loser_id
    ids = sorted({pair.survivor_id for pair in pairs})
    survivors = [contacts[contact_id] for contact_id in ids]
    columns = [[getattr(survivor, name) for survivor in survivors] for name in _COLUMNS]
    attributes = [exact_dumps(survivor.attributes) for survivor in survivors]
    sql.execute(_FILL, [at, ids, attributes, *columns])
    Contact.objects.filter(pk__in=[pair.loser_id for pair in pairs]).update(
        **empty_values(), erased_at=at, updated_at=at
    )
    if scored:
        _write_scores(scored, contacts, actor=actor, at=at)
    return dropped


def _write_scores(
    scored: Mapping[int, int], contacts: Mapping[int, Contact], *, actor: Actor, at: datetime
) -> None:
    ids = sorted(scored)
    sql.execute(
        "INSERT INTO contacts_leadscorechange (contact_id, score, at, reason, actor)"
        " SELECT id, score, %s, reason, %s"
        " FROM unnest(%s::bigint[], %s::numeric[], %s::text[]) AS new (id, score, reason)",
        [
            *(at, actor.name[:200], ids),
            [contacts[contact_id].lead_score for contact_id in ids],
            [_("Merged with #%(id)d") % {"id": scored[contact_id]} for contact_id in ids],
        ],
    )


def _move_events(pairs: Sequence[Pair], moved: dict[int, dict[str, int]]) -> None:
    """Give the survivors the events of the losers, and count them as those that are recorded."""
    losers = [pair.loser_id for pair in pairs]
    [span] = sql.rows(_SPAN, [losers])
    bounds = [span["first_at"], span["last_at"]]
    if None in bounds:
        return
    store_events(_EVENTS, [*_arrays(pairs), *bounds], are_noted=False)
    _count(moved, "events", _rows(_FORGET_EVENTS, losers, *bounds))


def _record(
    mergers: Sequence[Merger],
    moved: Mapping[int, dict[str, int]],
    dropped: Mapping[int, dict[str, Any]],
    *,
    actor: Actor,
    at: datetime,
    cause: str,
) -> list[ContactMerge]:
    """Write down who was merged; earlier ones into a loser follow to the survivor."""
    sql.execute(_FOLLOW, _arrays([Pair(one.survivor_id, one.loser_id) for one in mergers]))
    merges = ContactMerge.objects.bulk_create(
        ContactMerge(
            loser_id=one.loser_id,
            survivor_id=one.survivor_id,
            into_id=one.survivor_id,
            at=at,
            cause=cause[:60],
            evidence=one.evidence[:200],
            actor=actor.name[:200],
            names=[[name.namespace, name.value] for name in one.names],
            moved=moved[one.loser_id],
            dropped=dropped[one.loser_id],
        )
        for one in mergers
    )
    if actor.kind != SYSTEM.kind:
        # What the system merges stands in its own record; people and programs in the trail, too.
        for merge in merges:
            audit.record(
                actor=actor,
                action="contact.merged",
                object_type=Contact._meta.label_lower,
                object_id=str(merge.survivor_id),
                label=f"#{merge.survivor_id}",
                changes={
                    "merged": [f"#{merge.loser_id}", f"#{merge.survivor_id}"],
                    **{word: [count, 0] for word, count in merge.moved.items() if count},
                },
                at=at,
            )
    return merges


def _arrays(pairs: Sequence[Pair]) -> list[Any]:
    return [[pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]]


def _rows(statement: str, losers: Sequence[int], *bounds: datetime) -> dict[int, int]:
    found = sql.rows(statement, [list(losers), *bounds])
    return {row["contact_id"]: row["rows"] for row in found}


def _count(moved: dict[int, dict[str, int]], word: str, counts: Mapping[int, int]) -> None:
    for loser_id, count in counts.items():
        moved[loser_id][word] = count
