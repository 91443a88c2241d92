"""The codes of a campaign as CSV, streamed straight from the database, whatever their number."""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext as _
from psycopg import sql

from loyalty.gift_cards import states
from loyalty.models import Campaign
from workspace import access, audit
from workspace.access import Actor
from workspace.errors import InputInvalid, Problem

# Which codes: those that wait in the pool, those that contacts have, or both.
WHICH = {
    "all": "",
    "unpublished": "AND v.published_at IS NULL",
    "published": "AND v.published_at IS NOT NULL",
}
_ROWS = """
SELECT v.code, {state} AS state, v.initial_minor AS amount, v.balance_minor AS balance,
  c.currency, v.redeemed_count AS redemptions, v.holder_id AS contact,
  to_char(v.created_at AT TIME ZONE 'UTC', {form}) AS created_at,
  to_char(v.published_at AT TIME ZONE 'UTC', {form}) AS published_at,
  to_char(least(v.expires_at, c.ends_at) AT TIME ZONE 'UTC', {form}) AS expires_at
FROM loyalty_voucher v JOIN loyalty_campaign c ON c.id = v.campaign_id
WHERE v.campaign_id = {campaign} {which} ORDER BY v.id
"""


def export_codes(
    campaign: Campaign, *, which: str = "all", actor: Actor, at: datetime
) -> Iterator[bytes]:
    """The codes as CSV in UTF-8, a piece at a time; whoever exports is put on record.

    Amounts are in minor units, times in UTC. Raises NotAllowed and InputInvalid before the first
    piece.
    """
    access.require(actor, "loyalty.export_campaign")
    if which not in WHICH:
        message = _("It is one of: %(known)s.") % {"known": ", ".join(WHICH)}
        raise InputInvalid(message, problems=[Problem("which", "invalid_choice", message)])
    audit.record(
        actor=actor,
        action="campaign.codes_exported",
        subject=campaign,
        changes={"which": [None, which]},
        at=at,
    )
    return _pieces(campaign, which, at)


def file_name(campaign: Campaign, at: datetime) -> str:
    """What the file is called."""
    return f"codes-{campaign.key}-{at:%Y-%m-%d}.csv"


def _pieces(campaign: Campaign, which: str, at: datetime) -> Iterator[bytes]:
    rows = sql.SQL(_ROWS).format(
        state=sql.SQL(states.state_sql("{at}")).format(at=sql.Literal(at)),
        form=sql.Literal('YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        campaign=sql.Literal(campaign.pk),
        which=sql.SQL(WHICH[which]),
    )
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')").format(rows)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in copy:
            yield bytes(piece)
