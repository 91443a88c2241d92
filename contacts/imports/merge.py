"""Brings the rows of the file to the contacts, a portion at a time, as if one after the other.

In a portion the rows that have nothing to do with an earlier one are settled together, then those
that had, and so on until none is left. A portion is one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, OperationalError, transaction
from django.utils.translation import gettext as _
from psycopg import errors, sql

from contacts.errors import ImportContended
from contacts.events import share_recording
from contacts.identities import USER_ID
from contacts.imports import statements
from contacts.imports.cells import Reading
from contacts.imports.statements import count, execute
from contacts.imports.writes import Writes
from workspace import locks
from workspace.access import Actor

PORTION = 25_000
_ROUND_LIMIT = 100
_ATTEMPT_LIMIT = 20
_LOCK = "contacts import"
_HOLD = """SELECT count(*) FROM (
  SELECT id FROM contacts_contact WHERE erased_at IS NULL
    AND id IN (SELECT contact_id FROM import_target WHERE NOT is_new)
  ORDER BY id FOR NO KEY UPDATE) held"""


class _Overtaken(Exception):
    """A contact was merged after we had looked whose names they are."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of rows that were used."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "Merged") -> "Merged":
        return Merged(
            self.created + other.created,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
        )


class Merge:
    """Brings staged rows to the contacts. With `update` those that exist are changed too."""

    def __init__(
        self, readings: Sequence[Reading], *, update: bool, actor: Actor, at: datetime
    ) -> None:
        self._readings = readings
        self._update = update
        # The strongest first: an external id, where the file has them.
        self._named = sorted(
            (reading for reading in readings if reading.namespace is not None),
            key=lambda reading: reading.namespace != USER_ID,
        )
        self._writes = Writes(readings, update=update, actor=actor, at=at)
        self._rows = statements.typed_rows(readings)
        execute(sql.SQL("CREATE TEMP TABLE import_pending AS {} AND false").format(self._rows))
        held = [
            sql.SQL(", {} boolean").format(sql.Identifier(reading.held_column))
            for reading in self._named
        ]
        execute(
            sql.SQL(
                "CREATE TEMP TABLE import_target (id bigint, contact_id bigint, is_new boolean,"
                " contact_ids bigint[], other_id text{})"
            ).format(sql.Composed(held))
        )
        execute("CREATE TEMP TABLE import_later (id bigint)")
        execute("CREATE TEMP TABLE import_changed (contact_id bigint)")

    def portion(self, first: int, last: int) -> Merged:
        """Settle the staged rows from `first` to `last`. Safe to repeat.

        Raises ImportContended where others keep taking the same identities.
        """
        for _attempt in range(_ATTEMPT_LIMIT):
            try:
                with transaction.atomic():
                    # One portion at a time: two files about the same people would overtake each
                    # other for ever.
                    locks.lock(_LOCK)
                    share_recording()
                    return self._settle(first, last)
            except _Overtaken:
                continue
            except (IntegrityError, OperationalError) as error:
                # Somebody took an identity after we had looked, or waits for us as we for them.
                overtaken = (errors.UniqueViolation, errors.DeadlockDetected)
                if not isinstance(error.__cause__, overtaken):
                    raise
        raise ImportContended(
            _("Others are changing the same contacts all the time. Import the file again.")
        )

    def _settle(self, first: int, last: int) -> Merged:
        execute("TRUNCATE import_pending")
        pending = execute(
            sql.SQL("INSERT INTO import_pending {} AND f.id BETWEEN {} AND {}").format(
                self._rows, sql.Literal(first), sql.Literal(last)
            )
        )
        merged = Merged()
        for _round in range(_ROUND_LIMIT):
            if not pending:
                return merged
            later = self._find_targets()
            merged += self._write()
            if not later:
                return merged
            pending -= execute(
                "DELETE FROM import_pending p"
                " WHERE NOT EXISTS (SELECT FROM import_later l WHERE l.id = p.id)"
            )
        words = {"limit": _ROUND_LIMIT}
        sentence = _("More than %(limit)d rows before it are about the same contact.") % words
        execute(
            sql.SQL("INSERT INTO import_fault SELECT id, {} FROM import_pending").format(
                sql.Literal(sentence)
            )
        )
        return merged

    def _write(self) -> Merged:
        execute("TRUNCATE import_changed")
        created = count("SELECT count(*) FROM import_target WHERE is_new")
        existing = count("SELECT count(*) FROM import_target WHERE NOT is_new")
        updated = 0
        # Contacts before identities, as everybody does: nobody waits for us as we for him.
        if existing and self._update:
            self._hold_contacts()
            self._writes.change()
            updated = count("SELECT count(DISTINCT contact_id) FROM import_changed")
        if created:
            self._writes.create()
        return Merged(created, updated, existing - updated)

    def _hold_contacts(self) -> None:
        """Keep the contacts that are changed from being merged or erased until all is written."""
        held = count(_HOLD)
        if held < count("SELECT count(DISTINCT contact_id) FROM import_target WHERE NOT is_new"):
            raise _Overtaken

    def _find_targets(self) -> int:
        """Whom each row is about; how many rows have to wait for an earlier one.

        Rows that name two contacts are rejected.
        """
        execute("TRUNCATE import_target, import_later")
        execute(self._targets())
        for query in self._later_rows():
            execute(sql.SQL("INSERT INTO import_later {}").format(query))
        later = count("SELECT count(*) FROM import_later")
        if later:
            execute("DELETE FROM import_target t USING import_later l WHERE l.id = t.id")
        execute(
            sql.SQL("""
                WITH refused AS (
                  DELETE FROM import_target
                  WHERE other_id IS NOT NULL OR contact_id <> ANY(contact_ids)
                  RETURNING *)
                INSERT INTO import_fault SELECT id, CASE
                  WHEN contact_id = ALL(contact_ids) THEN replace({other}, '{{}}', other_id)
                  ELSE replace({two}, '{{}}', (
                    SELECT string_agg('#' || one, ', ' ORDER BY one)
                    FROM (SELECT DISTINCT unnest(contact_ids) AS one) ones)) END
                FROM refused
                """).format(
                two=sql.Literal(_("Its identities belong to different contacts: {}.")),
                other=sql.Literal(
                    _("The contact that it names has another external id already: “{}”.")
                ),
            )
        )
        return later

    def _targets(self) -> sql.Composable:
        known = [sql.Identifier(f"k{reading.column.position}") for reading in self._named]
        ids = [sql.SQL("{}.contact_id").format(name) for name in known]
        joins = [
            sql.SQL(
                " LEFT JOIN contacts_identity {known}"
                " ON {known}.namespace = {namespace} AND {known}.value = p.{name}"
            ).format(
                known=name,
                namespace=sql.Literal(reading.namespace),
                name=sql.Identifier(reading.name_column),
            )
            for name, reading in zip(known, self._named, strict=True)
        ]
        other_id: sql.Composable = sql.SQL("NULL")
        if self._named[0].namespace == USER_ID and len(known) > 1:
            # Found by another identity, but under an external id that is not the row's.
            other_id = sql.SQL(
                "CASE WHEN p.{name} IS NOT NULL AND {own} IS NULL"
                " AND coalesce({others}) IS NOT NULL THEN (SELECT min(u.value)"
                " FROM contacts_identity u WHERE u.contact_id = coalesce({others})"
                " AND u.namespace = {user_id}) END"
            ).format(
                name=sql.Identifier(self._named[0].name_column),
                own=ids[0],
                others=sql.SQL(", ").join(ids[1:]),
                user_id=sql.Literal(USER_ID),
            )
        return sql.SQL("""
            INSERT INTO import_target
            SELECT p.id, coalesce({ids}, nextval({sequence})), coalesce({ids}) IS NULL,
              array_remove(ARRAY[{ids}], NULL), {other_id}, {held}
            FROM import_pending p {joins}
            """).format(
            ids=sql.SQL(", ").join(ids),
            sequence=sql.Literal(statements.contact_sequence()),
            other_id=other_id,
            held=sql.SQL(", ").join(sql.SQL("{} IS NOT NULL").format(one) for one in ids),
            joins=sql.Composed(joins),
        )

    def _later_rows(self) -> list[sql.Composable]:
        """Rows that share an identity or a contact with an earlier one that may be in the way.

        Where contacts that exist are left alone, only rows that make contacts are.
        """
        rows = sql.SQL("import_pending p JOIN import_target t USING (id)")
        found: list[sql.Composable] = [
            sql.SQL("""
                SELECT row.id FROM (
                  SELECT p.{name} AS name, min(p.id) FILTER (WHERE {may_write}) AS first
                  FROM {rows} WHERE p.{name} IS NOT NULL
                  GROUP BY p.{name} HAVING count(*) > 1) shared
                JOIN (SELECT p.id, p.{name} AS name FROM import_pending p) row USING (name)
                WHERE row.id > shared.first
                """).format(
                name=sql.Identifier(reading.name_column),
                rows=rows,
                may_write=sql.SQL("true" if self._update else "t.is_new"),
            )
            for reading in self._named
        ]
        if self._update:
            found.append(
                sql.SQL("""
                    SELECT t.id FROM import_target t, unnest(t.contact_ids) AS contact (id)
                    JOIN (
                      SELECT contact.id, min(t.id) AS first
                      FROM import_target t, unnest(t.contact_ids) AS contact (id)
                      GROUP BY contact.id HAVING count(DISTINCT t.id) > 1) shared USING (id)
                    WHERE t.id > shared.first
                    """)
            )
        return found
