"""The addresses at which bounces and complaints are told: by providers, or as the mails themselves.

Both need the password of `MAIL_HOOKS_SECRET`, as `https://regulars:PASSWORD@host/hooks/…`. What is
answered with 5xx is told again.
"""

import base64
import binascii

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import RawPostDataException
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from integrations.bounces import providers
from integrations.bounces.heard import hear
from integrations.bounces.reports import SIZE_LIMIT, read_report
from integrations.errors import ProviderUnknown

_USER = "regulars"


@csrf_exempt
def receive_from_provider(request: HttpRequest, provider: str) -> HttpResponse:
    """Hear what an e-mail provider tells of bounces and complaints."""
    if (no := _refusal(request)) is not None:
        return no
    at = timezone.now()
    try:
        if request.method != "POST":
            return providers.answer_to_check(provider, request)
        told = providers.read_events(provider, request, at=at)
    except ProviderUnknown as unknown:
        return _answer(404, unknown.code, str(unknown))
    except ImproperlyConfigured as missing:
        return _answer(503, "setting_missing", str(missing))
    except SuspiciousOperation as refused:
        return _answer(400, "not_signed", str(refused))
    except (ValueError, KeyError, TypeError, AttributeError, RawPostDataException) as error:
        # The library reads what it is given as what it should be.
        message = _("It cannot be read as what %(provider)s sends: %(reason)r.")
        return _answer(400, "unreadable", message % {"provider": provider, "reason": error})
    return JsonResponse({"heard": len(hear(told, at=at))})


@csrf_exempt
@require_POST
def receive_report(request: HttpRequest) -> HttpResponse:
    """Hear a mail that came back, given as it is (message/rfc822)."""
    if (no := _refusal(request)) is not None:
        return no
    at = timezone.now()
    content = request.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        message = _("A mail of at most %(limit)d bytes.") % {"limit": SIZE_LIMIT}
        return _answer(413, "too_large", message)
    return JsonResponse({"heard": len(hear(read_report(content, at=at), at=at))})


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """The answer to who may not tell us anything; None for who may."""
    if not settings.MAIL_HOOKS_SECRET:
        message = _("Nothing is heard here until MAIL_HOOKS_SECRET is set.")
        return _answer(404, "not_set_up", message)
    if _may_tell(request.META.get("HTTP_AUTHORIZATION", "")):
        return None
    answer = _answer(
        401, "not_authenticated", _("The password in the address is missing or wrong.")
    )
    answer["WWW-Authenticate"] = 'Basic realm="Regulars"'
    return answer


def _may_tell(authorization: str) -> bool:
    scheme, _space, word = authorization.partition(" ")
    try:
        given = base64.b64decode(word.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    wanted = f"{_USER}:{settings.MAIL_HOOKS_SECRET}".encode()
    return scheme.lower() == "basic" and constant_time_compare(given, wanted)


def _answer(status: int, code: str, message: str) -> HttpResponse:
    return JsonResponse({"code": code, "message": message}, status=status)
