"""Takes the demo workspace away again, and nothing that belongs to anybody else.

Demo contacts are the exception to the rule that contacts are erased and never deleted: they never
lived, so no ledger has to add up with them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django_celery_beat.models import PeriodicTask
from psycopg import sql as syntax

from contacts import event_uses
from contacts.events import pause_recording
from contacts.models import (
    AttributeDefinition,
    Category,
    ComputedMetric,
    ConsentDefinition,
    Contact,
    EventDefinition,
    MetricDefinition,
    SeenMessage,
    Tag,
)
from contacts.ready_metrics import READY_METRICS
from integrations.models import HeldEvent, ReceivedEvent, Source
from segments import indexes, membership, rule_events, schedule
from segments.action_writes import forget_changes
from segments.criteria import references
from segments.errors import CriteriaRefused
from segments.facts import catalog_for, criteria_of, parse_criteria
from segments.models import MembershipChange, RuleEvent, SavedCriteria, Segment, SegmentActionRun
from workspace import access, audit, locks, sql, websites
from workspace.access import SYSTEM, Actor
from workspace.models import User, Website

from . import shop
from .card_removal import remove_loyalty
from .journeys import named_by_others, remove_journeys
from .logins import demo_users, logins_file

_PERMISSION = "workspace.remove_demo_data"


# What journeys call a kind of definition that criteria name so.
_KINDS = {
    "tags": "tag",
    "categories": "category",
    "consents": "consent",
    "attributes": "attribute",
    "metrics": "metric",
}


@dataclass(frozen=True, slots=True)
class DemoData:
    """How much of the workspace is demo data."""

    contact_count: int
    event_count: int
    member_count: int
    segment_count: int
    definition_count: int
    logins: tuple[str, ...]

    @property
    def is_any(self) -> bool:
        """Whether there is anything to remove."""
        return bool(
            self.contact_count or self.segment_count or self.definition_count or self.logins
        )


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed, and what stayed because others use it: keys, and logins."""

    removed: DemoData
    kept_keys: tuple[str, ...]
    kept_logins: tuple[str, ...]


# Each kind of definition: the rows that use it (our own names, never typed by people), and where
# the references of criteria name its keys.
_DEFINITIONS: tuple[tuple[Any, str, str], ...] = (
    (Tag, "SELECT FROM contacts_contacttag u WHERE u.tag_id = d.id", "tags"),
    (
        Category,
        "SELECT FROM contacts_contactcategory u WHERE u.category_id = d.id",
        "categories",
    ),
    (
        ConsentDefinition,
        "SELECT FROM contacts_consententry u WHERE u.definition_id = d.id",
        "consents",
    ),
    (
        AttributeDefinition,
        "SELECT FROM contacts_contact u WHERE u.attributes ? d.key",
        "attributes",
    ),
    (MetricDefinition, "SELECT FROM contacts_metricvalue u WHERE u.metric_id = d.id", "metrics"),
    (
        EventDefinition,
        "SELECT 1 FROM contacts_event u WHERE u.definition_id = d.id UNION ALL"
        " SELECT 1 FROM segments_ruleevent r WHERE d.id IN (r.base_id, r.definition_id)",
        "events",
    ),
)


def find_demo_data() -> DemoData:
    """What `remove_demo_data` would destroy."""
    found = sql.rows(
        "SELECT count(*) AS contacts, coalesce(sum(s.event_count), 0) AS events,"
        " count(m.contact_id) AS members FROM contacts_contact c"
        " LEFT JOIN (SELECT contact_id, sum(event_count) AS event_count"
        " FROM contacts_eventstatistic GROUP BY contact_id) s ON s.contact_id = c.id"
        " LEFT JOIN loyalty_member m ON m.contact_id = c.id"
        " WHERE c.is_demo"
    )[0]
    return DemoData(
        contact_count=int(found["contacts"]),
        event_count=int(found["events"]),
        member_count=int(found["members"]),
        segment_count=Segment.objects.filter(is_demo=True).count(),
        definition_count=sum(
            model._default_manager.filter(is_demo=True).count()
            for model, _rows, _part in _DEFINITIONS
        ),
        logins=tuple(demo_users().order_by("username").values_list("username", flat=True)),
    )


@transaction.atomic
def remove_demo_data(*, actor: Actor, at: datetime) -> Removed:
    """Delete demo contacts with all that hangs on them, demo segments, definitions and logins.

    What others use stays and is marked as demo no more: a tag on other contacts, a segment or
    attribute that other criteria name. The login of who removes stays, and the last
    administrator's. Does nothing the second time. Raises NotAllowed.
    """
    access.require(actor, _PERMISSION)
    locks.lock("demo workspace")
    pause_recording()
    found = find_demo_data()
    # What names segments and contacts goes before them.
    kept = [*remove_journeys(at=at), *remove_loyalty(), *_remove_sources(), *_remove_segments()]
    _remove_rule_events(at=at)
    kept += _remove_contacts_and_definitions()
    _restore_metrics()
    kept += _remove_websites(at=at)
    kept_logins = _remove_logins(actor)
    done = Removed(found, tuple(sorted(kept)), kept_logins)
    if not (found.contact_count or found.segment_count or set(found.logins) - set(kept_logins)):
        return done
    audit.record(
        actor=actor,
        action="demo.removed",
        object_type="workspace",
        label="Demo workspace",
        changes={
            "contacts": [found.contact_count, 0],
            "events": [found.event_count, 0],
            "segments": [found.segment_count, 0],
        },
        at=at,
    )
    return done


def _restore_metrics() -> None:
    """Count returns again by the event of most shops, where nobody chose another one."""
    ready = READY_METRICS["return_rate"].formula
    ours = ComputedMetric.objects.filter(metric__key="return_rate", other_event_name=shop.RETURN)
    ours.update(other_event_name=ready.other_event_name)


def _remove_sources() -> list[str]:
    """Delete the demo sources with their log, except those by which somebody sent since.

    Those lose what was invented of their log, and are returned.
    """
    demo = Source.objects.filter(is_demo=True)
    kept = []
    for source in demo.filter(write_keys__last_used_at__isnull=False).distinct():
        first_use = min(key.last_used_at for key in source.write_keys.all() if key.last_used_at)
        for model in (ReceivedEvent, HeldEvent):
            model._default_manager.filter(source=source, received_at__lt=first_use).delete()
        kept.append(source.key)
    demo.filter(key__in=kept).update(is_demo=False)
    SeenMessage.objects.filter(source_id__in=list(demo.values_list("pk", flat=True))).delete()
    demo.delete()
    return kept


def _remove_segments() -> list[str]:
    """Delete the demo segments, except those that the criteria of others name; returns these."""
    SavedCriteria.objects.filter(is_demo=True).delete()
    needed = _references("segments")
    demo = Segment.objects.filter(is_demo=True)
    kept = list(demo.filter(key__in=needed))
    demo.filter(key__in=needed).update(is_demo=False)
    segments = list(demo)
    ids = [segment.pk for segment in segments]
    PeriodicTask.objects.filter(name__in=[schedule.task_name(s) for s in segments]).delete()
    MembershipChange.objects.filter(segment_id__in=ids).delete()
    sql.execute("DELETE FROM segments_membership WHERE segment_id = ANY(%s)", [ids])
    runs = SegmentActionRun.objects.filter(action__segment_id__in=ids)
    forget_changes(list(runs.values_list("pk", flat=True)))
    Segment.objects.filter(pk__in=ids).delete()
    return [segment.key for segment in kept]


def _remove_rule_events(*, at: datetime) -> None:
    """Delete the demo's rule-based events, except those for which somebody asks."""
    for rule in RuleEvent.objects.filter(is_demo=True):
        # One or two; each is taken from what is watched for.
        if event_uses.uses_of([rule.name], actor=SYSTEM)[rule.name]:
            RuleEvent.objects.filter(pk=rule.pk).update(is_demo=False)
        else:
            rule_events.delete_rule_event(rule, actor=SYSTEM, at=at)


def _remove_websites(*, at: datetime) -> list[str]:
    """Delete the demo's website, except where something needs it; returns those that stay."""
    kept = []
    for website in Website.objects.filter(is_demo=True):
        # There is one.
        if websites.uses_of(website):
            Website.objects.filter(pk=website.pk).update(is_demo=False)
            kept.append(website.key)
        else:
            websites.delete_website(website.key, actor=SYSTEM, at=at)
    return kept


def _remove_contacts_and_definitions() -> list[str]:
    ids = list(Contact.objects.filter(is_demo=True).values_list("pk", flat=True))
    membership.forget_contacts(ids)
    with connection.cursor() as cursor:
        for table in _tables_of_contacts():
            statement = syntax.SQL("DELETE FROM {} WHERE contact_id = ANY(%s)")
            cursor.execute(statement.format(syntax.Identifier(table)), [ids])
    sql.execute("DELETE FROM contacts_contact WHERE id = ANY(%s)", [ids])
    # The dictionary of addresses has no mark: ours are those of the invented shop.
    sql.execute(
        "DELETE FROM contacts_url d WHERE starts_with(d.url, %s)"
        " AND NOT EXISTS (SELECT FROM contacts_event e WHERE e.url_id = d.id)",
        [shop.SHOP],
    )
    kept: list[str] = []
    for model, rows, part in _DEFINITIONS:
        kept += _remove_definitions(model, rows, _references(part))
    indexes.request()
    return kept


def _tables_of_contacts() -> list[str]:
    """Every table with rows per contact, whichever room it is in; partitions by their parent."""
    found = sql.rows(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE a.attname = 'contact_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')"
        " AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace"
        " ORDER BY c.relname"
    )
    return [row["relname"] for row in found]


def _remove_definitions(model: Any, rows: str, named: Iterable[str]) -> list[str]:
    """Delete demo definitions that nothing uses; returns the keys of the others."""
    name = "name" if model is EventDefinition else "key"
    table = model._meta.db_table
    used = sql.rows(
        f"UPDATE {table} d SET is_demo = false WHERE d.is_demo"  # noqa: S608 - our names
        f" AND (d.{name} = ANY(%s) OR EXISTS ({rows})) RETURNING d.{name} AS key",
        [list(named)],
    )
    model._default_manager.filter(is_demo=True).delete()
    return [row["key"] for row in used]


def _references(part: str) -> set[str]:
    """What is named by what is no demo data, of one kind: by criteria and by journeys."""
    catalog = catalog_for(SYSTEM)
    found: set[str] = set()
    for segment in Segment.objects.filter(is_demo=False):
        try:
            tree = criteria_of(segment, catalog=catalog)
        except CriteriaRefused:
            # Wrong already: removing the demo data takes nothing from it.
            continue
        found |= getattr(references(tree), part)
    for saved in SavedCriteria.objects.filter(is_demo=False):
        try:
            tree = parse_criteria(saved.criteria, SYSTEM, catalog=catalog)
        except CriteriaRefused:
            continue
        found |= getattr(references(tree), part)
    for one in named_by_others():
        if part in {"segments", "events"}:
            found |= getattr(one, part)
        else:
            kind = _KINDS.get(part)
            found |= {key for named_kind, key in one.definitions if named_kind == kind}
    return found


def _remove_logins(actor: Actor) -> tuple[str, ...]:
    """Delete the demo logins, but lock nobody out; returns those that stay."""
    demo = demo_users()
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(
        pk__in=demo.values("pk")
    )
    keep = demo.filter(pk=actor.id or 0) if actor.kind == "user" else demo.none()
    if not others.exists() and not keep.filter(is_superuser=True).exists():
        keep = keep | demo.filter(is_superuser=True)
    kept = tuple(keep.order_by("username").values_list("username", flat=True))
    demo.exclude(username__in=kept).delete()
    if not kept:
        transaction.on_commit(lambda: logins_file().unlink(missing_ok=True))
    return kept
