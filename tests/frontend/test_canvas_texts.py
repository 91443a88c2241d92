"""The words of the canvas: here to be translated, there to be shown."""

import json
import re
from pathlib import Path

from django.utils.translation import override

from journeys.canvas_texts import TEXTS, canvas_texts

_ISLAND = Path(__file__).parents[2] / "journeys" / "frontend" / "canvas"
_ENTRY = re.compile(r'^  "(\w+)": ("(?:[^"\\]|\\.)*"),$', re.MULTILINE)


def _written() -> dict[str, str]:
    text = (_ISLAND / "texts.ts").read_text(encoding="utf-8")
    table = text.partition("export const TEXTS = {")[2].partition("\n} as const;")[0]
    found = {key: json.loads(value) for key, value in _ENTRY.findall(table)}
    assert len(found) == len([line for line in table.splitlines() if line.strip()])
    return found


def test_both_lists_of_texts_of_the_canvas_are_the_same() -> None:
    with override("en"):
        assert canvas_texts() == _written()


def test_every_text_that_the_canvas_shows_is_in_the_list_and_none_is_there_for_nothing() -> None:
    sources = [one for one in _ISLAND.rglob("*.ts*") if one.name != "texts.ts"]
    code = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    used = set(re.findall(r'\bt\(\s*"(\w+)"', code))
    assert used
    assert used <= TEXTS.keys()
    # Some keys are put together: refused_<code>, unit_<unit>, form_<form>, day_<day>.
    begun = ("refused_", "unit_", "form_", "day_")
    for_nothing = [key for key in TEXTS if f'"{key}"' not in code and not key.startswith(begun)]
    assert for_nothing == []
