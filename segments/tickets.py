"""Questions that a person waits for: ended when their time is over, or when a newer one came.

A ticket names the place on a screen that shows the answer. A newer question with the same ticket
ends the older, whichever process works on it: the server of the database knows both by the name
of the application.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from time import monotonic
from uuid import uuid4

from django.core.cache import cache
from django.db import OperationalError, transaction
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from segments.criteria import Query
from segments.errors import PreviewOutdated
from workspace import sql
from workspace.access import Actor

_REMEMBERED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer is waited for; `name` is empty where nobody said so."""

    name: str = ""
    token: str = ""

    def refuse_taken(self) -> None:
        """Raise PreviewOutdated where a newer question took the place, between two statements."""
        if self.name and cache.get(self.name) not in {None, self.token}:
            raise _outdated()


def take_place(kind: str, ticket: str, actor: Actor) -> Place:
    """End what this actor asked before with this ticket; the place for the new question.

    Without a ticket nothing is ended.
    """
    if not ticket:
        return Place()
    digest = blake2b(f"{actor.name} {ticket}".encode(), digest_size=16).hexdigest()
    place = Place(f"{kind}-{digest}", uuid4().hex)
    cache.set(place.name, place.token, _REMEMBERED_SECONDS)
    sql.rows(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = %s AND state = 'active' AND pid <> pg_backend_pid()",
        [place.name],
    )
    return place


@contextmanager
def reading(query: Query, seconds: float, name: str = "") -> Iterator[None]:
    """A transaction with the hints of a query and a limit of time, which leaves nothing behind."""
    limits = {"statement_timeout": str(max(1, int(seconds * 1000)))}
    if name:
        limits["application_name"] = name
    with sql.local_settings({**query.settings, **limits}):
        yield
        # So that the settings end here, also inside a transaction of the caller's.
        transaction.set_rollback(True)


def refuse_outdated(error: OperationalError, begun: float, seconds: float) -> None:
    """Return where `error` is the mere end of the time of a statement begun then.

    Raises PreviewOutdated where a newer question ended it, and else the error itself.
    """
    if not isinstance(error.__cause__, QueryCanceled):
        raise error
    if monotonic() - begun < seconds:
        raise _outdated() from error


def _outdated() -> PreviewOutdated:
    return PreviewOutdated(_("A newer preview took the place of this one."))
