"""Names on the timeline: when we learned by which identities a system knows the contact.

And with whom the contact became one, because a name belonged to both.
"""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from contacts.models import Identity
from contacts.timeline.actors import ACTOR
from contacts.timeline.items import Ask, Item, named
from workspace import sql
from workspace.exactjson import exact_loads

KIND = "identity"
_MERGES = f"""
SELECT l.loser_id, l.into_id, l.at, l.cause, l.evidence, l.names::text, l.moved::text, {ACTOR}
FROM contacts_contactmerge l WHERE l.survivor_id = %s
"""  # noqa: S608
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
    """The identities of a contact, each when we learned it, and merges; there are a few."""
    return ask.chosen([*_names(ask.contact_id), *_merges(ask.contact_id)])


def _names(contact_id: int) -> Iterable[Item]:
    for name in Identity.objects.filter(contact_id=contact_id):
        yield Item(
            kind=KIND,
            key=f"{name.namespace}:{name.value}",
            at=name.learned_at or name.created_at,
            title=_("Known by %(namespace)s") % {"namespace": namespace_name(name.namespace)},
            text=name.value,
            icon=_ICONS.get(name.namespace, "fingerprint"),
            details=named((_("Cause"), name.cause), (_("Evidence"), name.evidence)),
            data={
                "namespace": name.namespace,
                "value": name.value,
                "cause": name.cause,
                "evidence": name.evidence,
            },
        )


def _merges(contact_id: int) -> Iterable[Item]:
    for row in sql.rows(_MERGES, [contact_id]):
        names = exact_loads(row["names"])
        known_by = [f"{namespace_name(namespace)} {value}" for namespace, value in names]
        yield Item(
            kind=KIND,
            # No namespace begins so.
            key=f"#{row['loser_id']}",
            at=row["at"],
            title=_("Became one with #%(id)d") % {"id": row["loser_id"]},
            text=", ".join(known_by),
            icon="merge",
            tone="info",
            actor=row["actor"],
            details=(
                *named((_("Cause"), row["cause"]), (_("Evidence"), row["evidence"])),
                *((name, str(count)) for name, count in exact_loads(row["moved"]).items() if count),
            ),
            data={
                "merged": row["loser_id"],
                "into": row["into_id"],
                "cause": row["cause"],
                "evidence": row["evidence"],
            },
        )
