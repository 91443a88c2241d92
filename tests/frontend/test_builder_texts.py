"""The words of the criteria builder: here to be translated, there to be shown."""

import json
import re
from pathlib import Path

from django.utils.translation import override

from segments.builder_texts import TEXTS, builder_texts

_ISLAND = Path(__file__).parents[2] / "segments" / "frontend" / "criteria_builder"
_ENTRY = re.compile(r'^  "(\w+)": ("(?:[^"\\]|\\.)*"),$', re.MULTILINE)
_WORD = re.compile(r"\{\w+\}")


def _written() -> dict[str, str]:
    text = (_ISLAND / "texts.ts").read_text(encoding="utf-8")
    table = text.partition("export const TEXTS = {")[2].partition("\n} as const;")[0]
    found = {key: json.loads(value) for key, value in _ENTRY.findall(table)}
    assert len(found) == len([line for line in table.splitlines() if line.strip()])
    return found


def test_both_lists_of_texts_are_the_same() -> None:
    with override("en"):
        assert builder_texts() == _written()


def test_every_text_that_the_island_shows_is_in_the_list() -> None:
    sources = [*_ISLAND.rglob("*.ts"), *_ISLAND.rglob("*.tsx")]
    used = {
        key
        for source in sources
        for key in re.findall(r'\bt\(\s*"(\w+)"', source.read_text(encoding="utf-8"))
    }
    assert used
    assert used <= TEXTS.keys()


def test_places_for_words_are_plain_names() -> None:
    for text in _written().values():
        assert _WORD.sub("", text).count("{") == 0
