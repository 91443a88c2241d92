"""The criteria builder for validation rules: with the fields of rules, and messages."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.validation_rules.rule_fields import describe_for_builder
from loyalty.validation_rules.rule_words import describe_rule
from segments.widgets import CriteriaWidget
from workspace.exactjson import exact_loads

# What the builder says of segments, as it is said of rules.
_TEXTS: dict[str, str | Promise] = {
    "builder": _("Rule builder"),
    "rules_used": _("{count} of {limit} conditions"),
    "include": _("Let through"),
    "include_all": _("if all of these hold"),
    "include_any": _("if at least one of these holds"),
    "include_empty": _("Everybody is let through"),
    "include_empty_hint": _("Drag fields here to say what must hold, or add a condition."),
    "include_nobody": _("Nobody is let through"),
    "include_nobody_hint": _("At least one condition must hold, and there is none yet."),
    "exclude": _("Refuse"),
    "exclude_all": _("if all of these hold"),
    "exclude_any": _("if at least one of these holds"),
    "exclude_one": _("if this holds"),
    "exclude_empty": _("Nobody is refused besides"),
    "exclude_empty_hint": _("Drag fields here to refuse where they hold."),
    "add_criterion": _("Add condition"),
    "add_exclusion": _("Add refusal"),
    "move_include": _("Move to what lets through"),
    "move_exclude": _("Move to what refuses"),
    "json": _("Conditions as JSON"),
    "criterion": _("condition"),
    "unnamed": _("unfinished condition"),
}


class RuleWidget(CriteriaWidget):
    """The builder of a rule's document for one author."""

    def config(self) -> dict[str, Any]:
        """As for criteria; nobody is counted, for whom a rule refuses depends on more."""
        config = super().config()
        urls = {name: url for name, url in config["urls"].items() if name in ("values", "event")}
        return {
            **config,
            "catalog": describe_for_builder(self.actor),
            "texts": {**config["texts"], **{key: str(text) for key, text in _TEXTS.items()}},
            "urls": urls,
            "mode": "rule",
            "templates": [],
        }

    def sentence(self, text: str) -> str:
        try:
            return describe_rule(exact_loads(text), actor=self.actor)
        except (ValueError, RecursionError):
            return ""
