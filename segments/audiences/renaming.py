"""Audiences renamed: the list at the vendor first, as its name must be free there."""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations.errors import ConnectionStill, CredentialsRejected, NameTaken, SyncRunning
from integrations.models import VendorConnection
from integrations.vendors import connections, syncing
from integrations.vendors.list_keepers import list_keeper_of
from segments.audiences import audiences
from segments.audiences.models import Audience
from segments.errors import AudienceInvalid
from workspace import locks
from workspace.access import Actor, require
from workspace.errors import Problem


def rename_audience(
    audience: Audience,
    *,
    name: str,
    actor: Actor,
    at: datetime,
    now: Callable[[], datetime] = timezone.now,
) -> Audience:
    """Give an audience another name, and its list at the vendor, where there is one already.

    Not to be called in a transaction: the vendor may take its time. Raises AudienceUnknown,
    AudienceInvalid for a name that cannot be used, as where a list or a segment has it there,
    SyncRunning while its list is being mirrored, ConnectionStill where the vendor cannot be asked,
    and ConnectorError where it does not rename the list.
    """
    require(actor, audiences.CHANGE)
    audience = audiences.find_audience(audience.pk, actor=actor)
    name = name.strip()
    _check(name, audience)
    connection = audience.connection
    with locks.held(syncing.lock_of(connection.pk, audiences.SYNC)) as is_held:
        if not is_held:
            words = _("Lists of “%(name)s” are being synchronized: rename it when that is over.")
            raise SyncRunning(words % {"name": connection.name})
        audience.refresh_from_db(fields=["name", "list_id", "list_name"])
        if audience.list_name and not audience.list_id:
            words = _("The list is being made: rename it when it is there.")
            raise SyncRunning(words)
        before = audience.list_name or audience.name
        if audience.list_id and name != audience.list_name:
            _rename_there(audience, connection, name, now=now)
            audience.list_name = name
        audience.name = name
        with transaction.atomic():
            audience.save(update_fields=["name", "list_name"])
            if name != before:
                audiences.record("renamed", audience, actor, at, name=[before, name])
    return audience


def _check(name: str, audience: Audience) -> None:
    words = ""
    if not name:
        words = _("Give the list a name.")
    elif len(name) > audiences.NAME_LIMIT or "\x00" in name:
        words = _("The name of a list has up to %(n)d letters.") % {"n": audiences.NAME_LIMIT}
    elif audience.state == Audience.State.ENDING:
        words = _("Its list is being deleted.")
    if words:
        raise AudienceInvalid(words, problems=[Problem("name", "invalid", words)])


def _rename_there(
    audience: Audience, connection: VendorConnection, name: str, *, now: Callable[[], datetime]
) -> None:
    make = list_keeper_of(connection.kind)
    if not connection.is_enabled or make is None:
        words = _("“%(name)s” is not active: its lists cannot be renamed now.")
        raise ConnectionStill(words % {"name": connection.name})
    run = syncing.open_run(connection, connections.find_vendor(connection.kind), now=now)
    try:
        make(run).rename(audience.list_id, name)
    except NameTaken as error:
        words = _(
            "A list or a segment is called “%(name)s” there already: names are unique over both."
            " Choose another name."
        )
        text = words % {"name": name}
        raise AudienceInvalid(text, problems=[Problem("name", "taken", text)]) from error
    except CredentialsRejected as error:
        connections.note_refused(connection.pk, error, at=now())
        raise
