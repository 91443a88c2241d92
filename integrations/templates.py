"""Templates of messages: made, changed, translated, deleted, and filled for somebody."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from contacts.models import validate_key
from integrations.errors import TemplateInUse, TemplateInvalid, TemplateUnknown
from integrations.models import Template, TemplateVariant
from integrations.rendering import Rendered, fill_message
from integrations.template_checks import NAME_LIMIT, check_template
from integrations.template_languages import read_language
from integrations.template_parts import (
    PARTS,
    VARIANT_PARTS,
    Parts,
    mentions,
    own_parts,
    parts_in,
    variants_of,
)
from integrations.template_previews import Preview, preview
from workspace import access, audit, locks
from workspace.access import Actor
from workspace.errors import Problem

__all__ = ["NAME_LIMIT", "PARTS", "Preview", "Rendered", "check_template", "mentions", "preview"]

CHANGEABLE = frozenset({"name", "language", *PARTS})
_LOCK = "integrations templates"
# The names of what sends a template, for people.
FindUses = Callable[[Template], Iterable[str]]
_find_uses: dict[str, FindUses] = {}


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
    language: str = "",
    variants: Sequence[Mapping[str, str]] = (),
    is_demo: bool = False,
    **parts: str,
) -> Template:
    """A new template of `parts` (subject, text, html, mjml, link, icon), perhaps translated.

    Without a key one is made of the name. A variant names its `language` and what it says in it.
    Raises TemplateInvalid with every fault.
    """
    access.require(actor, "integrations.add_template")
    _only(parts, PARTS)
    locks.lock(_LOCK)
    template = Template(
        name=name.strip(),
        channel=channel,
        language=_code(language),
        is_demo=is_demo,
        **parts,
    )
    problems = _key_problems(key) if key else []
    template.key = key or _free_key(template.name)
    others, faults = _read_variants(variants)
    _refuse([*problems, *faults, *check_template(template, others)])
    template.created_at = template.updated_at = at
    template.save(force_insert=True)
    _write_variants(template, others)
    changes = audit.difference({}, _told(template, others))
    _record("created", template, changes, actor=actor, at=at)
    return template


@transaction.atomic
def update_template(
    template: Template,
    *,
    actor: Actor,
    at: datetime,
    variants: Sequence[Mapping[str, str]] | None = None,
    **changes: Any,
) -> Template:
    """Change what is named: name, language, parts. What is on its way stays as it was.

    `variants` replace all that there are. Raises TemplateUnknown, TemplateInvalid with every fault.
    """
    _only(changes, CHANGEABLE)
    template = _hold(template, actor=actor, permission="integrations.change_template")
    others, faults = dict(variants_of(template)), list[Problem]()
    if variants is not None:
        others, faults = _read_variants(variants)
    return _change(template, changes, others, faults, actor=actor, at=at)


@transaction.atomic
def update_variant(
    template: Template, *, language: str, actor: Actor, at: datetime, **parts: str
) -> Template:
    """Change what the template says in another language; the variant is made where it is new.

    Raises TemplateUnknown, TemplateInvalid with every fault.
    """
    _only(parts, VARIANT_PARTS)
    template = _hold(template, actor=actor, permission="integrations.change_template")
    others, code = dict(variants_of(template)), _code(language)
    before = others.get(code, dict.fromkeys(VARIANT_PARTS, ""))
    return _change(template, {}, {**others, code: {**before, **parts}}, [], actor=actor, at=at)


@transaction.atomic
def delete_variant(template: Template, *, language: str, actor: Actor, at: datetime) -> Template:
    """Say it no longer in another language. Raises TemplateUnknown, also where it is not there."""
    template = _hold(template, actor=actor, permission="integrations.change_template")
    others = dict(variants_of(template))
    if others.pop(_code(language), None) is None:
        message = _("“%(name)s” is not translated into “%(language)s”.")
        raise TemplateUnknown(message % {"name": template.name, "language": language[:35]})
    return _change(template, {}, others, [], actor=actor, at=at)


@transaction.atomic
def delete_template(template: Template, *, actor: Actor, at: datetime) -> None:
    """Delete a template that nothing sends. Raises TemplateUnknown, TemplateInUse."""
    template = _hold(template, actor=actor, permission="integrations.delete_template")
    if uses := uses_of(template):
        message = _("“%(name)s” is still sent by %(uses)s. Give them another template first.")
        raise TemplateInUse(message % {"name": template.name, "uses": ", ".join(uses)})
    told = _told(template, variants_of(template))
    _record("deleted", template, audit.difference(told, {}), actor=actor, at=at)
    template.delete()


def render(template: Template, values: Mapping[str, Any], language: str | None = None) -> Rendered:
    """The message for somebody, as it is sent; what has no value leaves its gap empty.

    It is in `language`, that of the contact in `values` where none is given: in its very form, in
    its base language, else in the template's own. Raises TemplateFailed.
    """
    if language is None:
        contact = values.get("contact")
        wanted = contact.get("language", "") if isinstance(contact, Mapping) else ""
        language = str(wanted or "")
    code, parts = parts_in(template, language)
    return fill_message(parts, values, language=code)


def _change(
    template: Template,
    changes: Mapping[str, Any],
    others: Mapping[str, Parts],
    faults: Sequence[Problem],
    *,
    actor: Actor,
    at: datetime,
) -> Template:
    before = _told(template, variants_of(template))
    for name, value in changes.items():
        kept = value.strip() if name == "name" else value
        setattr(template, name, _code(value) if name == "language" else kept)
    _refuse([*faults, *check_template(template, others)])
    if difference := audit.difference(before, _told(template, others)):
        is_translated = variants_of(template) != others
        # Also where only a variant changes: see `template_parts`.
        template.save()
        if is_translated:
            _write_variants(template, others)
        _record("changed", template, difference, actor=actor, at=at)
    return template


def _read_variants(
    given: Sequence[Mapping[str, str]],
) -> tuple[dict[str, Parts], list[Problem]]:
    """What they say by code, and what of them cannot be said by code: languages given twice."""
    found: dict[str, Parts] = {}
    faults = []
    for one in given:
        code = _code(one.get("language", ""))
        if code in found:
            message = _("It is translated into “%(language)s” twice.") % {"language": code}
            faults.append(Problem(f"variants.{code}.language", "twice", message))
        found[code] = {name: one.get(name) or "" for name in VARIANT_PARTS}
    return found, faults


def _write_variants(template: Template, others: Mapping[str, Parts]) -> None:
    template.variants.all().delete()
    TemplateVariant.objects.bulk_create(
        [
            TemplateVariant(template=template, language=code, **parts)
            for code, parts in others.items()
        ]
    )


def _code(text: str) -> str:
    """A language's code as it is kept; what is none stays, to be refused."""
    return read_language(text) or text.strip()


def _only(given: Iterable[str], known: Iterable[str]) -> None:
    if unknown := set(given) - set(known):
        raise TypeError(f"Not known of a template: {', '.join(sorted(unknown))}.")


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


def _told(template: Template, others: Mapping[str, Parts]) -> dict[str, str]:
    said = {"name": template.name, "language": template.language, **own_parts(template)}
    for code, parts in others.items():
        said |= {f"{code}.{name}": text for name, text in parts.items() if text}
    # What is empty and was is nothing to tell of.
    return {name: text for name, text in said.items() if text}


def _record(
    verb: str, template: Template, changes: Mapping[str, Any], *, actor: Actor, at: datetime
) -> None:
    action = f"template.{verb}"
    audit.record(actor=actor, action=action, subject=template, changes=changes, at=at)
