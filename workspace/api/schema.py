"""How the OpenAPI document is made: with every refusal, the scopes, and the ways to log in."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from workspace.access import scope_of
from workspace.api.permissions import ANYBODY
from workspace.api.problems import CONTENT_TYPE
from workspace.api.serializers import ProblemSerializer

_ALWAYS = {
    "400": _("The request has faults: `errors` names each."),
    "401": _("Without a valid key or session."),
    "403": _("The key lacks the scope, the person the permission."),
    "429": _("Too many requests in this minute: see the header `Retry-After`."),
}
_UNKNOWN = {"404": _("There is no such thing, or one may not know of it.")}
_WRITING = {
    "409": _("The state of things forbids it; `code` says why."),
    "413": _("The body is too large."),
    "415": _("The body is not of the type that is taken here."),
}
_IDEMPOTENCY = _(
    "The same key and request within 24 hours get the same answer, and the effect happens once."
)


class ProblemAutoSchema(AutoSchema):
    """Describes an action of an `ApiViewSet`."""

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        words = super().get_description() or ""
        permission = getattr(self.view, "permissions", {}).get(getattr(self.view, "action", None))
        if permission is None or permission == ANYBODY:
            return words
        return f"{words}\n\nScope: `{scope_of(permission)}`".strip()

    def get_override_parameters(self) -> list[Any]:
        parameters = super().get_override_parameters()
        if self.method != "POST" or getattr(self.view, "action", None) in getattr(
            self.view, "unwrapped", ()
        ):
            return parameters
        return [
            *parameters,
            OpenApiParameter(
                "Idempotency-Key", str, OpenApiParameter.HEADER, description=_IDEMPOTENCY
            ),
        ]

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        responses = super()._get_response_bodies(direction)
        shape = self.resolve_serializer(ProblemSerializer, "response").ref
        refusals = dict(_ALWAYS)
        if "{" in self.path:
            refusals |= _UNKNOWN
        if self.method not in {"GET", "HEAD"}:
            refusals |= _WRITING
        for status, description in refusals.items():
            content = {CONTENT_TYPE: {"schema": shape}}
            responses.setdefault(status, {"description": description, "content": content})
        return dict(sorted(responses.items()))


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The key of an API user in the header `Authorization`."""

    target_class = "workspace.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": _("`Api-Key` and the key of an API user, with a space between."),
        }


class StaffSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session of the back office."""

    target_class = "workspace.api.authentication.StaffSessionAuthentication"
    name = "staffSession"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": _("The session of somebody who logged in; writing needs X-CSRFToken."),
        }
