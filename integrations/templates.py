"""Templates of messages: made, changed, deleted, looked at, and filled for somebody."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from contacts.models import validate_key
from contacts.survivors import survivor_of
from integrations.errors import TemplateFailed, TemplateInUse, TemplateInvalid, TemplateUnknown
from integrations.models import Template
from integrations.rendering import Rendered, faults_of, fill_message
from integrations.template_variables import contact_values, example_values, known_paths
from workspace import access, audit, locks
from workspace.access import Actor
from workspace.errors import Problem

__all__ = ["Rendered", "check_template", "render"]

NAME_LIMIT = 200
PARTS = ("subject", "text", "html")
CHANGEABLE = frozenset({"name", *PARTS})
_LOCK = "integrations templates"
# The names of what sends a template, for people.
FindUses = Callable[[Template], Iterable[str]]
_find_uses: dict[str, FindUses] = {}


@dataclass(frozen=True, slots=True)
class Preview:
    """How a template looks for somebody. `problems` name gaps that stay empty for this one."""

    rendered: Rendered
    problems: tuple[Problem, ...]


def register_uses(room: str, find: FindUses) -> None:
    """Let a floor above say what of its own sends a template. May be called again."""
    _find_uses[room] = find


def uses_of(template: Template) -> list[str]:
    """The names of what sends the template."""
    return [name for find in _find_uses.values() for name in find(template)]


def find_template(key: str) -> Template:
    """The template of this key. Raises TemplateUnknown."""
    found = Template.objects.filter(key=key).first()
    if found is None:
        raise TemplateUnknown(_("There is no template “%(key)s”.") % {"key": key[:63]})
    return found


@transaction.atomic
def create_template(
    *,
    actor: Actor,
    at: datetime,
    name: str,
    key: str = "",
    channel: str = Template.Channel.EMAIL,
    subject: str = "",
    text: str = "",
    html: str = "",
    is_demo: bool = False,
) -> Template:
    """A new template; without a key one is made of the name.

    Raises TemplateInvalid with every fault.
    """
    access.require(actor, "integrations.add_template")
    locks.lock(_LOCK)
    template = Template(
        name=name.strip(), channel=channel, subject=subject, text=text, html=html, is_demo=is_demo
    )
    problems = _key_problems(key) if key else []
    template.key = key or _free_key(template.name)
    _refuse([*problems, *check_template(template)])
    template.created_at = template.updated_at = at
    template.save(force_insert=True)
    _record("created", template, audit.difference({}, _told(template)), actor=actor, at=at)
    return template


@transaction.atomic
def update_template(template: Template, *, actor: Actor, at: datetime, **changes: Any) -> Template:
    """Change what is named: name, subject, text, html. What is on its way stays as it was.

    Raises TemplateUnknown, TemplateInvalid with every fault.
    """
    if unknown := changes.keys() - CHANGEABLE:
        raise TypeError(f"Not changed of a template: {', '.join(sorted(unknown))}.")
    template = _hold(template, actor=actor, permission="integrations.change_template")
    before = _told(template)
    for name, value in changes.items():
        setattr(template, name, value.strip() if name == "name" else value)
    _refuse(check_template(template))
    if difference := audit.difference(before, _told(template)):
        template.save()
        _record("changed", template, difference, actor=actor, at=at)
    return template


@transaction.atomic
def delete_template(template: Template, *, actor: Actor, at: datetime) -> None:
    """Delete a template that nothing sends. Raises TemplateUnknown, TemplateInUse."""
    template = _hold(template, actor=actor, permission="integrations.delete_template")
    if uses := uses_of(template):
        message = _("“%(name)s” is still sent by %(uses)s. Give them another template first.")
        raise TemplateInUse(message % {"name": template.name, "uses": ", ".join(uses)})
    _record("deleted", template, audit.difference(_told(template), {}), actor=actor, at=at)
    template.delete()


def check_template(template: Template) -> list[Problem]:
    """Every fault of a template: what is missing or too long, its grammar, gaps nobody fills."""
    problems = []
    if not template.name:
        problems.append(Problem("name", "required", _("Give it a name.")))
    elif len(template.name) > NAME_LIMIT or "\0" in template.name:
        message = _("At most %(limit)d characters.") % {"limit": NAME_LIMIT}
        problems.append(Problem("name", "too_long", message))
    if template.channel not in Template.Channel.values:
        message = _("Templates are for: %(known)s.")
        known_channels = ", ".join(Template.Channel.values)
        problems.append(Problem("channel", "unknown_choice", message % {"known": known_channels}))
    if not template.subject.strip():
        message = _("Write a subject: the first thing that one sees of an e-mail.")
        problems.append(Problem("subject", "required", message))
    if not template.text.strip() and not template.html.strip():
        problems.append(Problem("text", "required", _("Write a text, or HTML, or both.")))
    known = known_paths()
    for part in PARTS:
        problems += faults_of(part, getattr(template, part), known)
    return problems


def render(template: Template, values: Mapping[str, Any]) -> Rendered:
    """The message for somebody, as it is sent; what has no value leaves its gap empty.

    Raises TemplateFailed.
    """
    return fill_message(_parts(template), values)


def preview(template: Template, *, actor: Actor, contact_id: int | None = None) -> Preview:
    """How the template, saved or not, looks for a contact, or with the examples of all gaps.

    What belongs to no contact (a voucher's code) is always an example. Raises TemplateInvalid,
    TemplateFailed, NotAllowed for who may not see contacts, TemplateUnknown for no contact.
    """
    access.require(actor, "integrations.view_template")
    known = known_paths()
    parts = _parts(template)
    _refuse([fault for name, source in parts.items() for fault in faults_of(name, source, known)])
    values = example_values()
    if contact_id is not None:
        access.require(actor, "contacts.view_contact")
        survivor = survivor_of(contact_id)
        found = contact_values([survivor])
        if survivor not in found:
            message = _("There is no contact %(id)s.") % {"id": contact_id}
            raise TemplateInvalid(message, problems=[Problem("contact", "unknown", message)])
        values["contact"] = found[survivor]
    return Preview(fill_message(parts, values), tuple(_empty_gaps(parts, values)))


def _empty_gaps(parts: Mapping[str, str], values: Mapping[str, Any]) -> Iterable[Problem]:
    """The first gap of each part that this contact leaves empty, without anything in its place."""
    strict = _without_empty(values)
    for name in PARTS:
        try:
            fill_message({**dict.fromkeys(PARTS, ""), name: parts[name]}, strict, is_strict=True)
        except TemplateFailed as missing:
            message = _('A gap stays empty: %(what)s Give it a fallback: {{ … | default: "…" }}.')
            yield Problem(name, "empty_gap", message % {"what": missing})


def _without_empty(values: Any) -> Any:
    """The same values, where those that are empty are not there at all."""
    if not isinstance(values, Mapping):
        return values
    return {key: _without_empty(value) for key, value in values.items() if value not in ("", None)}


def _parts(template: Template) -> dict[str, str]:
    return {name: getattr(template, name) for name in PARTS}


def _hold(template: Template, *, actor: Actor, permission: str) -> Template:
    access.require(actor, permission)
    held = Template.objects.select_for_update().filter(pk=template.pk).first()
    if held is None:
        raise TemplateUnknown(_("There is no template “%(key)s”.") % {"key": template.key})
    return held


def _key_problems(key: str) -> list[Problem]:
    try:
        validate_key(key)
    except ValidationError as error:
        return [Problem("key", "invalid", error.messages[0])]
    if key == "preview" or Template.objects.filter(key=key).exists():
        message = _("This key cannot be used. Choose another one.")
        return [Problem("key", "unavailable", message)]
    return []


def _free_key(name: str) -> str:
    """A key made of the name that no template has."""
    # Letters that do not decompose into a Latin letter and a mark.
    name = name.translate(str.maketrans("łŁøØđĐ", "lLoOdD")).replace("ß", "ss")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:55] or "template"
    taken = set(Template.objects.filter(key__startswith=stem).values_list("key", flat=True))
    taken.add("preview")
    number, key = 1, stem
    while key in taken:
        number += 1
        key = f"{stem}-{number}"
    return key


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise TemplateInvalid(problems[0].message, problems=problems)


def _told(template: Template) -> dict[str, str]:
    return {"name": template.name, **_parts(template)}


def _record(
    verb: str, template: Template, changes: Mapping[str, Any], *, actor: Actor, at: datetime
) -> None:
    action = f"template.{verb}"
    audit.record(actor=actor, action=action, subject=template, changes=changes, at=at)
