"""What we know of a contact: made, changed and described in the shape of the API."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from contacts import consents, identities, labels, scores
from contacts.changes import Changes, read_changes
from contacts.errors import ContactInvalid, ContactUnknown, IdentityTaken
from contacts.extensions import registered_parts
from contacts.fields import FIELDS
from contacts.identities import USER_ID, find_contact_id
from contacts.labels import Kind
from contacts.models import Contact, ContactCategory, ContactTag, LastSeen
from contacts.survivors import survivor_of
from contacts.values import plain
from workspace import audit
from workspace.access import Actor
from workspace.errors import Problem

_PLURAL: dict[Kind, str] = {"tag": "tags", "category": "categories"}
# Who says that a consent was given or withdrawn, where nobody says it better.
_SOURCES = {"user": "admin", "api": "api", "system": "system"}


def create_contact(*, changes: Mapping[str, Any], actor: Actor, at: datetime) -> Contact:
    """Make a contact of what is given, in the API's shape.

    Raises ContactInvalid with every fault, and IdentityTaken where another contact has one of the
    identities; then nothing is written.
    """
    return _create(read_changes(changes), actor=actor, at=at)


@transaction.atomic
def update_contact(
    contact_id: int, *, changes: Mapping[str, Any], actor: Actor, at: datetime
) -> Contact:
    """Change what is named, and only where it differs: saying the same again writes nothing.

    `tags` and `categories` replace the lists; an attribute that is null goes; `external_id`,
    `email` and `phone` replace their identities. Raises ContactUnknown, ContactInvalid with every
    fault, and IdentityTaken; then nothing is written.
    """
    wanted = read_changes(changes)
    contact = lock_contact(contact_id)
    changed = _apply(contact, wanted, actor=actor, at=at)
    if changed:
        _tell(contact, "contact.updated", changed, actor=actor, at=at)
    return contact


def save_by_external_id(
    external_id: str, *, changes: Mapping[str, Any], actor: Actor, at: datetime
) -> tuple[Contact, bool]:
    """Change the contact of this external id, or make one; whether it was made.

    Two that come at the same moment save one contact. Raises as `update_contact` does.
    """
    wanted = {**changes, "external_id": external_id}
    if str(changes.get("external_id", external_id)) != external_id or not external_id.strip():
        message = _("The external id in the body must be the one in the address, and not empty.")
        problem = Problem("external_id", "contradiction", message)
        raise ContactInvalid(message, problems=[problem])
    contact_id = find_contact_id(USER_ID, external_id)
    if contact_id is None:
        try:
            return create_contact(changes=wanted, actor=actor, at=at), True
        except IdentityTaken:
            # Somebody else made it meanwhile, or another identity is taken indeed.
            contact_id = find_contact_id(USER_ID, external_id)
            if contact_id is None:
                raise
    return update_contact(contact_id, changes=wanted, actor=actor, at=at), False


def get_contact(contact_id: int) -> Contact:
    """The contact, if there is one and it was not erased; of a merged one the survivor.

    Raises ContactUnknown.
    """
    return _found(contact_id, Contact.objects.filter(erased_at=None))


def lock_contact(contact_id: int) -> Contact:
    """The same, held until the transaction ends. Raises ContactUnknown."""
    return _found(contact_id, Contact.objects.select_for_update().filter(erased_at=None))


def describe_contacts(ids: Sequence[int]) -> list[dict[str, Any]]:
    """These contacts in the API's shape, in the order given; a constant number of queries.

    Times are aware datetimes, numbers exact Decimals, texts that are missing empty. Contacts that
    do not exist or were erased are left out.
    """
    found = Contact.objects.filter(erased_at=None).in_bulk(list(ids))
    known = [contact_id for contact_id in ids if contact_id in found]
    seen = dict(LastSeen.objects.filter(pk__in=known).values_list("contact_id", "last_seen_at"))
    names = identities.names_of(known)
    states = consents.states_of(known)
    tags = _keys_of(ContactTag, "tag", known)
    categories = _keys_of(ContactCategory, "category", known)
    parts = {name: load(known) for name, load in registered_parts().items()}
    return [
        {
            "id": contact_id,
            "external_id": next(
                (name.value for name in names[contact_id] if name.namespace == USER_ID), None
            ),
            **{name: getattr(found[contact_id], name, None) for name in FIELDS},
            "lead_score": plain(found[contact_id].lead_score),
            "last_seen_at": seen.get(contact_id),
            "attributes": found[contact_id].attributes,
            "tags": tags[contact_id],
            "categories": categories[contact_id],
            "consents": states[contact_id],
            "identities": [
                {"namespace": name.namespace, "value": name.value} for name in names[contact_id]
            ],
            **{name: part.get(contact_id) for name, part in parts.items()},
        }
        for contact_id in known
    ]


@transaction.atomic
def _create(wanted: Changes, *, actor: Actor, at: datetime) -> Contact:
    contact = Contact.objects.create(created_at=wanted.created_at or at, updated_at=at)
    _apply(contact, wanted, actor=actor, at=at)
    _tell(contact, "contact.created", {}, actor=actor, at=at)
    return contact


def _apply(
    contact: Contact, wanted: Changes, *, actor: Actor, at: datetime
) -> dict[str, list[Any]]:
    """Write what differs into the locked contact; [old, new] of each thing, as the trail tells it.

    What is personal is not told, only that it was there: the trail is never forgotten.
    """
    told: dict[str, list[Any]] = {}
    columns = dict(wanted.columns)
    names = _wanted_names(contact, wanted, columns)
    touched = []
    for name, new in columns.items():
        old = getattr(contact, name)
        if old != new:
            setattr(contact, name, new)
            touched.append(name)
            told[name] = [_told(name, old), _told(name, new)]
    if "lead_score" in touched:
        scores.write_line(contact.pk, columns["lead_score"], at=at, actor=actor)
    attributes = _merged(contact.attributes, wanted.attributes)
    if attributes != contact.attributes:
        for key in wanted.attributes:
            old, new = contact.attributes.get(key), attributes.get(key)
            if old != new:
                told[f"attributes.{key}"] = [_covered(old), _covered(new)]
        contact.attributes = attributes
        touched.append("attributes")
    if names and identities.replace_namespaces(contact.pk, names):
        told["identities"] = [None, sorted(names)]
        touched.append("updated_at")
    if touched:
        contact.updated_at = at
        contact.save(update_fields={*touched, "updated_at"})
    told |= _apply_labels(contact.pk, wanted, at=at)
    told |= _apply_consents(contact.pk, wanted, actor=actor, at=at)
    return told


def _wanted_names(
    contact: Contact, wanted: Changes, columns: dict[str, Any]
) -> dict[str, Sequence[str]]:
    """The identities of each namespace that is named; columns follow identities given alone."""
    names: dict[str, Sequence[str]] = dict(wanted.names)
    known = identities.names_of([contact.pk])[contact.pk] if wanted.main_names else []
    for namespace, name in wanted.main_names.items():
        if namespace in names:
            continue
        # A merged contact has several: the others stay.
        present = [known_name.value for known_name in known if known_name.namespace == namespace]
        if name is None:
            names[namespace] = []
        elif name not in present:
            names[namespace] = [name, *present[1:]]
    for namespace in (identities.EMAIL, identities.PHONE):
        if namespace in wanted.names and namespace not in wanted.main_names:
            column = identities.FIELD_OF[namespace]
            present_text = getattr(contact, column)
            if (
                not present_text
                or identities.normalize(namespace, present_text) not in wanted.names[namespace]
            ):
                columns[column] = wanted.written_names[namespace]
    return names


def _apply_labels(contact_id: int, wanted: Changes, *, at: datetime) -> dict[str, list[Any]]:
    told: dict[str, list[Any]] = {}
    for kind, keys in wanted.labels.items():
        model = ContactTag if kind == "tag" else ContactCategory
        before = _keys_of(model, kind, [contact_id])[contact_id]
        if set(before) != set(keys):
            labels.replace(kind, keys, [contact_id], at=at)
            told[_PLURAL[kind]] = [before, sorted(keys)]
    return told


def _apply_consents(
    contact_id: int, wanted: Changes, *, actor: Actor, at: datetime
) -> dict[str, list[Any]]:
    if not wanted.consents:
        return {}
    before = consents.states_of([contact_id])[contact_id]
    news = consents.changes_from(before, wanted.consents)
    problems = [
        Problem(
            f"consents.{key}",
            "wrong_value",
            _("The consent “%(key)s” was given or withdrawn once: it can only be withdrawn.")
            % {"key": key},
        )
        for key, state in news.items()
        if state == consents.UNKNOWN
    ]
    if problems:
        raise ContactInvalid(problems[0].message, problems=problems)
    consents.record_states(contact_id, news, at=at, source=_SOURCES[actor.kind], actor=actor)
    return {f"consents.{key}": [before[key], state] for key, state in news.items()}


def _merged(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**present, **wanted}
    return {key: value for key, value in merged.items() if value is not None}


def _told(name: str, value: Any) -> Any:
    return str(plain(value)) if name == "lead_score" else _covered(value)


def _covered(value: Any) -> str | None:
    return None if value in (None, "", []) else "…"


def _tell(
    contact: Contact,
    action: str,
    changes: Mapping[str, Any],
    *,
    actor: Actor,
    at: datetime,
) -> None:
    """Write into the trail, without the person's name."""
    audit.record(
        actor=actor,
        action=action,
        object_type=Contact._meta.label_lower,
        object_id=str(contact.pk),
        label=f"#{contact.pk}",
        changes=changes,
        at=at,
    )


def _found(contact_id: int, contacts: "QuerySet[Contact]") -> Contact:
    contact = contacts.filter(pk=contact_id).first()
    if contact is None and (survivor_id := survivor_of(contact_id)) != contact_id:
        contact = contacts.filter(pk=survivor_id).first()
    if contact is None:
        raise _unknown(contact_id)
    return contact


def _keys_of(
    model: type[ContactTag] | type[ContactCategory], kind: Kind, contact_ids: Sequence[int]
) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {contact_id: [] for contact_id in contact_ids}
    rows = model._default_manager.filter(contact_id__in=contact_ids).order_by(f"{kind}__key")
    for contact_id, key in rows.values_list("contact_id", f"{kind}__key"):
        found[contact_id].append(key)
    return found


def _unknown(contact_id: int) -> ContactUnknown:
    return ContactUnknown(_("There is no contact %(id)s.") % {"id": contact_id})
