"""Fills the workspace with synthetic contacts, labels, consents and events."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils.translation import gettext as _

from contacts import metric_marks, touches
from contacts.models import (
    AttributeDefinition,
    Category,
    ConsentDefinition,
    Contact,
    EventDefinition,
    LabelledKey,
    Tag,
    Url,
)
from segments.models import Calculation, Membership, Segment, SegmentVersion, everyone
from workspace import sql
from workspace.copying import bare, copy_binary, copy_rows, reserve_ids
from workspace.errors import InputInvalid
from workspace.partitions import filled_month

from . import happenings, people
from . import vocabulary as words
from .errors import WorkspaceNotEmpty

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
_LOADERS = 2
# Below this many contacts or events, making indexes afterwards gains nothing.
_MANY = 20_000
_TABLES = (
    *("contacts_contact", "contacts_identity", "contacts_contacttag", "contacts_contactcategory"),
    *("contacts_consententry", "contacts_consentstate", "segments_membership"),
)

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Generated:
    """What was made."""

    contact_count: int
    event_count: int
    first_contact_id: int
    last_contact_id: int


@dataclass(frozen=True, slots=True)
class _Definitions:
    """The ids of what contacts and events refer to, each in the order of its vocabulary."""

    tags: Sequence[int]
    categories: Sequence[int]
    consents: Sequence[int]
    events: Sequence[int]
    urls: Sequence[str]
    url_ids: Sequence[int]
    segment: int


def generate_workspace(
    *,
    contact_count: int,
    event_count: int,
    seed: int,
    as_of: datetime,
    add: bool = False,
    report: Report = lambda step, done, total: None,
) -> Generated:
    """Make contacts with all that belongs to them; the same for the same arguments.

    Events lie in the 365 days before `as_of`. Contacts come in one transaction, then each month
    of events in its own. Raises WorkspaceNotEmpty where there are contacts already, unless `add`.
    `report` hears of steps: what, how many done, how many in all.
    """
    if contact_count < 1:
        raise InputInvalid(_("A workspace needs at least one contact."))
    if event_count < 0:
        raise InputInvalid(_("The number of events cannot be negative."))
    highest = Contact.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    if highest and not add:
        raise WorkspaceNotEmpty(
            _(
                "This workspace has contacts already, and nothing was generated. Use an empty one"
                " (REGULARS_VAR=/another/place), or say --add to add to these."
            )
        )
    as_of = as_of.astimezone(UTC)
    definitions = _define(seed, as_of)
    first_id = reserve_ids("contacts_contact", contact_count)
    made = Generated(contact_count, event_count, first_id, first_id + contact_count - 1)
    with ExitStack() as stack:
        stack.enter_context(transaction.atomic())
        for table in _TABLES:
            is_bare = not highest and contact_count >= _MANY
            stack.enter_context(bare(table) if is_bare else nullcontext())
        _load_people(made, definitions, highest + 1, seed, as_of, report)
    _load_events(made, definitions, seed, as_of, report)
    _derive(made, definitions, as_of, report)
    _tidy(report)
    return made


def _define(seed: int, as_of: datetime) -> _Definitions:
    """Make the definitions that are missing."""
    types = AttributeDefinition.Type
    attributes = {
        **{f"t{k}": types.TEXT for k in range(1, len(words.TEXT_VALUE_COUNTS) + 1)},
        **{f"n{k}": types.NUMBER for k in range(1, len(words.NUMBER_LIMITS) + 1)},
        **{f"b{k}": types.BOOLEAN for k in range(1, words.BOOLEAN_COUNT + 1)},
        **{f"d{k}": types.DATE for k in range(1, words.DATE_COUNT + 1)},
    }
    AttributeDefinition.objects.bulk_create(
        [AttributeDefinition(key=key, label=key, type=kind) for key, kind in attributes.items()],
        ignore_conflicts=True,
    )
    EventDefinition.objects.bulk_create(
        [EventDefinition(name=name) for name in words.EVENT_NAMES], ignore_conflicts=True
    )
    urls = words.urls(np.random.default_rng([seed, 0]))
    Url.objects.bulk_create([Url(url=url) for url in urls], ignore_conflicts=True)
    segment, is_new = Segment.objects.get_or_create(
        key=words.OTHER_SEGMENT,
        defaults={
            "name": "Other",
            "description": "A random fifth of the generated contacts.",
            # Its members are given and not computed: no refresh may touch them.
            "status": Segment.Status.INACTIVE,
            "source": Segment.Source.CSV,
            "calculated_at": as_of,
        },
    )
    if is_new:
        SegmentVersion.objects.create(
            segment=segment, number=1, criteria=everyone(), created_at=as_of
        )
    return _Definitions(
        tags=_labels(Tag, words.TAGS),
        categories=_labels(Category, words.CATEGORIES),
        consents=_labels(ConsentDefinition, words.CONSENTS),
        events=_ids(EventDefinition, "name", words.EVENT_NAMES),
        urls=urls,
        url_ids=_ids(Url, "url", urls),
        segment=segment.pk,
    )


def _labels(model: type[LabelledKey], labels: words.Labels) -> list[int]:
    manager = model._default_manager
    manager.bulk_create(
        [model(key=key, label=key.replace("_", " ")) for key in labels.keys], ignore_conflicts=True
    )
    return _ids(model, "key", labels.keys)


def _ids(model: Any, field: str, names: Sequence[str]) -> list[int]:
    known = dict(model._default_manager.filter(**{f"{field}__in": names}).values_list(field, "pk"))
    return [known[name] for name in names]


def _load_people(
    made: Generated,
    definitions: _Definitions,
    first_number: int,
    seed: int,
    as_of: datetime,
    report: Report,
) -> None:
    attributes = people.Attributes()
    member_count = 0
    done = 0
    for crowd, rng in people.in_blocks(
        first_id=made.first_contact_id,
        first_number=first_number,
        count=made.contact_count,
        seed=seed,
        as_of=as_of,
    ):
        report(_("Contacts"), done, made.contact_count)
        rows = people.contact_rows(crowd, rng, attributes)
        copy_rows("contacts_contact", people.CONTACT_COLUMNS, [rows])
        for namespace in ("user_id", "email"):
            rows = people.identity_rows(crowd, namespace)
            copy_rows("contacts_identity", people.IDENTITY_COLUMNS, [rows])
        for table, column, labels, ids in (
            ("contacts_contacttag", "tag_id", words.TAGS, definitions.tags),
            ("contacts_contactcategory", "category_id", words.CATEGORIES, definitions.categories),
        ):
            columns = people.labelled(crowd, rng, labels, ids, as_of)
            copy_rows(table, ("contact_id", column, "added_at"), [people.joined(columns)])
        contacts, consents, instants = people.labelled(
            crowd, rng, words.CONSENTS, definitions.consents, as_of
        )
        count = len(contacts)
        lines = (contacts, consents, instants, [b"granted"] * count, [b"generated"] * count)
        copy_rows(
            "contacts_consententry",
            ("contact_id", "definition_id", "at", "state", "source"),
            [people.joined(lines)],
        )
        chosen = crowd.ids[rng.random(len(crowd.ids)) < words.OTHER_SEGMENT_SHARE].tolist()
        segment, since = b"%d" % definitions.segment, as_of.isoformat().encode()
        members = [b"%d" % contact for contact in chosen]
        member_count += copy_rows(
            "segments_membership",
            ("contact_id", "segment_id", "entered_at"),
            [people.joined((members, [segment] * len(members), [since] * len(members)))],
        )
        done += len(crowd.ids)
        report(_("Contacts"), done, made.contact_count)
    total = Membership.objects.filter(segment_id=definitions.segment).count()
    Segment.objects.filter(pk=definitions.segment).update(member_count=total)
    Calculation.objects.create(
        segment_id=definitions.segment,
        at=as_of,
        version_number=1,
        member_count=total,
        entered_count=member_count,
        left_count=0,
        cause="generated",
    )


def _load_events(
    made: Generated, definitions: _Definitions, seed: int, as_of: datetime, report: Report
) -> None:
    """Load the months side by side: while the server parses one, NumPy makes the other."""
    plan = happenings.Plan(
        seed=seed,
        first_id=made.first_contact_id,
        share_below=happenings.activity(seed, made.contact_count),
        definition_ids=definitions.events,
        url_ids=np.array(definitions.url_ids),
        urls=definitions.urls,
    )
    spans = [
        span
        for span in happenings.spans(event_count=made.event_count, begins=list(_begins(as_of)))
        if span.count
    ]
    blocks = happenings.Blocks(plan)
    done = 0

    def load(span: happenings.Span) -> int:
        try:
            return _load_span(blocks, span)
        finally:
            connection.close()

    report(_("Events"), 0, made.event_count)
    if made.event_count < _MANY:
        for span in spans:
            done += _load_span(blocks, span)
            report(_("Events"), done, made.event_count)
        return
    with ThreadPoolExecutor(min(_LOADERS, os.cpu_count() or 1)) as pool:
        for loaded in as_completed([pool.submit(load, span) for span in spans]):
            done += loaded.result()
            report(_("Events"), done, made.event_count)


def _load_span(blocks: happenings.Blocks, span: happenings.Span) -> int:
    with filled_month("contacts_event", span.begins_at) as (table, is_new):
        rows = blocks.of(span)
        return copy_binary(table, happenings.EVENT_COLUMNS, rows, freeze=is_new)


def _begins(as_of: datetime) -> Iterator[datetime]:
    """Where the year before `as_of` begins, where its months begin, and `as_of`."""
    at = as_of - timedelta(days=words.DAYS)
    while at < as_of:
        yield at
        at = (at.replace(day=1) + timedelta(days=32)).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
    yield as_of


def _derive(made: Generated, definitions: _Definitions, as_of: datetime, report: Report) -> None:
    """Make what the product keeps about events: statistics, and when each was last seen."""
    report(_("Statistics"), 0, 2)
    mine = [made.first_contact_id, made.last_contact_id]
    tables = ("contacts_eventstatistic", "contacts_lastseen")
    with ExitStack() as stack:
        stack.enter_context(transaction.atomic())
        for table in tables:
            is_first = sql.one(f"SELECT NOT EXISTS (SELECT FROM {table})")  # noqa: S608 - our name
            is_bare = is_first and made.event_count >= _MANY
            stack.enter_context(bare(table) if is_bare else nullcontext())
        sql.execute(
            "INSERT INTO contacts_eventstatistic"
            " (contact_id, definition_id, event_count, first_at, last_at)"
            " SELECT contact_id, definition_id, count(*), min(occurred_at), max(occurred_at)"
            " FROM contacts_event WHERE contact_id BETWEEN %s AND %s"
            " GROUP BY contact_id, definition_id",
            mine,
        )
        report(_("Statistics"), 1, 2)
        sql.execute(
            "INSERT INTO contacts_lastseen (contact_id, last_seen_at)"
            " SELECT contact_id, max(last_at) FROM contacts_eventstatistic"
            " WHERE contact_id BETWEEN %s AND %s GROUP BY contact_id",
            mine,
        )
        # A month that is filled before it is attached has no triggers.
        touches.touch_everyone([touches.NEW])
        metric_marks.mark_anybody()
    report(_("Statistics"), 2, 2)


def _tidy(report: Report) -> None:
    """Have the planner know the new tables, and index-only scans read only indexes."""
    if connection.in_atomic_block:
        return
    tables = (*_TABLES, "contacts_eventstatistic", "contacts_lastseen", "contacts_url")
    with connection.cursor() as cursor:
        for done, table in enumerate((*tables, "contacts_event")):
            report(_("Vacuum"), done, len(tables) + 1)
            cursor.execute(f"VACUUM (ANALYZE) {table}")
    report(_("Vacuum"), len(tables) + 1, len(tables) + 1)
