"""The statements that make and change the contacts which `import_target` names."""

from collections.abc import Sequence
from datetime import datetime

from psycopg import sql

from contacts.fields import WRITABLE
from contacts.identities import FIELD_OF
from contacts.imports.cells import Reading
from contacts.imports.columns import Kind
from contacts.imports.statements import execute
from contacts.models import ConsentDefinition
from workspace.access import Actor

_SOURCE = "import"
# A function takes 100 arguments at most.
_PAIRS = 50
_NEW = sql.SQL("import_target t JOIN import_pending p USING (id) WHERE t.is_new")
_EXISTING = sql.SQL("import_target t JOIN import_pending p USING (id) WHERE NOT t.is_new")


class Writes:
    """Writes what the pending rows say, for new contacts and for those that exist."""

    def __init__(
        self, readings: Sequence[Reading], *, update: bool, actor: Actor, at: datetime
    ) -> None:
        # In the order in which everybody takes identities.
        self._named = sorted(
            (reading for reading in readings if reading.namespace is not None),
            key=lambda reading: reading.namespace or "",
        )
        self._by_kind = {
            kind: [reading for reading in readings if reading.column.target.kind is kind]
            for kind in Kind
        }
        self._consent_ids = dict(ConsentDefinition.objects.values_list("key", "id"))
        self._actor = sql.Literal(actor.name[:200])
        self._at = sql.Literal(at)

    def create(self) -> None:
        """Make the contacts that are new."""
        fields = {reading.column.target.key: reading for reading in self._fields}
        columns: list[sql.Composable] = []
        values: list[sql.Composable] = []
        for name, reading in fields.items():
            missing = self._at if name == "created_at" else _missing(name)
            columns.append(sql.Identifier(name))
            values.append(sql.SQL("coalesce({}, {})").format(_value(reading), missing))
        if "created_at" not in fields:
            columns.append(sql.Identifier("created_at"))
            values.append(self._at)
        execute(
            sql.SQL(
                "INSERT INTO contacts_contact (id, attributes, updated_at, {columns})"
                " SELECT t.contact_id, {attributes}, {at}, {values} FROM {new}"
                " ORDER BY t.contact_id"
            ).format(
                columns=sql.SQL(", ").join(columns),
                attributes=self._attributes,
                at=self._at,
                values=sql.SQL(", ").join(values),
                new=_NEW,
            )
        )
        for reading in self._named:
            self._add_names(reading, _NEW)
        for reading in self._scores:
            self._write_scores(reading, sql.SQL("{} AND {} <> 0").format(_NEW, _value(reading)))
        for reading in self._labels:
            execute(self._add_labels(reading, _NEW))
        for reading in self._consents:
            execute(self._write_consents(reading, _NEW))

    def change(self) -> None:
        """Change contacts that exist where a row says something new; fills `import_changed`."""
        for reading in self._scores:
            differs = sql.SQL(
                "import_target t JOIN import_pending p USING (id)"
                " JOIN contacts_contact c ON c.id = t.contact_id"
                " WHERE NOT t.is_new AND {} <> c.lead_score"
            ).format(_value(reading))
            self._write_scores(reading, differs)
        self._change_columns()
        self._rename()
        for reading in self._labels:
            execute(_changing(self._remove_labels(reading)))
            execute(_changing(self._add_labels(reading, _EXISTING)))
        for reading in self._consents:
            execute(_changing(self._write_consents(reading, _EXISTING)))

    @property
    def _fields(self) -> list[Reading]:
        return self._by_kind[Kind.FIELD]

    @property
    def _scores(self) -> list[Reading]:
        return [reading for reading in self._fields if reading.column.target.key == "lead_score"]

    @property
    def _labels(self) -> list[Reading]:
        return [*self._by_kind[Kind.TAGS], *self._by_kind[Kind.CATEGORIES]]

    @property
    def _consents(self) -> list[Reading]:
        return self._by_kind[Kind.CONSENT]

    @property
    def _attributes(self) -> sql.Composable:
        """The custom attributes that the row `p` gives."""
        pairs = [
            sql.SQL("{}::text, {}").format(sql.Literal(reading.column.target.key), _value(reading))
            for reading in self._by_kind[Kind.ATTRIBUTE]
        ]
        if not pairs:
            return sql.SQL("'{}'::jsonb")
        built = [
            sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs[i : i + _PAIRS]))
            for i in range(0, len(pairs), _PAIRS)
        ]
        return sql.SQL("jsonb_strip_nulls({})").format(sql.SQL(" || ").join(built))

    def _change_columns(self) -> None:
        columns = [
            (sql.Identifier(r.column.target.key), sql.Identifier(r.value_column))
            for r in self._fields
        ]
        settings = [
            sql.SQL("{0} = coalesce(x.{1}, c.{0})").format(column, value)
            for column, value in columns
        ]
        differences = [
            sql.SQL("x.{1} IS NOT NULL AND x.{1} IS DISTINCT FROM c.{0}").format(column, value)
            for column, value in columns
        ]
        if self._by_kind[Kind.ATTRIBUTE]:
            merged = sql.SQL("c.attributes || x.attributes")
            settings.append(sql.SQL("attributes = {}").format(merged))
            differences.append(sql.SQL("{} IS DISTINCT FROM c.attributes").format(merged))
        if not differences:
            return
        execute(
            _changing(
                sql.SQL("""
                    UPDATE contacts_contact c SET {settings}, updated_at = {at}
                    FROM (SELECT t.contact_id, {attributes} AS attributes, p.* FROM {existing}) x
                    WHERE c.id = x.contact_id AND ({differences}) RETURNING c.id
                    """).format(
                    settings=sql.SQL(", ").join(settings),
                    at=self._at,
                    attributes=self._attributes,
                    existing=_EXISTING,
                    differences=sql.SQL(" OR ").join(differences),
                )
            )
        )

    def _add_names(self, reading: Reading, rows: sql.Composable) -> None:
        """Write the identities of a column; the database refuses one that was taken meanwhile."""
        execute(
            sql.SQL(
                "INSERT INTO contacts_identity (namespace, value, contact_id)"
                " SELECT {namespace}, {name}, t.contact_id FROM {rows} AND {name} IS NOT NULL"
                ' ORDER BY {name} COLLATE "C"'
            ).format(namespace=sql.Literal(reading.namespace), name=_name(reading), rows=rows)
        )

    def _rename(self) -> None:
        """Give contacts that exist the identities that their rows name."""
        for reading in self._named:
            # Of an external id, an e-mail and a phone the row says the first; of others all.
            surplus = _FIRST_NAMES if reading.namespace in FIELD_OF else _OTHER_NAMES
            renamed = sql.SQL("{} AND NOT t.{} AND {} IS NOT NULL").format(
                _EXISTING, sql.Identifier(reading.held_column), _name(reading)
            )
            words = {
                "namespace": sql.Literal(reading.namespace),
                "name": _name(reading),
                "renamed": renamed,
                "existing": _EXISTING,
            }
            execute(_changing(surplus.format(**words)))
            execute(
                sql.SQL("INSERT INTO import_changed SELECT t.contact_id FROM {}").format(renamed)
            )
            self._add_names(reading, renamed)
        execute(
            sql.SQL(
                "UPDATE contacts_contact SET updated_at = {at}"
                " WHERE id IN (SELECT contact_id FROM import_changed) AND updated_at <> {at}"
            ).format(at=self._at)
        )

    def _write_scores(self, reading: Reading, rows: sql.Composable) -> None:
        execute(
            sql.SQL(
                "INSERT INTO contacts_leadscorechange (contact_id, score, at, actor)"
                " SELECT t.contact_id, {}, {}, {} FROM {}"
            ).format(_value(reading), self._at, self._actor, rows)
        )

    def _add_labels(self, reading: Reading, rows: sql.Composable) -> sql.Composable:
        table, column = _label_names(reading)
        return sql.SQL(
            "INSERT INTO {table} (contact_id, {column}, added_at)"
            " SELECT found.contact_id, label, {at}"
            " FROM (SELECT t.contact_id, {value} AS labels FROM {rows}) found,"
            " unnest(found.labels) AS label"
            " WHERE NOT EXISTS (SELECT FROM {table} known"
            "   WHERE known.contact_id = found.contact_id AND known.{column} = label)"
            " ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING contact_id"
        ).format(table=table, column=column, at=self._at, value=_value(reading), rows=rows)

    def _remove_labels(self, reading: Reading) -> sql.Composable:
        table, column = _label_names(reading)
        return sql.SQL(
            "DELETE FROM {table} known USING (SELECT t.contact_id, {value} AS labels FROM {rows}"
            " AND {value} IS NOT NULL) found"
            " WHERE known.contact_id = found.contact_id AND known.{column} <> ALL(found.labels)"
            " RETURNING known.contact_id"
        ).format(table=table, column=column, value=_value(reading), rows=_EXISTING)

    def _write_consents(self, reading: Reading, rows: sql.Composable) -> sql.Composable:
        return sql.SQL(
            "INSERT INTO contacts_consententry"
            " (contact_id, definition_id, state, at, source, actor)"
            " SELECT t.contact_id, {definition}, {value}, {at}, {source}, {actor}"
            " FROM {rows} AND {value} IS NOT NULL AND NOT EXISTS ("
            "   SELECT FROM contacts_consentstate s WHERE s.contact_id = t.contact_id"
            "   AND s.definition_id = {definition} AND s.state = {value})"
            " ORDER BY 1 RETURNING contact_id"
        ).format(
            definition=sql.Literal(self._consent_ids[reading.column.target.key]),
            value=_value(reading),
            at=self._at,
            source=sql.Literal(_SOURCE),
            actor=self._actor,
            rows=rows,
        )


# The oldest identity of the namespace, where the row's is another one.
_FIRST_NAMES = sql.SQL("""
    DELETE FROM contacts_identity gone USING (
      SELECT DISTINCT ON (i.contact_id) i.contact_id, i.value
      FROM contacts_identity i JOIN (SELECT t.contact_id FROM {renamed}) row USING (contact_id)
      WHERE i.namespace = {namespace} ORDER BY i.contact_id, i.created_at, i.value) first
    WHERE gone.contact_id = first.contact_id AND gone.namespace = {namespace}
      AND gone.value = first.value
    RETURNING gone.contact_id
    """)
_OTHER_NAMES = sql.SQL("""
    DELETE FROM contacts_identity gone
    USING (SELECT t.contact_id, {name} AS name FROM {existing} AND {name} IS NOT NULL) row
    WHERE gone.contact_id = row.contact_id AND gone.namespace = {namespace}
      AND gone.value <> row.name
    RETURNING gone.contact_id
    """)


def _value(reading: Reading) -> sql.Composable:
    return sql.Identifier("p", reading.value_column)


def _name(reading: Reading) -> sql.Composable:
    return sql.Identifier("p", reading.name_column)


def _label_names(reading: Reading) -> tuple[sql.Composable, sql.Composable]:
    """The table of a contact's tags or categories, and its column for them."""
    kind = "tag" if reading.column.target.kind is Kind.TAGS else "category"
    return sql.Identifier(f"contacts_contact{kind}"), sql.Identifier(f"{kind}_id")


def _missing(name: str) -> sql.Composable:
    missing = WRITABLE[name].missing
    return sql.SQL("NULL") if missing is None else sql.Literal(missing)


def _changing(statement: sql.Composable) -> sql.Composable:
    """The same, remembering whom it changed: it returns their ids."""
    return sql.SQL(
        "WITH changed (id) AS ({}) INSERT INTO import_changed SELECT id FROM changed"
    ).format(statement)
