"""Whose metrics may have changed: marked in the transaction that changes anything of a contact.

The database marks by itself who comes, goes, is merged or erased, becomes known by another name,
and whose rows of the tables change that recipes look at (migration `follow_changes_of_metrics`).
Events are marked by the statement that stores them, where a formula looks at their kind.

Those who compute take the marks: the metrics of everyone (`EVERYONE`), and each website by its id.
Whoever takes them first leaves them to the others, who are owed them until they compute. Taken in
the transaction that writes the values; where that is undone the marks are there again. There is
one taker at a time, by the lock of contacts.computed_metrics.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from contacts.events import pause_recording
from workspace import sql

# Who computes the metrics of all contacts; websites are called by their ids.
EVERYONE = 0
# The table of those taken, until the transaction ends.
TAKEN = "metric_taken"
# A mark of this contact: anybody may have changed.
_ANYBODY = 0
# What nobody computed for so long is computed anew when somebody does.
_KEPT = timedelta(days=7)

_TAKE = f"""
WITH gone AS (DELETE FROM contacts_metricmark RETURNING contact_id),
marked AS MATERIALIZED (SELECT DISTINCT contact_id FROM gone),
owed AS (DELETE FROM contacts_metricdue WHERE consumer = ANY(%(mine)s::int[]) RETURNING contact_id),
forgotten AS (DELETE FROM contacts_metricdue WHERE consumer <> ALL(%(known)s::int[])),
left_to_others AS (
  INSERT INTO contacts_metricdue (contact_id, consumer)
  SELECT m.contact_id, o.consumer FROM marked m CROSS JOIN unnest(%(others)s::int[]) AS o (consumer)
  ON CONFLICT DO NOTHING)
INSERT INTO {TAKEN} (contact_id) SELECT contact_id FROM marked UNION SELECT contact_id FROM owed
"""  # noqa: S608  made of our own words only


def mark(contact_ids: Sequence[int]) -> None:
    """Note a change of these that the database does not note by itself."""
    statement = "INSERT INTO contacts_metricmark (contact_id) SELECT unnest(%s::bigint[])"
    sql.execute(statement, [list(contact_ids)])


def mark_anybody() -> None:
    """Note that anybody may have changed: for who writes where no trigger sees it."""
    mark([_ANYBODY])


def mark_events_before(at: datetime) -> None:
    """Note everyone whose events before `at` are about to go."""
    sql.execute(
        "INSERT INTO contacts_metricmark (contact_id) SELECT DISTINCT e.contact_id"
        " FROM contacts_event e JOIN contacts_metrickind k USING (definition_id)"
        " WHERE e.occurred_at < %s",
        [at],
    )


def watched() -> dict[int, int]:
    """The kinds of events that are marked, each with a number that it has since it is.

    One that was not marked for a while has another number afterwards.
    """
    return dict(sql.lists("SELECT definition_id, id FROM contacts_metrickind"))


def watch(definition_ids: Collection[int]) -> None:
    """Have events of these kinds marked from now on, and of no others.

    Waits for recordings that run, where a kind is new: they do not mark it yet. To be committed
    before anything is computed of it.
    """
    wanted = sorted(set(definition_ids))
    known = set(watched())
    if known == set(wanted):
        return
    with transaction.atomic():
        if set(wanted) - known:
            pause_recording()
        sql.execute(
            "DELETE FROM contacts_metrickind WHERE NOT definition_id = ANY(%s::int[])", [wanted]
        )
        sql.execute(
            "INSERT INTO contacts_metrickind (definition_id) SELECT unnest(%s::int[])"
            " ON CONFLICT DO NOTHING",
            [wanted],
        )


def take(mine: Collection[int], others: Collection[int]) -> bool:
    """Take what is marked for these into the table `TAKEN`, and leave it to the others.

    False where anybody may have changed. To be called in a transaction, which ends with `drop`.
    """
    drop()
    sql.execute(f"CREATE TEMP TABLE {TAKEN} (contact_id bigint PRIMARY KEY)")
    sql.execute(_TAKE, {**_parties(mine, others)})
    anybody = sql.one(f"SELECT EXISTS (SELECT FROM {TAKEN} WHERE contact_id = %s)", [_ANYBODY])  # noqa: S608
    return not anybody


def drop() -> None:
    """Let go of the table of those taken."""
    sql.execute(f"DROP TABLE IF EXISTS pg_temp.{TAKEN}")


def forget(mine: Collection[int], others: Collection[int]) -> None:
    """Take what is marked for these and leave it to the others: all of them are computed anew."""
    take(mine, others)
    drop()


def collapse_old(as_of: datetime) -> dict[str, int]:
    """Keep of marks that nobody took for a week only that anybody may have changed.

    So they do not grow where nobody computes.
    """
    old = sql.one("SELECT EXISTS (SELECT FROM contacts_metricmark WHERE at < %s)", [as_of - _KEPT])
    if not old:
        return {"metric marks": 0}
    with transaction.atomic():
        count = sql.execute("DELETE FROM contacts_metricmark")
        mark_anybody()
    return {"metric marks": count}


def _parties(mine: Collection[int], others: Collection[int]) -> dict[str, list[int]]:
    own = sorted(set(mine))
    left = sorted(set(others) - set(own))
    return {"mine": own, "others": left, "known": [*own, *left]}
