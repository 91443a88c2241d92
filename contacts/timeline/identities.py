"""Names on the timeline: when we learned by which identities a system knows the contact."""

from django.utils.translation import gettext as _

from contacts.models import Identity
from contacts.timeline.items import Ask, Item

KIND = "identity"
_ICONS = {"email": "mail", "phone": "call", "user_id": "badge", "anonymous_id": "visibility_off"}


def namespace_name(namespace: str) -> str:
    """A namespace in words."""
    words = {
        "email": _("e-mail address"),
        "phone": _("phone number"),
        "user_id": _("external id"),
        "anonymous_id": _("anonymous id"),
    }
    return words.get(namespace, namespace)


def load(ask: Ask) -> list[Item]:
    """The identities of a contact, each when we learned it; there are a few."""
    known = Identity.objects.filter(contact_id=ask.contact_id)
    rows = known.values_list("namespace", "value", "created_at")
    return ask.chosen(
        Item(
            kind=KIND,
            key=f"{namespace}:{value}",
            at=created_at,
            title=_("Known by %(namespace)s") % {"namespace": namespace_name(namespace)},
            text=value,
            icon=_ICONS.get(namespace, "fingerprint"),
            data={"namespace": namespace, "value": value},
        )
        for namespace, value, created_at in rows
    )
