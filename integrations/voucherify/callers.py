"""Who calls: the API user of `X-App-Id` and `X-App-Token`, and the source that it sends as."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _

from integrations.ingestion.refusals import RequestRefused
from integrations.models import Source
from workspace.access import Actor, actor_of_api_user
from workspace.api.limits import count_request
from workspace.api.permissions import check
from workspace.keys import find_api_user
from workspace.models import ApiUser


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that may call now."""

    api_user: ApiUser
    actor: Actor


def admit(request: HttpRequest, permission: str) -> Caller:
    """The API user, which counts as one request of it.

    Raises RequestRefused (401), TooManyRequests, NotAllowed where it lacks the scope.
    """
    app_id = request.headers.get("X-App-Id", "").strip()
    token = request.headers.get("X-App-Token", "").strip()
    if not app_id or not token:
        message = _("The headers X-App-Id and X-App-Token are missing: the API user and its key.")
        raise _unauthorized(message)
    api_user = find_api_user(token)
    if api_user is None or str(api_user.pk) != app_id:
        raise _unauthorized(_("X-App-Id and X-App-Token are not those of one API user."))
    if not api_user.enabled:
        raise _unauthorized(_("The API user of this key is disabled."))
    # Counted first: who is refused has asked, too.
    count_request(api_user)
    actor = actor_of_api_user(api_user)
    check(actor, permission)
    return Caller(api_user, actor)


def source_of(caller: Caller) -> Source:
    """The source as which the program sends. Raises RequestRefused: 403 for none, 401 disabled."""
    source = Source.objects.filter(
        api_user_id=caller.api_user.pk, kind=Source.Kind.VOUCHERIFY
    ).first()
    if source is None:
        message = _(
            "No source is connected with the API user “%(name)s”. Add one of the kind"
            " Voucherify-compatible under Integrations › Sources and choose this API user there."
        )
        raise RequestRefused(403, "source_missing", message % {"name": caller.api_user.name})
    if not source.is_enabled:
        message = _("The source “%(name)s” is disabled: nothing of it is taken.")
        raise RequestRefused(
            401, "source_disabled", message % {"name": source.name}, source_id=source.pk
        )
    return source


def _unauthorized(message: str) -> RequestRefused:
    return RequestRefused(401, "unauthorized", message)
