"""What a template says in each language: its own words, and those of its variants."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from integrations.models import Template
from integrations.template_languages import choose

PARTS = ("subject", "text", "html", "mjml", "link", "icon")
VARIANT_PARTS = ("subject", "text", "html", "mjml", "link")
_BODY = ("text", "html", "mjml")

Parts = Mapping[str, str]


def own_parts(template: Template) -> dict[str, str]:
    """What the template itself says."""
    return {name: getattr(template, name) for name in PARTS}


def variants_of(template: Template) -> Mapping[str, Parts]:
    """What it says in other languages, by code; asked for once for each state of a template."""
    return {} if template._state.adding else _variants(template.pk, template.updated_at)


def parts_in(template: Template, wanted: str) -> tuple[str, Parts]:
    """The language in which a template is sent to who wants `wanted`, and what it says in that."""
    variants = variants_of(template)
    if not variants or not wanted:
        return template.language, own_parts(template)
    offered = {*variants, template.language} - {""}
    found = choose(wanted, offered)
    if found is None or found == template.language:
        return template.language, own_parts(template)
    return found, combined(own_parts(template), variants[found])


def combined(own: Parts, variant: Parts) -> dict[str, str]:
    """What a variant says, where it is empty as the template.

    Text, HTML and MJML belong together: one of them in the variant replaces all.
    """
    given = {name: variant.get(name, "") for name in VARIANT_PARTS if variant.get(name, "").strip()}
    if any(name in given for name in _BODY):
        given = {**dict.fromkeys(_BODY, ""), **given}
    return {**own, **given}


def mentions(template: Template, word: str) -> bool:
    """Whether a word, as the name of a gap, stands anywhere in a template."""
    every = [own_parts(template), *variants_of(template).values()]
    return any(word in text for parts in every for text in parts.values())


@lru_cache(maxsize=500)
def _variants(template_id: int, updated_at: Any) -> Mapping[str, Parts]:
    # Whoever changes a variant changes `updated_at` of its template.
    template = Template(pk=template_id)
    rows = template.variants.values("language", *VARIANT_PARTS)
    return {
        row["language"]: {name: row[name] for name in VARIANT_PARTS}
        for row in rows.order_by("language")
    }
