"""The synchronization "metrics": what changed is uploaded, website by website."""

from django.utils.translation import gettext as _

from contacts.website_metrics import compute_website_metrics
from integrations.metric_uploads import deleting, places, sending
from integrations.metric_uploads.differences import note_difference
from integrations.metric_uploads.store import Store
from integrations.models import ConnectionWebsite, UploadedRecord, UploadPlace
from integrations.vendors.patience import pause_for
from integrations.vendors.registry import SyncRun
from workspace.errors import Busy
from workspace.models import Website

# Metrics that are just being computed by somebody else are waited for.
_PATIENCE_SECONDS = 15.0
_PATIENCE_TURNS = 40


def upload_metrics(run: SyncRun, store: Store) -> None:
    """Compute the metrics of the connection's websites, and upload what differs from what is there.

    The first time that is all, then what changed. Each website has its turn: what was left open is
    finished, what differs is noted, what is gone is deleted, what is due is sent. Counts of the
    run: wanted, unchanged, sent, refused, deleted, and of all so far unknown_contacts.
    """
    websites = _attached(run.connection_id)
    run.counts |= dict.fromkeys(
        ("wanted", "unchanged", "sent", "refused", "unknown_contacts", "deleted"), 0
    )
    _compute(run, websites)
    for website in websites:
        run.counts["deleted"] += places.settle_place(run, store, website)
        _upload(run, store, website)
    run.counts["unknown_contacts"] = _unknown(run, store)


def _upload(run: SyncRun, store: Store, website: Website) -> None:
    counts = run.counts
    before = counts["sent"] + counts["refused"]

    def sent(taken: int, refused: int) -> None:
        counts["sent"] += taken
        counts["refused"] += refused
        run.advance(counts["sent"] + counts["refused"], total, website.name)

    def deleted(found: int) -> None:
        counts["deleted"] += found

    total: int | None = None
    sending.finish_open(run, store, website.pk, sent=sent)
    place = places.place_of(run.connection_id, website.pk)
    difference = note_difference(store, place, as_of=run.now())
    counts["wanted"] += difference.wanted
    total = before + difference.due
    run.advance(before, total, website.name)
    # Before anything is sent: a name that went from one contact to another names one record, and
    # what the former one leaves must not take the new one along.
    deleting.delete_leaving(run, store, website.pk, deleted=deleted)
    sending.send_due(run, store, place, sent=sent)
    counts["unchanged"] += max(0, difference.wanted - difference.due)
    UploadPlace.objects.filter(
        connection_id=run.connection_id, website=website, full_at__isnull=True
    ).update(full_at=run.now())


def _compute(run: SyncRun, websites: list[Website]) -> None:
    """Compute the metrics as of now; where another one is at it, after that one."""
    for _turn in range(_PATIENCE_TURNS):
        try:
            compute_website_metrics(as_of=run.now(), websites=websites)
        except Busy:
            run.advance(-1, None, _("Waiting until the metrics are computed…"))
            pause_for(run, _PATIENCE_SECONDS)
        else:
            return
    # Those of the last computing are uploaded then.


def _attached(connection_id: int) -> list[Website]:
    found = ConnectionWebsite.objects.filter(
        connection_id=connection_id, state=ConnectionWebsite.State.ATTACHED
    )
    return [one.website for one in found.select_related("website").order_by("website_id")]


def _unknown(run: SyncRun, store: Store) -> int:
    """How many contacts the vendor does not know, of all that were ever sent."""
    return UploadedRecord.objects.filter(
        connection_id=run.connection_id,
        state=UploadedRecord.State.REFUSED,
        reason__in=list(store.unknown_reasons),
    ).count()
