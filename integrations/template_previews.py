"""How templates look for somebody, before anything is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from contacts.survivors import survivor_of
from integrations.errors import TemplateInvalid
from integrations.models import Template
from integrations.rendering import Rendered, empty_gaps, faults_of, fill_message
from integrations.template_languages import choose
from integrations.template_parts import Parts, combined, own_parts, variants_of
from integrations.template_variables import contact_values, example_values, known_paths
from workspace import access
from workspace.access import Actor
from workspace.errors import Problem

# Gmail shows no more of a message, and hides the rest behind a link.
CLIPPED_BYTES = 102_000
# What a mailbox shows beside the subject.
SNIPPET_LIMIT = 120


@dataclass(frozen=True, slots=True)
class Preview:
    """How a template looks for somebody. `problems` name gaps that stay empty, and what is big."""

    rendered: Rendered
    problems: tuple[Problem, ...]

    @property
    def snippet(self) -> str:
        """The first words, as a mailbox shows them beside the subject."""
        return " ".join(self.rendered.text.split())[:SNIPPET_LIMIT]


def preview(
    template: Template,
    *,
    actor: Actor,
    contact_id: int | None = None,
    language: str = "",
    variants: Mapping[str, Parts] | None = None,
) -> Preview:
    """How the template, saved or not, looks for a contact, or with the examples of all gaps.

    In the contact's language, or in `language`; `variants` stand for those that are saved. What
    belongs to no contact (a voucher's code) is always an example. Raises TemplateInvalid,
    TemplateFailed, NotAllowed for who may not see contacts, TemplateUnknown for no contact.
    """
    access.require(actor, "integrations.view_template")
    values = example_values()
    wanted = language
    if contact_id is not None:
        values["contact"] = _contact(contact_id, actor)
        wanted = language or str(values["contact"].get("language") or "")
    known = variants_of(template) if variants is None else variants
    found = choose(wanted, {*known, template.language} - {""}) if wanted else None
    parts = own_parts(template)
    if found is not None and found in known:
        parts = combined(parts, known[found])
    else:
        found = template.language
    paths = known_paths()
    _refuse([fault for name, source in parts.items() for fault in faults_of(name, source, paths)])
    rendered = fill_message(parts, values, language=found)
    return Preview(rendered, (*_empty(parts, values), *_big(rendered)))


def _contact(contact_id: int, actor: Actor) -> Mapping[str, Any]:
    access.require(actor, "contacts.view_contact")
    survivor = survivor_of(contact_id)
    found = contact_values([survivor])
    if survivor not in found:
        message = _("There is no contact %(id)s.") % {"id": contact_id}
        raise TemplateInvalid(message, problems=[Problem("contact", "unknown", message)])
    return found[survivor]


def _empty(parts: Parts, values: Mapping[str, Any]) -> Iterable[Problem]:
    """The gaps of each part that this contact leaves empty, without anything in their place."""
    given = _without_empty(values)
    message = _('“%(gap)s” stays empty. Give it a fallback: {{ %(gap)s | default: "…" }}.')
    for name, source in parts.items():
        for gap in empty_gaps(name, source, given):
            yield Problem(name, "empty_gap", message % {"gap": gap})


def _big(rendered: Rendered) -> Iterable[Problem]:
    size = len(rendered.html.encode())
    if size > CLIPPED_BYTES:
        message = _("The HTML has %(size)d KB; Gmail cuts off what is beyond %(limit)d KB.")
        words = {"size": size // 1000, "limit": CLIPPED_BYTES // 1000}
        yield Problem("html", "too_big", message % words)


def _without_empty(values: Any) -> Any:
    """The same values, where those that are empty are not there at all."""
    if not isinstance(values, Mapping):
        return values
    return {key: _without_empty(value) for key, value in values.items() if value not in ("", None)}


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise TemplateInvalid(problems[0].message, problems=problems)
