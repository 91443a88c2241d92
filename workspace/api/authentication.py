"""Who sends a request to the API: a program with a key, or a member of the staff."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from workspace.keys import find_api_user
from workspace.models import ApiUser, User


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Api-Key <key>`; the API user is then `request.auth`."""

    keyword = "Api-Key"

    def authenticate(self, request: Request) -> tuple[None, ApiUser] | None:
        keyword, _space, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if keyword.lower() != self.keyword.lower():
            return None
        api_user = find_api_user(key.strip())
        if api_user is None:
            raise AuthenticationFailed(_("This API key is unknown."))
        if not api_user.enabled:
            raise AuthenticationFailed(_("The API user of this key is disabled."))
        return None, api_user

    def authenticate_header(self, request: Request) -> str:
        return f'{self.keyword} realm="api"'


class StaffSessionAuthentication(SessionAuthentication):
    """The session of somebody who logged in to the back office, guarded against forged requests."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        user = getattr(request._request, "user", None)
        if not isinstance(user, User) or not user.is_active or not user.is_staff:
            return None
        self.enforce_csrf(request)
        return user, None
