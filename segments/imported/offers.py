"""What can be imported: the connections that can be read, and the segments at the other end.

These ask the vendor while somebody waits: not to be called in a transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations.errors import (
    ConnectionStill,
    ConnectionUnknown,
    ConnectorError,
    CredentialsRejected,
    TemporaryError,
)
from integrations.models import VendorConnection
from integrations.vendors import connections, registry, syncing
from integrations.vendors.importers import Importer, RemoteSegment, importer_of, importing_kinds
from integrations.vendors.registry import SyncRun
from segments.models import ImportedSegment, Segment
from workspace import access
from workspace.access import Actor

_ADD = "segments.add_segment"
# How long somebody who looks at a list waits for the counts.
COUNTED_WITHIN = timedelta(seconds=8)


@dataclass(frozen=True, slots=True)
class Offer:
    """A segment that can be imported, or was: as `segment`, where the actor may know of it."""

    remote: RemoteSegment
    is_imported: bool = False
    segment: Segment | None = None


def importable_connections(actor: Actor, *, kind: str = "") -> "QuerySet[VendorConnection]":
    """The connections whose segments can be imported, by name; none for who may make none."""
    kinds = [one for one in importing_kinds() if not kind or one == kind]
    found = VendorConnection.objects.filter(kind__in=kinds, revoked_at__isnull=True)
    if not actor.may(_ADD):
        return found.none()
    return found.order_by("name", "pk")


def find_importable(connection_id: int, *, actor: Actor, kind: str = "") -> VendorConnection:
    """One of these connections. Raises ConnectionUnknown, NotAllowed."""
    access.require(actor, _ADD)
    found = importable_connections(actor, kind=kind).filter(pk=connection_id).first()
    if found is None:
        words = _("There is no connection %(id)s whose segments could be imported.")
        raise ConnectionUnknown(words % {"id": connection_id})
    return found


def offers(connection: VendorConnection, *, actor: Actor) -> list[Offer]:
    """The segments at the other end of a connection, by name, without counts that cost calls.

    Raises ConnectionStill for a connection that is paused or refused, and what connectors raise:
    CredentialsRejected stops the connection.
    """
    access.require(actor, _ADD)
    importer, run = _open(connection)
    try:
        found = importer.list_segments(run)
    except CredentialsRejected as error:
        connections.note_refused(connection.pk, error, at=timezone.now())
        raise
    return _with_ours(connection, found, actor)


def counted(
    connection: VendorConnection, found: Iterable[Offer], *, actor: Actor, until: datetime
) -> list[Offer]:
    """The offers with how many contacts are in each, as far as the vendor told until then."""
    access.require(actor, _ADD)
    told, importer, run = list(found), None, None
    for place, offer in enumerate(told):
        if offer.remote.count is not None or timezone.now() >= until:
            continue
        if importer is None or run is None:
            importer, run = _open(connection)
        if importer.count_members is None:
            break
        try:
            count = importer.count_members(run, offer.remote.id)
        except ConnectorError:
            # A list without this count is of more use than none; its call is in the log.
            continue
        told[place] = replace(offer, remote=replace(offer.remote, count=count))
    return told


def _with_ours(
    connection: VendorConnection, found: Sequence[RemoteSegment], actor: Actor
) -> list[Offer]:
    kept = ImportedSegment.objects.filter(connection=connection, stopped_at__isnull=True)
    kept = kept.exclude(segment__status=Segment.Status.ARCHIVED)
    ids = dict(kept.values_list("remote_id", "segment_id"))
    known = access.visible(Segment.objects.filter(pk__in=ids.values()), actor).in_bulk()
    told = [
        Offer(one, is_imported=one.id in ids, segment=known.get(ids.get(one.id, 0)))
        for one in found
    ]
    return sorted(told, key=lambda offer: (offer.remote.name.casefold(), offer.remote.id))


def _open(connection: VendorConnection) -> tuple[Importer, SyncRun]:
    importer, vendor = importer_of(connection.kind), registry.find_vendor(connection.kind)
    if importer is None or vendor is None:
        raise ConnectionUnknown(_("Segments of this system cannot be read."))
    if not connection.is_enabled:
        words = _("“%(name)s” is %(state)s: nothing can be read from it.")
        state = VendorConnection.State(connection.state).label
        raise ConnectionStill(words % {"name": connection.name, "state": state})
    return importer, syncing.open_run(connection, vendor, sleep=_not_now)


def _not_now(seconds: float) -> None:
    """Nobody who looks at a page waits for a vendor that asks for patience."""
    words = _("The other system asks us to wait. Try again in a minute.")
    raise TemporaryError(words, retry_after=timedelta(seconds=seconds))
