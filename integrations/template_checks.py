"""What is wrong with a template: found before it is saved, all at once."""

import re
from collections.abc import Iterable, Iterator, Mapping

from django.utils.translation import gettext as _

from integrations.errors import TemplateFailed
from integrations.models import Template
from integrations.rendering import faults_of, fill_message
from integrations.template_languages import read_language
from integrations.template_parts import VARIANT_PARTS, Parts, combined, own_parts
from integrations.template_variables import example_values, known_paths
from workspace.errors import Problem

NAME_LIMIT = 200
VARIANT_LIMIT = 50
_STARTS_WELL = re.compile(r"\s*(https?://|\{\{|\{%|\Z)", re.IGNORECASE)


def check_template(
    template: Template, variants: Mapping[str, Parts] | None = None
) -> list[Problem]:
    """Every fault of a template: what is missing or too long, its grammar, gaps nobody fills.

    `variants` are its words in other languages by code, "" for what is as in the template; faults
    of theirs have paths as "variants.pl.subject".
    """
    problems = list(_settings(template))
    known = known_paths()
    own = own_parts(template)
    faults = [*_missing(template.channel, own), *_grammar(template.channel, own, known)]
    problems += faults
    if not faults:
        problems += _trial(own)
    for code, parts in (variants or {}).items():
        problems += _variant(template, code, parts, known)
    return problems


def _settings(template: Template) -> Iterator[Problem]:
    if not template.name:
        yield Problem("name", "required", _("Give it a name."))
    elif len(template.name) > NAME_LIMIT or "\0" in template.name:
        message = _("At most %(limit)d characters.") % {"limit": NAME_LIMIT}
        yield Problem("name", "too_long", message)
    if template.channel not in Template.Channel.values:
        message = _("Templates are for: %(known)s.")
        known_channels = ", ".join(Template.Channel.values)
        yield Problem("channel", "unknown_choice", message % {"known": known_channels})
    if template.language and read_language(template.language) != template.language:
        yield Problem("language", "invalid", _no_language(template.language))


def _missing(channel: str, parts: Parts) -> Iterator[Problem]:
    """What the channel needs and what it cannot show."""
    is_push = channel == Template.Channel.PUSH
    if not parts["subject"].strip():
        words = _("Write a subject: the first thing that one sees of an e-mail.")
        if is_push:
            words = _("Write a title: the first line of a push message.")
        yield Problem("subject", "required", words)
    if is_push:
        if not parts["text"].strip():
            yield Problem("text", "required", _("Write what the push message says."))
        for name in ("html", "mjml"):
            if parts[name].strip():
                yield Problem(name, "not_shown", _("A push message is text without HTML."))
    else:
        if not any(parts[name].strip() for name in ("text", "html", "mjml")):
            yield Problem("text", "required", _("Write a text, or HTML, or both."))
        if parts["html"].strip() and parts["mjml"].strip():
            yield Problem("html", "twice", _("Write HTML or MJML: one is made of the other."))
        for name in ("link", "icon"):
            if parts[name].strip():
                message = _("Only a push message has that; an e-mail has links in its text.")
                yield Problem(name, "not_shown", message)


def _grammar(
    channel: str, parts: Parts, known: Iterable[tuple[str, ...]], prefix: str = ""
) -> Iterator[Problem]:
    for name, source in parts.items():
        for fault in faults_of(name, source, known):
            yield Problem(f"{prefix}{name}", fault.code, fault.message)
        if name in {"link", "icon"} and not _STARTS_WELL.match(source):
            message = _("An address of the web begins with https://.")
            yield Problem(f"{prefix}{name}", "invalid", message)


def _trial(parts: Parts, prefix: str = "") -> Iterator[Problem]:
    """What only shows when the gaps are filled, as MJML that a value breaks."""
    try:
        fill_message(parts, example_values())
    except TemplateFailed as failed:
        name = next((one for one in ("mjml", "html", "text") if parts[one].strip()), "text")
        yield Problem(f"{prefix}{name}", failed.code, str(failed))


def _variant(
    template: Template, code: str, parts: Parts, known: Iterable[tuple[str, ...]]
) -> Iterator[Problem]:
    prefix = f"variants.{code}."
    if not code or read_language(code) != code:
        yield Problem(f"{prefix}language", "invalid", _no_language(code))
    elif code == template.language:
        message = _("The template itself is in this language.")
        yield Problem(f"{prefix}language", "unavailable", message)
    if not any(text.strip() for text in parts.values()):
        yield Problem(f"{prefix}subject", "required", _("Translate something, or delete it."))
        return
    whole = combined(own_parts(template), parts)
    faults = [
        Problem(f"{prefix}{one.path}", one.code, one.message)
        for one in _missing(template.channel, whole)
        if one.path in VARIANT_PARTS and one.code != "required"
    ]
    faults += _grammar(template.channel, parts, known, prefix)
    yield from faults or _trial(whole, prefix)


def _no_language(code: str) -> str:
    message = _("“%(code)s” is no code of a language: write it as pl or pt-BR.")
    return message % {"code": code[:40]}
