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
from journeys.outline import outline_of
from segments.widgets import CriteriaWidget
from workspace.access import Actor
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

    `urls` are where it asks: `choices`, `faults`, `counts`, each of which may be missing. `counts`
    are figures to show where it asks for none, as `journeys.statistics` tells them. `settings`
    stand beside the drawing; what they name is called by its name, too.
    """

    def __init__(
        self,
        *,
        actor: Actor,
        urls: Mapping[str, str] | None = None,
        faults: Sequence[Fault] = (),
        settings: Any = None,
        counts: Mapping[str, Any] | None = None,
        is_read_only: bool = False,
    ) -> None:
        super().__init__()
        self.actor = actor
        self.urls = dict(urls or {})
        self.faults = tuple(faults)
        self.settings = settings
        self.counts = counts
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
            lines=outline_of(drawing),
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


def read_drawing(text: str) -> Any:
    """The drawing that a text says; an empty one where it says none."""
    try:
        return exact_loads(text)
    except (ValueError, RecursionError):
        return {}
