"""What was told of our mails: kept once, addresses suppressed, and whoever listens told.

A hard bounce, a complaint and an unsubscription at the provider suppress the address at once. Soft
bounces do so by their number (`SOFT_BOUNCE_LIMIT` within `SOFT_BOUNCE_DAYS`), unless a mail arrived
in between.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from contacts.extensions import Moved, Pair
from contacts.identities import lower_case
from integrations import suppressions
from integrations.models import Delivery, MailReport, Suppression
from integrations.suppressions import Unwanted
from workspace import sql

Kind = MailReport.Kind
KEPT = timedelta(days=365)
# Told besides by providers: not kept, but soft bounces before it count no more.
ARRIVED = "arrived"
_REASONS: Mapping[str, str] = {
    Kind.HARD_BOUNCE: Suppression.Reason.BOUNCE,
    Kind.COMPLAINT: Suppression.Reason.COMPLAINT,
    Kind.UNSUBSCRIBE: Suppression.Reason.UNSUBSCRIBE,
}
_KEEP = """
INSERT INTO integrations_mailreport
  (kind, address, source, report, delivery_key, contact_id, detail, counts, at, heard_at)
SELECT DISTINCT ON (g.source, g.report) g.kind, g.address, g.source, g.report, g.key, g.contact_id,
  g.detail, true, g.at, %s
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[],
  %s::timestamptz[]) AS g (kind, address, source, report, key, contact_id, detail, at)
ORDER BY g.source, g.report
ON CONFLICT (source, report) DO NOTHING RETURNING source, report
"""
# Of one mail there may be several reports; they count once.
_OFTEN_AWAY = """
SELECT address FROM integrations_mailreport
WHERE address = ANY(%s) AND kind = 'soft_bounce' AND counts AND at > %s
GROUP BY address HAVING count(DISTINCT coalesce(nullif(delivery_key, ''), id::text)) >= %s
"""
_ARRIVED = """
UPDATE integrations_mailreport r SET counts = false
FROM unnest(%s::text[], %s::timestamptz[]) AS g (address, at)
WHERE r.address = g.address AND r.kind = 'soft_bounce' AND r.counts AND r.at < g.at
"""
_FORGET = """
DELETE FROM integrations_mailreport WHERE contact_id = ANY(%(ids)s) OR address IN (
  SELECT value FROM contacts_identity WHERE namespace = 'email' AND contact_id = ANY(%(ids)s))
"""
_MERGE = """
WITH pairs AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS p (survivor_id, loser_id)),
moved AS (
  UPDATE integrations_mailreport r SET contact_id = p.survivor_id
  FROM pairs p WHERE r.contact_id = p.loser_id RETURNING p.loser_id)
SELECT loser_id, count(*) FROM moved GROUP BY loser_id
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody told of one mail and one address.

    `kind` is one of `MailReport.Kind`, or `ARRIVED`. `source` and `report` name the telling, so
    that it counts once; `key` is that of the delivery, "" where it is not known.
    """

    kind: str
    address: str
    source: str
    report: str
    at: datetime
    key: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """The same, heard for the first time, with the delivery that it is about where it is known.

    `subject` is the delivery's ("message:12"), "" once the outbox has forgotten it.
    """

    kind: str
    address: str
    at: datetime
    key: str
    subject: str
    contact_id: int | None
    detail: str

    @property
    def is_bounce(self) -> bool:
        """Whether the mail did not get there."""
        return self.kind in {Kind.HARD_BOUNCE, Kind.SOFT_BOUNCE}

    @property
    def is_hard(self) -> bool:
        """Whether nothing will ever get there."""
        return self.kind == Kind.HARD_BOUNCE


Listen = Callable[[Sequence[Heard], datetime], None]
_listeners: dict[str, Listen] = {}


def register_listener(name: str, listen: Listen) -> None:
    """Have `listen` told of what is heard, once each, in the transaction that keeps it.

    What it raises undoes that: who told us tells us again. May be called again.
    """
    _listeners[name] = listen


@transaction.atomic
def hear(told: Sequence[Told], *, at: datetime) -> list[Heard]:
    """Keep what was told, suppress addresses, tell the listeners; what of it was new.

    The address is the one that the mail was sent to, where its delivery is known: a mail may have
    been passed on. The same number of statements however many are told. Safe to repeat.
    """
    told = [one for one in told if one.address or one.key]
    deliveries = _deliveries([one.key for one in told if one.key])
    heard = [(one, _heard(one, deliveries.get(one.key))) for one in told]
    _note_arrivals([one for _told, one in heard if one.kind == ARRIVED])
    new = _keep([pair for pair in heard if pair[1].kind != ARRIVED and pair[1].address], at)
    if new:
        gone = [
            Unwanted(one.address, _REASONS[one.kind], one.detail, one.contact_id)
            for one in new
            if one.kind in _REASONS
        ]
        suppressions.note([*gone, *_often_away(new)], at=at)
        for listen in _listeners.values():
            listen(new, at)
    return new


def erase(contact_ids: list[int]) -> int:
    """Forget what was told of contacts. An eraser."""
    return sql.execute(_FORGET, {"ids": contact_ids})


def merge(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """Give what was told of losers to the survivors. A merger."""
    columns: list[Any] = [[pair.survivor_id for pair in pairs], [pair.loser_id for pair in pairs]]
    return {loser_id: Moved(count) for loser_id, count in sql.lists(_MERGE, columns)}


def purge(as_of: datetime) -> Mapping[str, int]:
    """Delete what was heard longer ago than `KEPT`; addresses stay suppressed."""
    old = MailReport.objects.filter(heard_at__lt=as_of - KEPT)
    return {"mail reports": old.delete()[0]}


def _deliveries(keys: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    if not keys:
        return {}
    found = Delivery.objects.filter(key__in=set(keys)).values(
        "key", "subject", "contact_id", to=F("payload__to")
    )
    return {row["key"]: row for row in found}


def _heard(one: Told, delivery: Mapping[str, Any] | None) -> Heard:
    known = delivery or {}
    return Heard(
        kind=one.kind,
        address=lower_case(str(known.get("to") or one.address).strip())[:320],
        at=one.at,
        key=one.key,
        subject=known.get("subject", ""),
        contact_id=known.get("contact_id"),
        detail=" ".join(one.detail.replace("\0", "").split())[:500],
    )


def _keep(pairs: Sequence[tuple[Told, Heard]], at: datetime) -> list[Heard]:
    if not pairs:
        return []
    rows = {(one.source[:40], one.report[:200]): heard for one, heard in pairs}
    columns: list[Any] = [at]
    columns += [[heard.kind for heard in rows.values()], [one.address for one in rows.values()]]
    columns += [[source for source, _report in rows], [report for _source, report in rows]]
    for name in ("key", "contact_id", "detail", "at"):
        columns.append([getattr(heard, name) for heard in rows.values()])
    return [rows[source, report] for source, report in sql.lists(_KEEP, columns)]


def _often_away(new: Sequence[Heard]) -> list[Unwanted]:
    """Addresses of which too many soft bounces were told lately."""
    soft = {one.address: one for one in new if one.kind == Kind.SOFT_BOUNCE}
    if not soft:
        return []
    since = max(one.at for one in soft.values()) - timedelta(days=settings.SOFT_BOUNCE_DAYS)
    limit = settings.SOFT_BOUNCE_LIMIT
    words = _("not taken %(count)d times in %(days)d days, at last: %(said)s")
    return [
        Unwanted(
            address,
            Suppression.Reason.BOUNCE,
            words
            % {"count": limit, "days": settings.SOFT_BOUNCE_DAYS, "said": soft[address].detail},
            soft[address].contact_id,
        )
        for (address,) in sql.lists(_OFTEN_AWAY, [list(soft), since, limit])
    ]


def _note_arrivals(arrived: Sequence[Heard]) -> None:
    if arrived:
        sql.execute(_ARRIVED, [[one.address for one in arrived], [one.at for one in arrived]])
