"""What a campaign is: which settings it has and what is wrong with them. All faults at once."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from contacts.models import validate_key
from loyalty.errors import DurationInvalid
from loyalty.gift_cards import validity
from loyalty.gift_cards.code_patterns import CodePattern, read_pattern, room_problem
from loyalty.models import Campaign
from workspace import access
from workspace.access import Actor
from workspace.errors import Problem
from workspace.models import UserGroup

NAME_LIMIT = 200
DESCRIPTION_LIMIT = 10_000
AMOUNT_LIMIT = 10**12
CODES_LIMIT = 10_000_000
METADATA_KEYS_LIMIT = 100
KEY_LIMIT = 63
# Words that stand where a key would in addresses.
RESERVED_KEYS = frozenset({"preview", "add", "code-example"})

SETTINGS = (
    *("name", "description", "amount_minor", "currency", "code_config", "is_static"),
    *("refill", "refill_below", "refill_count", "starts_at", "ends_at", "weekdays"),
    *("valid_after_publication", "validity_interval", "validity_duration"),
    *("join_once", "redemption_limit", "holdout_percent", "metadata"),
)
_DURATIONS = ("valid_after_publication", "validity_interval", "validity_duration")
_NUMBERS = {
    "amount_minor": (1, AMOUNT_LIMIT),
    "refill_below": (1, CODES_LIMIT),
    "refill_count": (1, CODES_LIMIT),
    "redemption_limit": (1, 1_000_000),
    "holdout_percent": (0, 90),
}
_FLAGS = ("refill", "is_static", "join_once")


def check_settings(
    given: Mapping[str, Any], problems: list[Problem], *, campaign: Campaign | None = None
) -> dict[str, Any]:
    """The settings among `given` as they are to be kept; what is wrong is added to `problems`.

    What `given` does not say is, for a campaign that is there, as it was.
    """
    kept = {name: given[name] for name in SETTINGS if name in given}
    _check_texts(kept, problems)
    for name, (least, most) in _NUMBERS.items():
        if name in kept and not (name == "redemption_limit" and kept[name] is None):
            _check_number(kept[name], name, least, most, problems)
    problems += [
        Problem(name, "wrong_type", _("It is true or false."))
        for name in _FLAGS
        if name in kept and not isinstance(kept[name], bool)
    ]
    if "currency" in kept:
        kept["currency"] = _currency(kept["currency"], problems)
    for name in _DURATIONS:
        if name in kept:
            kept[name] = _duration(kept[name], name, problems)
    if "weekdays" in kept:
        kept["weekdays"] = _weekdays(kept["weekdays"], problems)
    if "metadata" in kept:
        _check_metadata(kept["metadata"], problems)
    merged = {name: getattr(campaign, name) for name in SETTINGS} if campaign else {}
    _check_together({**merged, **kept}, problems)
    return kept


def check_codes(
    code_config: Mapping[str, Any], code_count: int, problems: list[Problem]
) -> CodePattern | None:
    """The pattern of the codes, if there is room for so many."""
    pattern, faults = read_pattern(code_config)
    if not faults and (fault := room_problem(pattern, code_count)):
        faults = [fault]
    problems += [Problem(f"code_config.{one.path}", one.code, one.message) for one in faults]
    return None if faults else pattern


def check_key(key: str, problems: list[Problem]) -> None:
    """Note why `key` cannot be the key of a new campaign."""
    try:
        validate_key(key)
    except ValidationError as error:
        problems.append(Problem("key", "invalid", error.messages[0]))
        return
    if key in RESERVED_KEYS or Campaign.objects.filter(key=key).exists():
        message = _("This key cannot be used. Choose another one.")
        problems.append(Problem("key", "unavailable", message))


def free_key(name: str, groups: Sequence[Group], actor: Actor) -> str:
    """A key made of a name that no campaign has yet.

    That of a campaign of a user group begins with the name of the group: else a number at its end
    would tell whoever tries a name that people of another group have a campaign named so.
    """
    stem = slug(name) or "campaign"
    if groups and not actor.is_admin:
        first = min(groups, key=lambda group: group.name)
        stem = f"{slug(first.name)[:20] or f'group{first.pk}'}-{stem}"
    stem = stem[: KEY_LIMIT - 4].rstrip("-")
    taken = set(Campaign.objects.filter(key__startswith=stem).values_list("key", flat=True))
    taken |= RESERVED_KEYS
    number, key = 1, stem
    while key in taken:
        number += 1
        key = f"{stem}-{number}"
    return key


def check_groups(
    names: Iterable[str], actor: Actor, problems: list[Problem], *, campaign: Campaign | None = None
) -> list[Group]:
    """The user groups of a campaign that `actor` gives by their names.

    Groups that it has and that are not the actor's to choose stay. One is required as soon as a
    group scopes campaigns; a campaign that had none before may stay without.
    """
    choosable = {group.name: group for group in access.choosable_groups(actor)}
    present = {} if campaign is None else {group.name: group for group in campaign.groups.all()}
    chosen = {name: group for name, group in present.items() if name not in choosable}
    is_unknown = False
    for index, name in enumerate(names):
        group = choosable.get(name) or chosen.get(name)
        if group is None:
            is_unknown = True
            message = _("There is no user group “%(name)s” that you may choose.")
            fault = Problem(f"groups[{index}]", "unknown_group", message % {"name": name})
            problems.append(fault)
        else:
            chosen[name] = group
    was_without = campaign is not None and not present
    is_demanded = not chosen and not is_unknown and not was_without
    if is_demanded and access.group_required(UserGroup.Entity.CAMPAIGN):
        message = _("Choose the user group that it belongs to.")
        problems.append(Problem("groups", "required", message))
    return list(chosen.values())


def slug(name: str) -> str:
    """A name in small letters, digits and hyphens."""
    # Letters that do not decompose into a Latin letter and a mark.
    name = name.translate(str.maketrans("łŁøØđĐ", "lLoOdD")).replace("ß", "ss")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def _check_texts(kept: dict[str, Any], problems: list[Problem]) -> None:
    for name, limit in (("name", NAME_LIMIT), ("description", DESCRIPTION_LIMIT)):
        if name not in kept:
            continue
        if not isinstance(kept[name], str):
            problems.append(Problem(name, "wrong_type", _("It is a text.")))
            continue
        kept[name] = kept[name].strip()
        if len(kept[name]) > limit:
            message = _("At most %(limit)d characters.") % {"limit": limit}
            problems.append(Problem(name, "too_long", message))
        if "\0" in kept[name]:
            message = _("The text holds a character that cannot be kept.")
            problems.append(Problem(name, "invalid", message))
    if "name" in kept and not kept["name"]:
        problems.append(Problem("name", "required", _("Give it a name.")))


def _check_number(value: Any, name: str, least: int, most: int, problems: list[Problem]) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        message = _("It is a whole number from %(least)d to %(most)d.")
        fault = Problem(name, "out_of_range", message % {"least": least, "most": most})
        problems.append(fault)


def _currency(value: Any, problems: list[Problem]) -> str:
    text = value.strip().upper() if isinstance(value, str) else ""
    if not re.fullmatch("[A-Z]{3}", text):
        message = _("It is a currency of three letters, as USD (ISO 4217).")
        problems.append(Problem("currency", "invalid", message))
    return text


def _duration(value: Any, name: str, problems: list[Problem]) -> str:
    if value in (None, ""):
        return ""
    text = value.strip().upper() if isinstance(value, str) else str(value)
    try:
        validity.parse_duration(text)
    except DurationInvalid as refused:
        problems.append(Problem(name, "invalid", str(refused)))
        return ""
    return text


def _weekdays(value: Any, problems: list[Problem]) -> list[int]:
    days = value if isinstance(value, list | tuple) else [None]
    if any(not isinstance(day, int) or isinstance(day, bool) or not 1 <= day <= 7 for day in days):
        message = _("Weekdays are numbers from 1 (Monday) to 7 (Sunday).")
        problems.append(Problem("weekdays", "invalid", message))
        return []
    found = sorted(set(days))
    return [] if len(found) == 7 else found


def _check_metadata(value: Any, problems: list[Problem]) -> None:
    if not isinstance(value, dict) or len(value) > METADATA_KEYS_LIMIT:
        message = _("It is an object of at most %(limit)d keys.") % {"limit": METADATA_KEYS_LIMIT}
        problems.append(Problem("metadata", "invalid", message))


def _check_together(settings: Mapping[str, Any], problems: list[Problem]) -> None:
    """What is wrong with settings only beside each other."""
    starts_at, ends_at = settings.get("starts_at"), settings.get("ends_at")
    if isinstance(starts_at, datetime) and isinstance(ends_at, datetime) and ends_at <= starts_at:
        message = _("It has to end after its beginning.")
        problems.append(Problem("ends_at", "invalid", message))
    interval, duration = settings.get("validity_interval"), settings.get("validity_duration")
    if bool(interval) != bool(duration):
        message = _("Say both: every how long, and for how long it is valid then.")
        problems.append(Problem("validity_interval", "incomplete", message))
    elif interval and not starts_at:
        message = _("What comes again and again needs a beginning: say from when.")
        problems.append(Problem("starts_at", "required", message))
    if settings.get("refill") is True and settings.get("is_static") is True:
        message = _("A campaign to which no codes may be added cannot be refilled.")
        problems.append(Problem("refill", "invalid", message))
