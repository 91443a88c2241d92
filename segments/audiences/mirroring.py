"""The synchronization "audiences": each list of a connection made the same as its segment."""

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.errors import (
    ConnectorError,
    CredentialsRejected,
    PermanentError,
    TemporaryError,
    ThingMissing,
)
from integrations.models import VendorConnection
from integrations.vendors.list_keepers import ListKeeper, RemoteList, list_keeper_of
from integrations.vendors.patience import patiently
from integrations.vendors.registry import Sync, SyncRun
from segments.audiences import members
from segments.audiences.audiences import SYNC
from segments.audiences.models import Audience, AudienceMember
from segments.models import Segment

State = Audience.State


def mirror_all(run: SyncRun) -> None:
    """Mirror each audience of a connection in turn, those that waited longest first.

    One that is paused is left as it is, but for erased contacts. One that goes wrong does not keep
    the others from being mirrored. Raises the last trouble when all are through; refused
    credentials at once. Counts: audiences, added, removed, failed.
    """
    run.counts |= dict.fromkeys(("audiences", "added", "removed", "failed"), 0)
    audiences = Audience.objects.filter(connection_id=run.connection_id).filter(
        ~Q(state=State.PAUSED) | Q(pk__in=members.audiences_with_erased(run.connection_id))
    )
    waiting = list(audiences.select_related("segment").order_by("last_sync_at", "pk"))
    waiting.sort(key=lambda one: one.last_sync_at is not None)
    if not waiting:
        return
    keeper = _keeper_of(run)
    known = list(patiently(run, keeper.lists))
    trouble: ConnectorError | None = None
    for place, audience in enumerate(waiting):
        # Without its name: who sees the job need not know of the segment.
        run.advance(place, len(waiting), "")
        try:
            _mirror(run, keeper, audience, known)
        except CredentialsRejected:
            raise
        except ConnectorError as error:
            Audience.objects.filter(pk=audience.pk).update(error=str(error)[:500])
            run.counts["failed"] += 1
            trouble = error
    if trouble is not None:
        raise trouble


def _mirror(run: SyncRun, keeper: ListKeeper, audience: Audience, known: list[RemoteList]) -> None:
    if audience.state == State.ENDING:
        _end(run, keeper, audience)
        return
    is_still = audience.state == State.PAUSED or audience.segment.status != Segment.Status.ACTIVE
    if is_still and not _has_erased(audience):
        return
    if audience.list_id and all(one.id != audience.list_id or not one.is_list for one in known):
        _stop_without_list(audience)
        return
    if is_still:
        run.counts["removed"] += members.take_off_erased(run, keeper, audience)
        members.count_there(audience)
        return
    if not audience.list_id:
        _make_list(run, keeper, audience, known)
    moved = members.mirror(run, keeper, audience)
    members.count_there(audience)
    audience.last_sync_at, audience.error = run.now(), ""
    audience.save(update_fields=["last_sync_at", "error"])
    run.counts["audiences"] += 1
    run.counts["added"] += moved.added
    run.counts["removed"] += moved.removed


def _has_erased(audience: Audience) -> bool:
    found = members.audiences_with_erased(audience.connection_id)
    return bool(audience.list_id) and found.filter(pk=audience.pk).exists()


def _make_list(
    run: SyncRun, keeper: ListKeeper, audience: Audience, known: list[RemoteList]
) -> None:
    """Make the list, under a name that is free; one whose making was not told is found again."""
    made = [one for one in known if one.is_list and one.name == audience.list_name]
    if audience.list_name and made:
        audience.list_id = made[0].id
    else:
        audience.list_name = _free_name(audience.name, known, keeper.name_limit)
        audience.save(update_fields=["list_name"])
        try:
            audience.list_id = keeper.create(audience.list_name)
        except TemporaryError:
            raise
        except PermanentError:
            # Refused for good: nothing was made, and what has this name is somebody else's.
            Audience.objects.filter(pk=audience.pk).update(list_name="")
            raise
        known.append(RemoteList(audience.list_id, audience.list_name))
    audience.save(update_fields=["list_id"])


def _stop_without_list(audience: Audience) -> None:
    """Somebody deleted the list there: that is not undone by itself."""
    AudienceMember.objects.filter(audience=audience).delete()
    audience.state, audience.list_id, audience.list_name = State.PAUSED, "", ""
    audience.there_count = audience.refused_count = 0
    audience.error = _("The list was deleted there. Resume, and it is made anew.")
    audience.save()


def _end(run: SyncRun, keeper: ListKeeper, audience: Audience) -> None:
    if audience.list_id:
        try:
            patiently(run, lambda: keeper.delete(audience.list_id))
        except ThingMissing:
            # Somebody was quicker.
            audience.list_id = ""
    AudienceMember.objects.filter(audience=audience).delete()
    audience.delete()


def _keeper_of(run: SyncRun) -> ListKeeper:
    kind = VendorConnection.objects.values_list("kind", flat=True).get(pk=run.connection_id)
    make = list_keeper_of(kind)
    if make is None:
        raise PermanentError(_("This system keeps no lists."))
    return make(run)


def _free_name(wanted: str, known: list[RemoteList], limit: int) -> str:
    """The name, or with a number where something has it."""
    taken = {one.name.casefold() for one in known}
    name, number = wanted[:limit], 1
    while name.casefold() in taken:
        number += 1
        end = f" ({number})"
        name = wanted[: limit - len(end)].rstrip() + end
    return name


AUDIENCES = Sync(SYNC, gettext_lazy("Audiences"), mirror_all)
