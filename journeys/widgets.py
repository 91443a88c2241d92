"""The canvas in a form, and what stands in its place where no script runs.

The text of a hidden field is the drawing; the canvas (journeys/frontend/canvas) shows it, and
writes it anew when somebody edits. Criteria inside it are edited with the builder of segments.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings as django_settings
from django.forms.renderers import BaseRenderer
from django.template.loader import render_to_string
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from journeys.canvas_texts import canvas_texts
from journeys.choices import names_in
from journeys.drawing.catalog import describe_kinds
from journeys.drawing.faults import Fault
from journeys.drawing.kinds import WAITING
from journeys.drawing.settings import describe_settings
from journeys.outline import Line, outline_of
from segments.widgets import CriteriaWidget
from workspace.access import Actor
from workspace.admin.pictures import number
from workspace.exactjson import ExactJSONEncoder, exact_dumps, exact_loads

_BUNDLE = "journeys/canvas/canvas"
_BUILDER = "segments/criteria_builder/criteria_builder"
_EVERYBODY = {"combinator": "and", "rules": []}
_ONE_DAY = {"amount": 1, "unit": "day"}
# What a new activity is told, so that it can be looked at before it is finished.
_INITIAL: Mapping[str, Any] = {
    "segment_entry": {"on": "entered"},
    "wait": {"duration": _ONE_DAY},
    "condition": {"paths": [{"name": "path_1", "criteria": _EVERYBODY}], "else": True},
    "split": {"paths": [{"name": "a", "percent": 50}, {"name": "b", "percent": 50}]},
}
_ICONS: Mapping[str, str] = {
    "read_segment": "groups",
    "event_entry": "bolt",
    "segment_entry": "donut_small",
    "event": "hearing",
    "reaction": "ads_click",
    "wait": "hourglass_empty",
    "condition": "alt_route",
    "split": "call_split",
    "message": "mail",
    "webhook": "webhook",
    "update_vendor": "sync_alt",
    "update": "edit_note",
    "voucher": "card_giftcard",
    "jump": "redo",
    "end": "flag",
}


class CanvasWidget(forms.Textarea):
    """The canvas of one drawing for one reader.

    `urls` are where it asks: `choices`, `faults`, `counts`, each of which may be missing; it asks
    for counts every `counts_every_seconds`. `counts` are the figures to show at first, and where it
    asks for none, as `journeys.statistics` tells them; `counts_of` says in words what they are of.
    `settings` stand beside the drawing; what they name is called by its name, too.
    """

    def __init__(
        self,
        *,
        actor: Actor,
        urls: Mapping[str, str] | None = None,
        faults: Sequence[Fault] = (),
        settings: Any = None,
        counts: Mapping[str, Any] | None = None,
        counts_of: str = "",
        counts_every_seconds: int | None = None,
        is_read_only: bool = False,
    ) -> None:
        super().__init__()
        self.actor = actor
        self.urls = dict(urls or {})
        self.faults = tuple(faults)
        self.settings = settings
        self.counts = counts
        self.counts_of = counts_of
        self.counts_every_seconds = counts_every_seconds
        self.is_read_only = is_read_only

    @property
    def media(self) -> forms.Media:
        """The island's script and style, and the builder's, which it mounts itself."""
        builder: Any = forms.Script(f"{_BUILDER}.js", defer=True)
        script: Any = forms.Script(f"{_BUNDLE}.js", type="module")
        styles = [f"{_BUNDLE}.css", f"{_BUILDER}.css"]
        return forms.Media(js=[builder, script], css={"all": styles})

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        """By the project's own template, which Django's renderer of forms does not know."""
        context = self.get_context(name, value, attrs)
        text = value or ""
        drawing = read_drawing(text)
        context.update(
            text=text,
            config_id=f"{name}-config",
            # Numbers keep all their digits.
            config=json_script(self.config(drawing), f"{name}-config", encoder=ExactJSONEncoder),
            lines=told_lines(outline_of(drawing), self.counts),
            counts_of=self.counts_of,
            faults=self.faults,
            is_read_only=self.is_read_only,
        )
        return render_to_string("journeys/canvas_widget.html", context)

    def config(self, drawing: Any) -> dict[str, Any]:
        """What the canvas has to know."""
        builder = CriteriaWidget(actor=self.actor, is_read_only=self.is_read_only).config()
        return {
            "catalog": describe_catalog(),
            "texts": canvas_texts(),
            "urls": self.urls,
            "read_only": self.is_read_only,
            "language": get_language() or "en",
            "faults": [fault.as_json() for fault in self.faults],
            "names": names_in(drawing, self.settings, actor=self.actor),
            "builder": {"config": builder, "saved": builder["saved"]},
            **({} if self.counts is None else {"counts": self.counts}),
            **({"counts_of": self.counts_of} if self.counts_of else {}),
            **(
                {"counts_every_seconds": self.counts_every_seconds}
                if self.counts_every_seconds
                else {}
            ),
        }


class SettingsWidget(forms.Textarea):
    """The settings of a journey for one reader, in an island of the same bundle.

    The canvas asks for the faults of both; `faults` are what is known at first. `canvas` is the
    name of the field of the canvas on the same page, whose builder it shares.
    """

    def __init__(
        self,
        *,
        actor: Actor,
        canvas: str,
        urls: Mapping[str, str] | None = None,
        faults: Sequence[Fault] = (),
        is_read_only: bool = False,
    ) -> None:
        super().__init__()
        self.actor = actor
        self.canvas = canvas
        self.urls = dict(urls or {})
        self.faults = tuple(faults)
        self.is_read_only = is_read_only

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        """By the project's own template."""
        context = self.get_context(name, value, attrs)
        text = value or ""
        settings = read_drawing(text)
        context.update(
            text=text,
            config_id=f"{name}-config",
            config=json_script(self.config(settings), f"{name}-config", encoder=ExactJSONEncoder),
            is_read_only=self.is_read_only,
        )
        return render_to_string("journeys/settings_widget.html", context)

    def config(self, settings: Any) -> dict[str, Any]:
        """What the island has to know."""
        return {
            "fields": describe_settings(gettext),
            "texts": canvas_texts(),
            "urls": self.urls,
            "read_only": self.is_read_only,
            "language": get_language() or "en",
            "faults": [fault.as_json() for fault in self.faults],
            "names": names_in({}, settings, actor=self.actor),
            "builder_of": f"{self.canvas}-config",
        }


def describe_catalog() -> dict[str, Any]:
    """The kinds of activities as the canvas reads them, with what only it asks for."""
    catalog = describe_kinds(gettext)
    kinds = [
        {
            **kind,
            "icon": _ICONS.get(kind["kind"], "help"),
            "waits": kind["kind"] in WAITING,
            "initial": exact_dumps(_INITIAL.get(kind["kind"], {})),
        }
        for kind in catalog["kinds"]
    ]
    return {**catalog, "kinds": kinds, "node_limit": django_settings.JOURNEY_NODE_LIMIT}


def told_lines(
    lines: Sequence[Line], counts: Mapping[str, Any] | None
) -> list[tuple[Line, str, list[tuple[str, str]]]]:
    """The lines of an outline with their figures: how many came that way, and what they did there.

    The figures are names with numbers; there are none without counts.
    """
    return [(line, _came(line, counts or {}), _figures(line, counts or {})) for line in lines]


def _came(line: Line, counts: Mapping[str, Any]) -> str:
    passed = counts.get(line.source, {}).get("passed")
    return "" if passed is None else number(passed.get(line.outcome, 0))


def _figures(line: Line, counts: Mapping[str, Any]) -> list[tuple[str, str]]:
    if line.is_again or line.node not in counts:
        return []
    count = counts[line.node]
    always = (
        (gettext("here now"), count.get("waiting", 0) + count.get("ready", 0)),
        (gettext("passed"), sum(count.get("passed", {}).values())),
    )
    sometimes = (
        (gettext("messages"), count.get("messages", 0)),
        (gettext("gift cards"), count.get("codes", 0)),
        (gettext("failed"), count.get("failed", 0)),
    )
    told = [*always, *((name, value) for name, value in sometimes if value)]
    return [(name, number(value)) for name, value in told]


def read_drawing(text: str) -> Any:
    """The drawing that a text says; an empty one where it says none."""
    try:
        return exact_loads(text)
    except (ValueError, RecursionError):
        return {}
