"""How the loyalty programme works as a whole: one row, with defaults until somebody changes it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from loyalty.errors import ProgrammeInvalid
from loyalty.models import Programme
from workspace import access, audit
from workspace.access import Actor
from workspace.errors import Problem

_ID = 1
CHANGEABLE = ("name", "tier_window_days", "card_prefix")


def programme() -> Programme:
    """The programme as it is; with the defaults where nobody changed it."""
    return Programme.objects.filter(pk=_ID).first() or Programme(pk=_ID)


@transaction.atomic
def change_programme(*, changes: Mapping[str, Any], actor: Actor, at: datetime) -> Programme:
    """Change what is named: `name`, `tier_window_days`, `card_prefix`.

    Raises NotAllowed, and ProgrammeInvalid with every fault. Tiers follow the next night; cards
    that members have keep their numbers.
    """
    access.require(actor, "loyalty.change_programme")
    changed = programme()
    before = {name: getattr(changed, name) for name in CHANGEABLE}
    for name in CHANGEABLE:
        if name in changes:
            setattr(changed, name, changes[name])
    try:
        changed.full_clean(validate_unique=False)
    except ValidationError as error:
        problems = [
            Problem(path, "invalid", message)
            for path, messages in error.message_dict.items()
            for message in messages
        ]
        raise ProgrammeInvalid(problems[0].message, problems=problems) from error
    after = {name: getattr(changed, name) for name in CHANGEABLE}
    if told := audit.difference(before, after):
        changed.save()
        audit.record(actor=actor, action="programme.changed", subject=changed, changes=told, at=at)
    return changed
