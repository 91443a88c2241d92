"""Where the records of a website are at a vendor, and which keys are one connection's own there.

Several connections may keep one website at one place of one account. Their records must not have
the same keys, or each would replace and delete what the other one keeps: so each has a number of
its own, with which its keys end from 2 on.
"""

from django.db import transaction

from integrations.metric_uploads import deleting
from integrations.metric_uploads.differences import UNSURE
from integrations.metric_uploads.store import Store
from integrations.models import UploadPlace, VendorConnection
from integrations.vendors import accounts
from integrations.vendors.registry import SyncRun
from workspace import locks, sql
from workspace.models import Website

# What a connection left there when its access was revoked is its heir's: all of it is sent again,
# and what is not wanted any more is deleted.
_INHERIT = """
UPDATE integrations_uploadedrecord SET connection_id = %(heir)s, chunk_id = NULL, reason = '',
  digest = %(unsure)s::uuid, state = CASE WHEN state = 'leaving' THEN 'leaving' ELSE 'due' END
WHERE connection_id = %(former)s AND website_id = %(website)s
  AND (digest IS NOT NULL OR state = 'sending')
"""
_FORGET = """
DELETE FROM integrations_uploadedrecord WHERE connection_id = %s AND website_id = %s
"""


def settle_place(run: SyncRun, store: Store, website: Website) -> int:
    """Remember where records are; where that is elsewhere now, delete those at the old place.

    How many were deleted for it.
    """
    place = UploadPlace.objects.filter(connection_id=run.connection_id, website=website).first()
    deleted = 0
    if place is not None and place.name != store.place:
        deleted = deleting.delete_all(run, store.at(place.name), website.pk)
        place = None
    if place is None or not place.account:
        claim_place(run.connection_id, store.place, website)
    return deleted


@transaction.atomic
def claim_place(connection_id: int, name: str, website: Website) -> UploadPlace:
    """The place of a connection's records of a website, with a number that no other one has there.

    Of a connection whose access was revoked it takes over what is still there.
    """
    connection = VendorConnection.objects.get(pk=connection_id)
    account = accounts.account_of(connection)
    locks.lock(f"upload place {account} {name} {website.pk}")
    # A few connections: those that keep the website there, too.
    others = list(
        UploadPlace.objects.filter(account=account, name=name, website=website)
        .exclude(connection_id=connection_id)
        .select_related("connection")
        .order_by("number")
    )
    taken = {one.number for one in others if one.connection.revoked_at is None}
    number = next(free for free in range(1, len(taken) + 2) if free not in taken)
    mine = UploadPlace.objects.filter(connection_id=connection_id, website=website).first()
    if mine is not None and mine.number != number:
        # Under such keys there is nothing of its own.
        sql.execute(_FORGET, [connection_id, website.pk])
    former = next((one for one in others if one.number == number), None)
    if former is not None:
        _inherit(former, connection_id, website)
    if mine is None:
        mine = UploadPlace(connection_id=connection_id, website=website, name=name)
    mine.account, mine.number = account, number
    mine.save()
    return mine


def place_of(connection_id: int, website_id: int) -> UploadPlace:
    """The place of a connection's records of a website, which was settled."""
    found = UploadPlace.objects.select_related("website")
    return found.get(connection_id=connection_id, website_id=website_id)


def _inherit(former: UploadPlace, heir_id: int, website: Website) -> None:
    sql.execute(_FORGET, [heir_id, website.pk])
    params = {
        "heir": heir_id,
        "former": former.connection_id,
        "website": website.pk,
        "unsure": UNSURE,
    }
    sql.execute(_INHERIT, params)
    sql.execute(_FORGET, [former.connection_id, website.pk])
    former.delete()
