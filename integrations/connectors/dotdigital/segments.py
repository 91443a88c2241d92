"""Segments that people built in Dotdigital, read so that they can be imported."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from integrations.connectors.dotdigital import vendor
from integrations.errors import TemporaryError, ThingMissing
from integrations.vendors.importers import Importer, RemoteSegment
from integrations.vendors.patience import patiently, pause_for
from integrations.vendors.registry import SyncRun

_POLL_SECONDS = 5.0
_POLL_LIMIT = 720


def list_segments(run: SyncRun) -> Sequence[RemoteSegment]:
    """All segments of the account, with the counts of their last refresh."""
    client = vendor.client_of(run.http, run.credentials)
    return [
        RemoteSegment(str(one.id), one.name, "segment", one.count)
        for one in patiently(run, client.segments)
    ]


def fetch_members(run: SyncRun, remote_id: str) -> Iterator[Sequence[str]]:
    """Have a segment refreshed, wait until it is, and give its members page by page.

    Dotdigital does not refresh segments by itself. Raises ThingMissing.
    """
    if not remote_id.isdecimal():
        raise ThingMissing(_("“%(id)s” is no segment of Dotdigital.") % {"id": remote_id[:40]})
    client, number = vendor.client_of(run.http, run.credentials), int(remote_id)
    identifier = str(run.settings.get("identifier") or vendor.EMAIL)
    patiently(run, lambda: client.refresh_segment(number))
    for _turn in range(_POLL_LIMIT):
        if patiently(run, lambda: client.is_segment_fresh(number)):
            break
        pause_for(run, _POLL_SECONDS)
    else:
        raise TemporaryError(_("Dotdigital has been refreshing a segment for an hour."))
    marker, seen = "", {""}
    while True:
        contacts, marker = patiently(
            run, partial(client.page_of_contacts, segment_id=number, marker=marker)
        )
        run.check()
        names = [one.identifiers[identifier] for one in contacts if identifier in one.identifiers]
        if identifier == vendor.MOBILE:
            # Older ones may have no plus there.
            names = [f"+{name.lstrip('+')}" for name in names]
        yield names
        if marker in seen:
            break
        seen.add(marker)


def identity_of(settings: Mapping[str, Any]) -> str:
    """Which of our identities the members are named by."""
    return vendor.namespace_of(str(settings.get("identifier") or vendor.EMAIL))


IMPORTER = Importer(list_segments, fetch_members, identity_of)
