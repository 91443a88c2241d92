"""What people say of a connection's settings, brought into the form in which it is kept."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from integrations import announcements
from integrations.vendors import registry
from integrations.vendors.registry import SettingField, Vendor
from workspace.errors import Problem

_TEXT_LIMIT = 500


def defaults_of(vendor: Vendor) -> dict[str, Any]:
    """The settings of a connection of which nobody said anything."""
    return {one.name: one.default for one in vendor.settings}


def read_settings(vendor: Vendor, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """What is given of settings, by name, and every fault of it, with paths as `settings.name`."""
    known = {one.name: one for one in vendor.settings}
    kept: dict[str, Any] = {}
    problems = []
    for name, value in given.items():
        path = f"settings.{name[:40]}"
        if name not in known:
            words = _("There is no setting “%(name)s”.") % {"name": name[:40]}
            problems.append(Problem(path, "unknown_key", words))
            continue
        try:
            kept[name] = _read(known[name], value)
        except ValueError as fault:
            problems.append(Problem(path, "invalid", str(fault)))
    return kept, problems


def types_in(vendor: Vendor, settings: Mapping[str, Any]) -> list[str]:
    """The types of facts that the settings name, of which the connection hears."""
    found = {
        name
        for one in vendor.settings
        if one.kind == "types"
        for name in settings.get(one.name, ())
    }
    return sorted(found)


def _read(field: SettingField, value: Any) -> Any:
    """Raises ValueError with a sentence for people."""
    label = {"name": field.label}
    if field.kind == "flag":
        if not isinstance(value, bool):
            raise ValueError(_("“%(name)s” is true or false.") % label)
    elif field.kind == "number":
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(_("“%(name)s” is a whole number.") % label)
    elif field.kind in {"choices", "types"}:
        value = _read_several(field, value)
    else:
        if not isinstance(value, str) or len(value) > _TEXT_LIMIT or "\x00" in value:
            words = _("“%(name)s” is a text of up to %(limit)d characters.")
            raise ValueError(words % {**label, "limit": _TEXT_LIMIT})
        value = value.strip()
        if field.kind == "choice":
            _check_choices(field, [value])
    if field.check is not None and (fault := field.check(value)):
        raise ValueError(str(fault))
    return value


def _read_several(field: SettingField, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(_("“%(name)s” is a list of texts.") % {"name": field.label})
    several = list(dict.fromkeys(value))
    if field.kind == "types":
        unknown = [one for one in several if not announcements.is_registered(one)]
        if unknown:
            raise ValueError(_("There is no type “%(name)s”.") % {"name": unknown[0][:80]})
    else:
        _check_choices(field, several)
    return several


def _check_choices(field: SettingField, values: list[str]) -> None:
    known = [value for value, _words in registry.choices_of(field)]
    if unknown := [value for value in values if value not in known]:
        words = _("“%(value)s” is none of the choices for “%(name)s”: %(known)s.")
        shown = ", ".join(known[:20])
        raise ValueError(words % {"value": unknown[0][:80], "name": field.label, "known": shown})
