"""What a consent is called in the languages of those who are asked for it.

Kept by language code: {"pl": {"label": "Newsletter", "description": "Raz w tygodniu."}}. The words
of the definition itself are for everybody else.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from contacts.models import ConsentDefinition
from workspace.errors import Problem

LANGUAGE_LIMIT = 50
_LABEL_LIMIT, _DESCRIPTION_LIMIT = 120, 2000
# "pl", "pt-BR": as contacts and templates have them.
_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_PARTS = frozenset({"label", "description"})


def words_of(definition: ConsentDefinition, language: str) -> tuple[str, str]:
    """Its title and description in a language, or in its base language; else as it is defined."""
    code = language.strip().replace("_", "-")
    known = {name.lower(): parts for name, parts in definition.translations.items()}
    parts = known.get(code.lower()) or known.get(code.partition("-")[0].lower()) or {}
    return (
        parts.get("label") or definition.label,
        parts.get("description") or definition.description,
    )


def translation_problems(translations: Any) -> list[Problem]:
    """What is wrong with the words in other languages."""
    if not isinstance(translations, Mapping):
        return [_problem("", _("The languages are an object, each by its code, such as pl."))]
    if len(translations) > LANGUAGE_LIMIT:
        return [_problem("", _("At most %(limit)d languages.") % {"limit": LANGUAGE_LIMIT})]
    problems = []
    for code, parts in translations.items():
        words = {"code": str(code)[:20]}
        if not _CODE.fullmatch(str(code)):
            message = _("“%(code)s” is no code of a language: write it as pl or pt-BR.")
            problems.append(_problem(code, message % words))
        elif not _are_words(parts):
            message = _(
                "In “%(code)s” a label of 1 to %(limit)d characters is wanted, and a description"
                " if you like."
            )
            problems.append(_problem(code, message % {**words, "limit": _LABEL_LIMIT}))
    return problems


def _are_words(parts: Any) -> bool:
    if not isinstance(parts, Mapping) or not set(parts) <= _PARTS:
        return False
    label, description = parts.get("label"), parts.get("description", "")
    if not isinstance(label, str) or not isinstance(description, str):
        return False
    return 0 < len(label.strip()) <= _LABEL_LIMIT and len(description) <= _DESCRIPTION_LIMIT


def _problem(code: object, message: str) -> Problem:
    path = f"translations.{code}" if code else "translations"
    return Problem(path[:80], "invalid", message)
