"""Whether whoever sends a request may do what it asks for."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from workspace.access import Actor, actor_of, require, scope_of
from workspace.errors import NotAllowed
from workspace.models import AuditEntry

if TYPE_CHECKING:
    # It imports this module, by the name in the settings.
    from rest_framework.views import APIView

# For actions whose rows are the rule: everybody known may ask, and finds what is his.
ANYBODY = "*"


class ScopeOrPermission(BasePermission):
    """A program needs the scope, a person the permission, that the view names for its action.

    `view.permissions` gives Django's name of the permission by action ("segments.view_segment");
    the scope follows from it (`workspace.access.scope_of`). An action that is not named there is
    nobody's, so a view cannot be open by mistake.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if request.successful_authenticator is None:
            raise NotAuthenticated
        action = getattr(view, "action", None)
        if action in {None, "metadata"}:
            # No such method here: the answer is 405, for anybody with a valid key.
            return True
        permission = getattr(view, "permissions", {}).get(action)
        if permission is None:
            return False
        if permission != ANYBODY:
            check(actor_of(request), permission)
        return True


def check(actor: Actor, permission: str) -> None:
    """Raise NotAllowed unless the actor has the permission, or the scope that stands for it."""
    if actor.kind == AuditEntry.ActorKind.API and not actor.may(permission):
        message = _("This key lacks the scope %(scope)s.")
        raise NotAllowed(message % {"scope": scope_of(permission)})
    require(actor, permission)
