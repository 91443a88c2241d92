"""What a segment is besides its criteria: names, groups, times. All faults are told at once."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.translation import gettext as _

from contacts.models import validate_key
from segments.models import Segment
from workspace import access
from workspace.access import SYSTEM, Actor
from workspace.errors import Problem
from workspace.models import UserGroup

NAME_LIMIT = 200
KEY_LIMIT = 63
DESCRIPTION_LIMIT = 10_000
EVERY_LIMIT = 1000
READINESS_LIMIT = 10 * 366 * 24
# Words that stand where a key would in addresses.
RESERVED_KEYS = frozenset({"preview", "overlap", "catalog", "counts", "values", "from-file"})

_REFRESH = ("refresh_mode", "refresh_amount", "refresh_unit")
SETTINGS = (
    *("name", "description", "owner", "members_only"),
    *(*_REFRESH, "readiness_hours", "mail_findings"),
)


@dataclass(slots=True)
class Faults:
    """The faults found so far; paths are those of the API's shape of a segment."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, path: str, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))


def check_settings(given: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """The settings among `given` as they are to be kept: texts trimmed, what cannot apply emptied.

    `given` holds the three of the refresh together, or none of them.
    """
    kept = {name: given[name] for name in SETTINGS if name in given}
    for name, limit in (("name", NAME_LIMIT), ("description", DESCRIPTION_LIMIT)):
        if name in kept:
            kept[name] = _text(kept[name], name, limit, faults)
    if "name" in kept and not kept["name"]:
        faults.add("name", "required", _("Give it a name."))
    hours = kept.get("readiness_hours")
    if hours is not None and not 1 <= hours <= READINESS_LIMIT:
        message = _("The readiness time is 1 to %(limit)d hours, or none.")
        faults.add("readiness_hours", "out_of_range", message % {"limit": READINESS_LIMIT})
    if "refresh_mode" in kept:
        _check_refresh(kept, faults)
    return kept


def free_key(
    name: str,
    *,
    groups: Sequence[Group] = (),
    actor: Actor = SYSTEM,
    model: type[Model] = Segment,
) -> str:
    """A key made of a name that no segment (or other thing of that `model`) has yet.

    The key of a segment of a user group begins with the name of the group: else a number at its
    end would tell whoever tries a name that people of another group have a segment named so.
    """
    stem = _slug(name) or _slug(model.__name__)
    if groups and not actor.is_admin:
        first = min(groups, key=lambda group: group.name)
        stem = f"{_slug(first.name)[:20] or f'group{first.pk}'}-{stem}"
    stem = stem[: KEY_LIMIT - 4].rstrip("-")
    # Exactly those that may collide: the stem with any number behind it.
    taken = set(model._default_manager.filter(key__startswith=stem).values_list("key", flat=True))
    taken |= RESERVED_KEYS
    number, key = 1, stem
    while key in taken:
        number += 1
        key = f"{stem}-{number}"
    return key


def check_key(key: str, faults: Faults, *, model: type[Model] = Segment) -> None:
    """Note why `key` cannot be the key of a new segment, or other thing of that `model`."""
    try:
        validate_key(key)
    except ValidationError as error:
        faults.add("key", "invalid", error.messages[0])
        return
    # One answer for all: that it is taken, and by whom, must not be found out by trying.
    if key in RESERVED_KEYS or model._default_manager.filter(key=key).exists():
        faults.add("key", "unavailable", _("This key cannot be used. Choose another one."))


def check_groups(
    names: Iterable[str],
    actor: Actor,
    faults: Faults,
    *,
    segment: Any = None,
    entity: UserGroup.Entity = UserGroup.Entity.SEGMENT,
) -> list[Group]:
    """The user groups of a segment (or of another thing that belongs to groups) by their names.

    Groups that the segment has and that are not the actor's to choose stay. A group is required
    as soon as one scopes segments (AN-11); a segment that had none before may stay without one as
    long as its groups are not changed.
    """
    choosable = {group.name: group for group in access.choosable_groups(actor)}
    present = {} if segment is None else {group.name: group for group in segment.groups.all()}
    chosen = {name: group for name, group in present.items() if name not in choosable}
    for index, name in enumerate(names):
        group = choosable.get(name) or chosen.get(name)
        if group is None:
            message = _("There is no user group “%(name)s” that you may choose.")
            faults.add(f"groups[{index}]", "unknown_group", message % {"name": name})
        else:
            chosen[name] = group
    is_told = any(fault.path.startswith("groups") for fault in faults.problems)
    was_without = segment is not None and not present
    is_demanded = not chosen and not is_told and not was_without
    if is_demanded and access.group_required(entity):
        faults.add("groups", "required", _("Choose the user group that it belongs to."))
    return list(chosen.values())


def groups_of_copy(
    segment: Any, actor: Actor, *, entity: UserGroup.Entity = UserGroup.Entity.SEGMENT
) -> list[str]:
    """The names of the user groups of a copy: those of the original that the actor may choose.

    Of a segment, or of another thing of that `entity` which belongs to groups.

    Where that is none, one is required and the actor has only one, it is his.
    """
    choosable = [group.name for group in access.choosable_groups(actor)]
    kept = [group.name for group in segment.groups.all() if group.name in choosable]
    if kept or actor.is_admin or len(choosable) != 1 or not access.group_required(entity):
        return kept
    return choosable


def _check_refresh(kept: dict[str, Any], faults: Faults) -> None:
    mode = kept["refresh_mode"]
    if mode not in Segment.RefreshMode.values:
        message = _("A segment is refreshed “realtime”, by “interval” or “once”.")
        faults.add("refresh.mode", "invalid_choice", message)
    if mode != Segment.RefreshMode.INTERVAL:
        kept.update(refresh_amount=None, refresh_unit="")
        return
    amount, unit = kept["refresh_amount"], kept["refresh_unit"]
    if amount is None and not unit:
        faults.add("refresh.every", "required", _("Say every how many hours or days."))
        return
    if amount is None or not 1 <= amount <= EVERY_LIMIT:
        message = _("Every 1 to %(limit)d hours or days.") % {"limit": EVERY_LIMIT}
        faults.add("refresh.every.amount", "out_of_range", message)
    if unit not in Segment.Unit.values:
        message = _("The unit is “hour” or “day”.")
        faults.add("refresh.every.unit", "invalid_choice", message)


def _text(value: str, path: str, limit: int, faults: Faults) -> str:
    value = value.strip()
    if len(value) > limit:
        message = _("At most %(limit)d characters.") % {"limit": limit}
        faults.add(path, "too_long", message)
    if "\0" in value:
        faults.add(path, "invalid", _("The text holds a character that cannot be kept."))
    return value


def _slug(name: str) -> str:
    # Letters that do not decompose into a Latin letter and a mark.
    name = name.translate(str.maketrans("łŁøØđĐ", "lLoOdD")).replace("ß", "ss")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
