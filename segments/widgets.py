"""Criteria in a form: the builder, and what stands in its place where no script runs.

The same on every screen that edits criteria. The text of a hidden field is the document; the
builder (segments/frontend/criteria_builder) shows it, and writes it anew when somebody edits.
"""

from typing import Any

from django import forms
from django.forms.renderers import BaseRenderer
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from segments import criteria, facts
from segments.builder_texts import builder_texts
from segments.errors import CriteriaRefused
from segments.masks import Mask
from segments.models import Segment
from segments.saved_criteria import known_saved_criteria
from segments.starting_points import templates_for
from workspace.access import Actor
from workspace.errors import Problem
from workspace.exactjson import ExactJSONEncoder, exact_dumps, exact_loads

_BUNDLE = "segments/criteria_builder/criteria_builder"
_SAVED_LIMIT = 200


class CriteriaWidget(forms.Textarea):
    """The criteria builder for one author, of criteria in general or of those of a segment.

    With an `event` it builds conditions on events of that name instead, as in the `where` of a
    rule. `problems` are what the server found in the document, `is_read_only` shows it only.
    """

    def __init__(
        self,
        *,
        actor: Actor,
        segment: Segment | None = None,
        event: str = "",
        is_read_only: bool = False,
    ) -> None:
        super().__init__()
        self.actor = actor
        self.segment = segment
        self.event = event
        self.is_read_only = is_read_only
        self.problems: tuple[Problem, ...] = ()

    @property
    def media(self) -> forms.Media:
        """The island's script and style."""
        script: Any = forms.Script(f"{_BUNDLE}.js", type="module")
        return forms.Media(js=[script], css={"all": [f"{_BUNDLE}.css"]})

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
        context.update(
            text=text,
            config_id=f"{name}-config",
            # Numbers keep all their digits.
            config=json_script(self.config(), f"{name}-config", encoder=ExactJSONEncoder),
            sentence=self.sentence(text),
            problems=self.problems,
            is_read_only=self.is_read_only,
        )
        return render_to_string("segments/criteria_widget.html", context)

    def sentence(self, text: str) -> str:
        """The document in words, for where no script runs."""
        return "" if self.event else sentence_of(text, actor=self.actor, segment=self.segment)

    def config(self) -> dict[str, Any]:
        """What the builder has to know.

        Documents to be inserted are texts: a script that parsed them would lose digits of their
        numbers.
        """
        catalog = facts.catalog_for(self.actor, segment=self.segment)
        # Conditions on an event hold for events: there are no contacts to count.
        names = ("values", "event") if self.event else ("preview", "counts", "values", "event")
        may_insert = not self.is_read_only and not self.event
        return {
            "catalog": criteria.describe(catalog, translate=gettext),
            "texts": builder_texts(),
            "urls": {name: reverse(f"admin:segments_{name}") for name in names},
            "read_only": self.is_read_only,
            "mode": "where" if self.event else "segment",
            "event": self.event,
            "segment": self.segment.pk if self.segment else None,
            "language": get_language() or "en",
            "links": self._links(),
            "problems": [
                {"path": one.path, "code": one.code, "message": one.message}
                for one in self.problems
            ],
            "templates": [
                {
                    "key": one.key,
                    "title": one.title,
                    "description": one.description,
                    "icon": one.icon,
                    "criteria": exact_dumps(one.criteria),
                }
                for one in (templates_for(self.actor, catalog=catalog) if may_insert else [])
                if one.is_ready
            ],
            "saved": self._saved() if may_insert else [],
        }

    def _links(self) -> dict[str, str]:
        if self.segment is None:
            return {}
        return {"members": reverse("admin:segments_segment_members", args=[self.segment.pk])}

    def _saved(self) -> list[dict[str, Any]]:
        if not self.actor.may("segments.view_savedcriteria"):
            return []
        mask = Mask(self.actor)
        rows = known_saved_criteria(self.actor).order_by("name")[:_SAVED_LIMIT]
        return [
            {"key": saved.key, "name": saved.name, "criteria": exact_dumps(mask.of(saved.criteria))}
            for saved in rows
        ]


def sentence_of(text: str, *, actor: Actor, segment: Segment | None = None) -> str:
    """Criteria in words, as JSON text; their first fault where they have one."""
    try:
        tree = facts.parse_criteria(exact_loads(text), actor, segment=segment)
    except CriteriaRefused as refused:
        return str(refused)
    except (ValueError, RecursionError):
        return ""
    return facts.explain(tree)
