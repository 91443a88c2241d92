"""What the person who looks may do, for parts of pages that are drawn apart from their page.

The theme draws the rows of a list with a context of its own, in which `perms` is missing.
"""

from typing import Any

from django import template
from django.template import Context

register = template.Library()


@register.simple_tag(takes_context=True)
def permitted(context: Context, permission: str) -> bool:
    """Whether the person who looks has a permission ("segments.view_segment")."""
    request: Any = getattr(context, "request", None)
    return request is not None and bool(request.user.has_perm(permission))


@register.simple_tag(takes_context=True)
def may_add(context: Context, screen: Any) -> bool:
    """Whether the person who looks may add a thing on a screen of the admin."""
    request: Any = getattr(context, "request", None)
    return request is not None and bool(screen.has_add_permission(request))
