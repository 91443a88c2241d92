"""Whom the members of a segment are chosen from where that is a list: keys of a file, or contacts.

What stood in a file is not kept. Its keys are kept as digests that only this installation can
make: they serve to find today's contacts among them, and tell nobody whose they were. Who is
erased goes from every list, by digest too.
"""

import hmac
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from psycopg import sql as composed

from segments.criteria import Query
from segments.errors import SegmentNotCalculated
from segments.models import ContactList, ListedContact, ListedKey, Segment
from workspace import sql

NUMBER = "id"
_ANALYZE_FROM = 20_000
_PURPOSE = b"segments: keys of files"

# The digest of a value, as the server makes it; its placeholder is the salt.
DIGEST = "encode(substr(sha256(convert_to(%s || '|' || {value}, 'UTF8')), 1, 16), 'hex')::uuid"
_BY_KEY = f"""
SELECT i.contact_id FROM contacts_identity i JOIN segments_listedkey k
  ON k.contact_list_id = %s AND k.digest = {DIGEST.format(value="i.value")}
WHERE i.namespace = %s
"""  # noqa: S608
_BY_CONTACT = "SELECT contact_id FROM segments_listedcontact WHERE contact_list_id = %s"

_FORGET_KEYS = f"""
DELETE FROM segments_listedkey k USING contacts_identity i, segments_contactlist l
WHERE i.contact_id = ANY(%s) AND l.identity = i.namespace AND l.key_check = %s
  AND k.contact_list_id = l.id AND k.digest = {DIGEST.format(value="i.value")}
"""  # noqa: S608
_FORGET_CONTACTS = "DELETE FROM segments_listedcontact WHERE contact_id = ANY(%s)"


def salt() -> str:
    """What digests of keys are made with. Not in the database: that alone tells nobody."""
    return _salt_of(settings.SECRET_KEY)


def key_check() -> str:
    """What is noted of the salt, to know it again."""
    return _check_of(salt())


def digest_of(value: composed.Composable) -> composed.Composable:
    """The expression of the digest of a value."""
    text = DIGEST.replace("%s", "{salt}")
    return composed.SQL(text).format(salt=composed.Literal(salt()), value=value)


def uses_keys(identity: str) -> bool:
    """Whether a list is kept by digests: numbers of ours and fixed lists name contacts."""
    return identity not in {"", NUMBER}


def members_query(segment: Segment) -> Query:
    """SELECT `contact_id` of today's contacts on the list of a segment, each at least once.

    Raises SegmentNotCalculated where no list is read, or where it cannot be compared any more.
    """
    found = _list_of(segment)
    if not uses_keys(found.identity):
        return Query(_BY_CONTACT, (found.pk,))
    return Query(_BY_KEY, (found.pk, _salt_for(found, segment), found.identity))


def restricted(query: Query, segment: Segment) -> Query:
    """`query`, whose `contact_id`s are each given once, of those on the segment's list only."""
    listed = members_query(segment)
    text = f"SELECT n.contact_id FROM ({query.text}) n WHERE n.contact_id IN ({listed.text})"  # noqa: S608
    return Query(text, (*query.params, *listed.params), dict(query.settings))


def describe(segment: Segment) -> str:
    """Whom a segment is chosen from, as a sentence."""
    return describe_list(segment.contact_list, segment.source)


def describe_list(found: ContactList | None, source: str) -> str:
    """Who is on a list, as a sentence."""
    if found is None:
        return _("Contacts on a list that is not read yet.")
    if source == Segment.Source.CSV:
        message = _("Contacts who are in the file “%(name)s”, by its column “%(column)s”.")
        return message % {"name": found.title, "column": found.column}
    if source == Segment.Source.IMPORTED:
        message = _("Contacts who are in the segment “%(name)s” of %(system)s.")
        return message % {"name": found.title, "system": found.column}
    return _("Contacts on the fixed list “%(name)s”.") % {"name": found.title}


def tell_place(segment: Segment, is_listed: bool, row: int | None) -> str:
    """Whether a contact is on the list of a segment, and where, as a sentence."""
    words = {"name": segment.contact_list.title if segment.contact_list else "–", "row": row}
    if segment.source == Segment.Source.IMPORTED:
        if is_listed:
            return _("This contact was in “%(name)s” there when it was last read.") % words
        return _("This contact was not in “%(name)s” there when it was last read.") % words
    if segment.source != Segment.Source.CSV:
        if is_listed:
            return _("This contact is on the list.")
        return _("This contact is not on the list.")
    if is_listed:
        return _("This contact is in the file “%(name)s”, in row %(row)s.") % words
    return _("This contact is not in the file “%(name)s”.") % words


def row_of(segment: Segment, contact_id: int) -> tuple[bool, int | None]:
    """Whether a contact is on the list of a segment, and in which row of the file it stands."""
    found = _list_of(segment)
    if not uses_keys(found.identity):
        statement = (
            "SELECT row FROM segments_listedcontact WHERE contact_list_id = %s AND contact_id = %s"
        )
        rows = sql.rows(statement, [found.pk, contact_id])
    else:
        statement = (
            "SELECT min(k.row) AS row FROM contacts_identity i JOIN segments_listedkey k"  # noqa: S608
            f" ON k.contact_list_id = %s AND k.digest = {DIGEST.format(value='i.value')}"
            " WHERE i.namespace = %s AND i.contact_id = %s HAVING count(*) > 0"
        )
        params = [found.pk, _salt_for(found, segment), found.identity, contact_id]
        rows = sql.rows(statement, params)
    # In another system nobody stands in a row.
    is_numbered = segment.source != Segment.Source.IMPORTED
    return bool(rows), rows[0]["row"] if rows and is_numbered else None


def count_anew(found: ContactList) -> None:
    """Let the server look at how the lists are distributed after a long one was written.

    Else it would take it for a short one, and compare it in twice the time.
    """
    if found.row_count >= _ANALYZE_FROM:
        table = ListedKey if uses_keys(found.identity) else ListedContact
        sql.execute(f"ANALYZE {table._meta.db_table}")


def copy_list(found: ContactList, *, to: Segment, at: datetime) -> ContactList:
    """A list of the same contacts or keys for another segment."""
    copied = ContactList.objects.get(pk=found.pk)
    copied.pk, copied.segment, copied.created_at = None, to, at
    copied.unmatched_file, copied.unmatched_until = "", None
    copied.save(force_insert=True)
    for table, columns in (
        (ListedKey._meta.db_table, "digest, row"),
        (ListedContact._meta.db_table, "contact_id, row"),
    ):
        sql.execute(
            f"INSERT INTO {table} (contact_list_id, {columns})"  # noqa: S608
            f" SELECT %s, {columns} FROM {table} WHERE contact_list_id = %s",
            [copied.pk, found.pk],
        )
    return copied


def forget(segment: Segment, *, at: datetime) -> None:
    """Forget the keys and contacts of all lists of a segment; what they counted stays."""
    lists = ContactList.objects.filter(segment_id=segment.pk, forgotten_at__isnull=True)
    ids = list(lists.values_list("pk", flat=True))
    ListedKey.objects.filter(contact_list_id__in=ids).delete()
    ListedContact.objects.filter(contact_list_id__in=ids).delete()
    lists.update(forgotten_at=at)


def forget_contacts(contact_ids: list[int]) -> int:
    """Take erased contacts out of all lists; returns how many rows went.

    For the transaction that erases them, while their identities are still there.
    """
    gone = sql.execute(_FORGET_CONTACTS, [contact_ids])
    for known in _salts():
        gone += sql.execute(_FORGET_KEYS, [contact_ids, _check_of(known), known])
    return gone


def _list_of(segment: Segment) -> ContactList:
    words = {"name": segment.name}
    if segment.contact_list is None:
        message = _(
            "The members of segment “%(name)s” do not come from criteria, and no list of them is"
            " read yet."
        )
        raise SegmentNotCalculated(message % words)
    if segment.contact_list.forgotten_at is not None:
        raise SegmentNotCalculated(_("The list of segment “%(name)s” is forgotten.") % words)
    return segment.contact_list


def _salt_for(found: ContactList, segment: Segment) -> str:
    for known in _salts():
        if _check_of(known) == found.key_check:
            return known
    message = _(
        "The file of segment “%(name)s” was read with another SECRET_KEY: replace the file."
    )
    raise SegmentNotCalculated(message % {"name": segment.name})


def _salts() -> Iterable[str]:
    keys: list[Any] = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [_salt_of(key) for key in keys]


def _salt_of(key: str) -> str:
    return hmac.new(key.encode(), _PURPOSE, sha256).hexdigest()


def _check_of(known: str) -> str:
    return sha256(f"check {known}".encode()).hexdigest()[:32]
