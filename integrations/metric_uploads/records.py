"""What people and programs see of uploads: how many records are where, which were refused, why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from integrations.metric_uploads.differences import UNSURE
from integrations.models import UploadChunk, UploadedRecord, UploadPlace
from integrations.vendors import connections
from workspace import sql
from workspace.access import Actor, require
from workspace.models import Website

SYNC = "integrations.sync_vendorconnection"
State = UploadedRecord.State

# By which words vendors say that they do not know a contact.
UNKNOWN = frozenset({"ContactEmailDoesNotExist", "ContactIdDoesNotExist"})
# The vendors' words, as people say it, and what can be done.
REASONS: Mapping[str, str | Promise] = {
    "ContactEmailDoesNotExist": gettext_lazy(
        "There is no contact with this address in the account. It is tried again after a week."
    ),
    "ContactIdDoesNotExist": gettext_lazy(
        "There is no such contact in the account. It is tried again after a week."
    ),
    "InvalidContactIdentifier": gettext_lazy(
        "The account has no such identifier, or takes the name for none: look at the settings."
    ),
    "JsonValueIncompatibleWithSchema": gettext_lazy(
        "A field is of another type there than it was: give it another name in the settings, or"
        " empty the collection and upload everything again."
    ),
    "JsonKeyInvalidCharacters": gettext_lazy(
        "The name of a field has letters that are not taken there: give it another one in the"
        " settings."
    ),
    "JsonKeyTooLong": gettext_lazy(
        "The name of a field is too long: give it another one in the settings."
    ),
    "JsonValueTooLong": gettext_lazy("A text is too long."),
    "JsonNumberValueTooLarge": gettext_lazy("A number is too large."),
    "InvalidClientKey": gettext_lazy("The record's key is too long."),
    "DuplicateKey": gettext_lazy("Two records of one import had the same key."),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How the uploads of a website stand. `refused` counts by reason, the most frequent first.

    `key_end` is that of its keys. It has a number (`is_beside`) where another connection keeps
    the website there, too.
    """

    website: Website
    place: str
    key_end: str
    is_beside: bool
    full_at: datetime | None
    sent: int
    due: int
    leaving: int
    refused: Mapping[str, int]

    @property
    def is_anything(self) -> bool:
        """Whether there is a record of it at all, wherever."""
        return bool(self.sent or self.due or self.leaving or self.refused)

    @property
    def refused_count(self) -> int:
        """How many records the vendor did not take."""
        return sum(self.refused.values())

    @property
    def unknown_count(self) -> int:
        """How many of these because it does not know the contact."""
        return sum(count for reason, count in self.refused.items() if reason in UNKNOWN)


def standings(connection_id: int) -> list[Standing]:
    """How the uploads of each website stand, by name; two queries."""
    counted = UploadedRecord.objects.filter(connection_id=connection_id).values_list(
        "website_id", "state", "reason"
    )
    counts: dict[int, dict[tuple[str, str], int]] = {}
    for website_id, state, reason, count in counted.annotate(count=Count("contact_id")):
        counts.setdefault(website_id, {})[state, reason] = count
    places = UploadPlace.objects.filter(connection_id=connection_id).select_related("website")
    return [
        _standing(place, counts.get(place.website_id, {}))
        for place in places.order_by("website__name")
    ]


def refused_records(
    connection_id: int,
    *,
    website_id: int | None = None,
    reason: str = "",
    after: tuple[int, str] | None = None,
) -> "QuerySet[UploadedRecord]":
    """Records that the vendor did not take, by contact and key; those after such a place."""
    found = UploadedRecord.objects.filter(connection_id=connection_id, state=State.REFUSED)
    if website_id is not None:
        found = found.filter(website_id=website_id)
    if reason:
        found = found.filter(reason=reason)
    if after is not None:
        contact_id, key = after
        found = found.filter(Q(contact_id__gt=contact_id) | Q(contact_id=contact_id, key__gt=key))
    return found.select_related("website").order_by("contact_id", "key")


def chunks_of(connection_id: int, limit: int = 20) -> "QuerySet[UploadChunk]":
    """The last imports, the newest first."""
    found = UploadChunk.objects.filter(connection_id=connection_id).select_related("website")
    return found.order_by("-pk")[:limit]


def words_of(reason: str) -> str:
    """What a reason of a vendor means."""
    return str(REASONS.get(reason, reason))


@transaction.atomic
def upload_again(
    connection_id: int, *, actor: Actor, at: datetime, website_id: int | None = None
) -> int:
    """Have all records sent again by the next synchronization; how many.

    For where somebody emptied the collection there. Raises ConnectionUnknown.
    """
    require(actor, SYNC)
    connection = connections.find_connection(connection_id)
    count = sql.execute(
        "UPDATE integrations_uploadedrecord SET state = 'due', reason = '',"
        " digest = CASE WHEN digest IS NOT NULL THEN %s::uuid END"
        " WHERE connection_id = %s AND state IN ('sent', 'refused')"
        " AND (%s::int IS NULL OR website_id = %s)",
        [UNSURE, connection_id, website_id, website_id],
    )
    connections.record("upload_again", connection, actor, at, records=[None, count])
    return count


def _standing(place: UploadPlace, counts: Mapping[tuple[str, str], int]) -> Standing:
    def count(*states: str) -> int:
        return sum(number for (state, _reason), number in counts.items() if state in states)

    refused = {reason: n for (state, reason), n in counts.items() if state == State.REFUSED}
    return Standing(
        website=place.website,
        place=place.name.partition(" ")[0],
        key_end=place.suffix,
        is_beside=place.number > 1,
        full_at=place.full_at,
        sent=count(State.SENT),
        due=count(State.DUE, State.SENDING),
        leaving=count(State.LEAVING),
        refused=dict(sorted(refused.items(), key=lambda one: (-one[1], one[0]))),
    )


def record_count(connection_id: int, website_id: int) -> int:
    """How many records of a website are at the vendor, or may be."""
    return UploadedRecord.objects.filter(
        connection_id=connection_id, website_id=website_id, digest__isnull=False
    ).count()
