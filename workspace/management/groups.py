"""User groups that a command names."""

from collections.abc import Iterable

from django.contrib.auth.models import Group
from django.core.management.base import CommandError

from workspace.access import user_groups


def groups_named(names: Iterable[str]) -> list[Group]:
    """The user groups with these names. Raises CommandError for one that is not there."""
    wanted = list(dict.fromkeys(names))
    known = {group.name: group for group in user_groups().filter(name__in=wanted)}
    for name in wanted:
        if name not in known:
            raise CommandError(f"There is no user group “{name}”: create it in the admin first.")
    return [known[name] for name in wanted]
