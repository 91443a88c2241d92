"""Users whom a shop's server vouches for: what it signs, and whether it did.

The write key of a website is known to all, and so may be a `userId`. Where a source has a user
secret, whoever says who he is to get somebody's messages has to bring what only the shop's server
can make: the HMAC-SHA256 of the `userId` with the secret, in hexadecimal digits.
"""

import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from integrations.errors import NoWebsiteSource, SourceUnknown, UserHashWrong
from integrations.models import Source
from integrations.sources import GRACE
from workspace import audit, encryption
from workspace.access import Actor


@transaction.atomic
def set_user_secret(key: str, *, actor: Actor, at: datetime, grace: timedelta = GRACE) -> str:
    """Give the source a new user secret, which is asked for from now on; returns it.

    A former one is good for `grace` more, so that the shop can change over. Raises SourceUnknown,
    NoWebsiteSource.
    """
    source = _hold(key)
    if source.kind != Source.Kind.WEB:
        message = _("“%(name)s” is no website or app: who has its write key is trusted anyway.")
        raise NoWebsiteSource(message % {"name": source.name})
    former = [[one, (at + grace).isoformat()] for one in user_secrets(source, at=at)[:1]]
    new = secrets.token_hex(32)
    source.user_secret = encryption.seal(json.dumps([[new, None], *(former if grace else [])]))
    source.save(update_fields=["user_secret"])
    audit.record(actor=actor, action="source.user_secret_set", subject=source, at=at)
    return new


@transaction.atomic
def clear_user_secret(key: str, *, actor: Actor, at: datetime) -> None:
    """Take the word of the source's pages again for who somebody is. Raises SourceUnknown."""
    source = _hold(key)
    if not source.user_secret:
        return
    source.user_secret = ""
    source.save(update_fields=["user_secret"])
    audit.record(actor=actor, action="source.user_secret_cleared", subject=source, at=at)


def user_secrets(source: Source, *, at: datetime) -> list[str]:
    """The secrets that are good at an instant, the present one first; none where none was set.

    Raises SecretUnreadable where the encryption key is gone.
    """
    if not source.user_secret:
        return []
    return [
        secret
        for secret, until in json.loads(encryption.unseal(source.user_secret))
        if until is None or datetime.fromisoformat(until) > at
    ]


def hash_of(secret: str, user_id: str) -> str:
    """What the shop's server makes of a `userId`."""
    return hmac.digest(secret.encode(), user_id.encode("utf-8", "replace"), hashlib.sha256).hex()


def require_user_hash(source: Source, user_id: str, given: str, *, at: datetime) -> None:
    """Raise UserHashWrong where the source asks for a hash and `given` is not that of the user."""
    known = user_secrets(source, at=at)
    if not known:
        return
    if not user_id:
        raise UserHashWrong(
            _("This source takes signed users only: it says no userId with its userHash.")
        )
    brought = given.strip().lower().encode("utf-8", "replace")
    if not any(hmac.compare_digest(hash_of(one, user_id).encode(), brought) for one in known):
        raise UserHashWrong(
            _(
                "The userHash is missing or not that of this userId: it is made on your server, by"
                " HMAC-SHA256 with the user secret of the source."
            )
        )


def _hold(key: str) -> Source:
    source = Source.objects.select_for_update().filter(key=key).first()
    if source is None:
        raise SourceUnknown(_("There is no source “%(key)s”.") % {"key": key[:63]})
    return source
