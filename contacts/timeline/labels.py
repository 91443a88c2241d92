"""Tags and categories on the timeline: given, and taken away.

Those that the contact has say when it got them; the audit trail tells of the others, and who did
it. Who gave one to many at once is written there in one line for all of them, and not known here.
"""

from typing import Any

from django.utils.translation import gettext as _

from contacts.models import Contact
from contacts.timeline.actors import ALL_IDS
from contacts.timeline.items import Ask, Item
from workspace import sql

KIND = "label"
# What a change of the trail has in the lists of now and of before.
_LIST = """
  SELECT jsonb_array_elements_text(
    CASE WHEN jsonb_typeof(e.changes -> k.plural -> {side}) = 'array'
      THEN e.changes -> k.plural -> {side} ELSE '[]' END)
"""
_NOW, _BEFORE = _LIST.format(side=1), _LIST.format(side=0)
_LABELS = f"""
WITH told AS (
  SELECT e.at, k.kind, x.label_key, x.is_given, max(e.actor_label) AS actor
  FROM workspace_auditentry e
  CROSS JOIN (VALUES ('tag', 'tags'), ('category', 'categories')) k (kind, plural)
  CROSS JOIN LATERAL (
    SELECT label_key, true AS is_given FROM ({_NOW} EXCEPT {_BEFORE}) g (label_key)
    UNION ALL
    SELECT label_key, false FROM ({_BEFORE} EXCEPT {_NOW}) t (label_key)) x
  WHERE e.object_type = %s AND e.object_id IN ({ALL_IDS})
    AND (e.changes ? 'tags' OR e.changes ? 'categories')
  GROUP BY e.at, k.kind, x.label_key, x.is_given
), has AS (
  SELECT l.added_at AS at, 'tag' AS kind, d.key AS label_key
  FROM contacts_contacttag l JOIN contacts_tag d ON d.id = l.tag_id WHERE l.contact_id = %s
  UNION ALL
  SELECT l.added_at, 'category', d.key
  FROM contacts_contactcategory l JOIN contacts_category d ON d.id = l.category_id
  WHERE l.contact_id = %s
), every AS (
  SELECT at, kind, label_key, is_given, actor FROM told
  UNION ALL
  SELECT at, kind, label_key, true, '' FROM has h WHERE NOT EXISTS (
    SELECT FROM told t WHERE t.is_given
      AND (t.at, t.kind, t.label_key) = (h.at, h.kind, h.label_key))
), keyed AS (
  SELECT *,
    (kind || ':' || label_key || CASE WHEN is_given THEN '+' ELSE '-' END) COLLATE "C" AS key
  FROM every
)
SELECT keyed.*, coalesce(
  (SELECT label FROM contacts_tag t WHERE kind = 'tag' AND t.key = label_key),
  (SELECT label FROM contacts_category c WHERE kind = 'category' AND c.key = label_key),
  label_key) AS label
FROM keyed WHERE true {{conditions}} {{order}}
"""  # noqa: S608


def load(ask: Ask) -> list[Item]:
    """Tags and categories that were given and taken away; one query."""
    conditions, params = ask.where("at", "key")
    statement = _LABELS.format(conditions=conditions, order=ask.order("at", "key"))
    ids = [ask.contact_id] * 4
    rows = sql.rows(statement, [Contact._meta.label_lower, *ids, *params])
    return [_item(row) for row in rows]


def _item(row: dict[str, Any]) -> Item:
    is_tag, is_given = row["kind"] == "tag", row["is_given"]
    if is_tag:
        title = _("Tag “%(label)s” given") if is_given else _("Tag “%(label)s” taken away")
    else:
        title = (
            _("Category “%(label)s” given") if is_given else _("Category “%(label)s” taken away")
        )
    return Item(
        kind=KIND,
        key=row["key"],
        at=row["at"],
        title=title % {"label": row["label"]},
        icon=("sell" if is_tag else "category") if is_given else "label_off",
        actor=row["actor"],
        data={row["kind"]: row["label_key"], "given": is_given},
    )
