"""Who calls: the API user of `X-App-Id` and `X-App-Token`, and the source that it sends as."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from integrations import sources
from integrations.errors import SourceExists
from integrations.ingestion.refusals import RequestRefused
from integrations.models import Source
from workspace.access import Actor, actor_of_api_user
from workspace.addresses import address_of
from workspace.api.limits import TooManyRequests, count_request
from workspace.api.permissions import check
from workspace.errors import DomainError
from workspace.keys import find_api_user, note_use
from workspace.models import ApiUser
from workspace.rates import Rate


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that may call now; `subjects` name it and where it is, for what watches cheats."""

    api_user: ApiUser
    actor: Actor
    address: str
    subjects: tuple[str, ...] = ()
    # Of a publishable key: what everybody may see of it in a page.
    client_key_id: int | None = None

    @property
    def is_client_side(self) -> bool:
        """Whether it is a page or app of customers, which learns less."""
        return self.client_key_id is not None


@dataclass(slots=True)
class Visit:
    """A request at a door, and what the door learned of it: it goes into the headers."""

    request: HttpRequest
    at: datetime
    rate: Rate | None = None
    rate_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Door(Protocol):
    """Lets callers in, and has the last word on what they are answered."""

    def admit(self, visit: Visit, permission: str) -> Caller:
        """Who calls. Raises RequestRefused (401), TooManyRequests, NotAllowed."""
        ...

    def preflight(self, visit: Visit) -> HttpResponse | None:
        """The answer to a browser that asks whether it may call; none where nobody asks so."""
        ...


class ServerSide:
    """The door for programs of the shop: a secret key, and the limit of its API user."""

    def admit(self, visit: Visit, permission: str) -> Caller:
        request = visit.request
        app_id = request.headers.get("X-App-Id", "").strip()
        token = request.headers.get("X-App-Token", "").strip()
        if not app_id or not token:
            raise unauthorized(
                _("The headers X-App-Id and X-App-Token are missing: the API user and its key.")
            )
        api_user = find_api_user(token)
        if api_user is None or str(api_user.pk) != app_id:
            raise unauthorized(_("X-App-Id and X-App-Token are not those of one API user."))
        if not api_user.enabled:
            raise unauthorized(_("The API user of this key is disabled."))
        # Counted first: who is refused has asked, too.
        count_for(visit, api_user)
        actor = actor_of_api_user(api_user)
        check(actor, permission)
        note_use(api_user, at=visit.at)
        return Caller(api_user, actor, address_of(request), (f"api_user:{api_user.pk}",))

    def preflight(self, visit: Visit) -> HttpResponse | None:
        return None


def count_for(visit: Visit, api_user: ApiUser) -> None:
    """Count the request for its API user. Raises TooManyRequests."""
    visit.rate_type = "minute"
    try:
        visit.rate = count_request(api_user)
    except TooManyRequests as refused:
        visit.rate = Rate(api_user.requests_per_minute, 0, refused.context["retry_after"])
        raise


def source_of(caller: Caller, *, at: datetime) -> Source:
    """The source as which the program sends; made for it when it sends the first time.

    Raises RequestRefused (401) where it is disabled.
    """
    source = _find(caller) or _make(caller, at)
    if not source.is_enabled:
        message = _("The source “%(name)s” is disabled: nothing of it is taken.")
        raise RequestRefused(
            401, "source_disabled", message % {"name": source.name}, source_id=source.pk
        )
    return source


def _find(caller: Caller) -> Source | None:
    kind = Source.Kind.VOUCHERIFY
    return Source.objects.filter(api_user_id=caller.api_user.pk, kind=kind).first()


def _make(caller: Caller, at: datetime) -> Source:
    """Named after the API user; where another source has that name, with its number."""
    name = caller.api_user.name
    refused: DomainError | None = None
    for wanted in (name, f"{name[:100]} ({caller.api_user.pk})"):
        try:
            return sources.create_source(
                name=wanted,
                kind=Source.Kind.VOUCHERIFY,
                description=_("Made for the API user when it sent the first time."),
                api_user=caller.api_user.pk,
                actor=caller.actor,
                at=at,
            )[0]
        except SourceExists as error:
            # Perhaps another request of this program made it this moment.
            if source := _find(caller):
                return source
            refused = error
    assert refused is not None
    raise refused


def unauthorized(message: str) -> RequestRefused:
    """401: nobody known."""
    return RequestRefused(401, "unauthorized", message)
