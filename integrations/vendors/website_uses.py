"""What connections know of a website that somebody wants to delete."""

from django.utils.translation import gettext as _

from integrations.models import ConnectionWebsite
from workspace import websites


def register() -> None:
    """Keep websites from being deleted while connections are for them."""
    websites.register_user("connections", _uses, forget=_forget)


def _uses(website_id: int) -> list[str]:
    """The connections that are for it, or whose data of it are being deleted."""
    attached = ConnectionWebsite.objects.filter(website_id=website_id).exclude(
        state=ConnectionWebsite.State.LEFT
    )
    names = attached.order_by("connection__name").values_list("connection__name", flat=True)
    return [_("the connection “%(name)s”") % {"name": name} for name in names]


def _forget(website_id: int) -> None:
    """That its data were deleted once is in the audit trail."""
    ConnectionWebsite.objects.filter(website_id=website_id).delete()
