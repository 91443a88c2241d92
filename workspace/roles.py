"""Ready sets of permissions for people: a role says what one may do, a user group what one sees.

A role is a Django group whose settings say `is_role`, so things never belong to it. Like the
scopes of `workspace.access`, the table below names the rooms above as words only.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workspace import access
from workspace.errors import DomainError, NotFound
from workspace.models import User, UserGroup


@dataclass(frozen=True, slots=True)
class Role:
    """What people with it may do; `grants` are "app.verb" with `*` for every verb or app."""

    key: str
    name: str
    description: str | Promise
    grants: tuple[str, ...]
    is_administrator: bool = False


ROLES = {
    role.key: role
    for role in (
        Role(
            "marketer",
            "Marketer",
            gettext_lazy("Contacts, segments, journeys and campaigns."),
            (
                *("contacts.*", "segments.*", "journeys.*", "loyalty.view"),
                *("integrations.view", "integrations.*_template", "workspace.view_website"),
                # Whoever asks on the phone not to be written to.
                "integrations.add_suppression",
            ),
        ),
        Role(
            "analyst",
            "Analyst",
            gettext_lazy("Looks at everything, changes nothing, exports members of segments."),
            (
                *("contacts.view", "segments.view", "segments.export", "journeys.view"),
                *("loyalty.view", "integrations.view", "workspace.view_website"),
            ),
        ),
        Role(
            "loyalty_manager",
            "Loyalty manager",
            gettext_lazy("Points, campaigns, vouchers and segments for them; looks at contacts."),
            (
                *("loyalty.*", "contacts.view", "segments.*", "journeys.view"),
                *("integrations.*_template", "integrations.view_connection"),
            ),
        ),
        Role(
            "integrator",
            "Integrator",
            gettext_lazy("Connections, websites, sources, webhooks, API users and long work."),
            (
                *("integrations.*", "contacts.*", "segments.view"),
                *("workspace.*_apiuser", "workspace.*_website"),
                *("workspace.view_job", "workspace.change_job"),
            ),
        ),
        Role(
            "administrator",
            "Administrator",
            gettext_lazy("Everything, in every user group."),
            (),
            is_administrator=True,
        ),
    )
}


class RoleUnknown(NotFound):
    """There is no role with this key."""

    code = "role_unknown"


class StaffExists(DomainError):
    """Somebody of the staff has the login."""

    code = "staff_exists"


@transaction.atomic
def create_staff(
    *, username: str, password: str, role: str, groups: Iterable[Group] = (), email: str = ""
) -> User:
    """A new person of the staff with a role. Raises RoleUnknown, StaffExists."""
    name = User.normalize_username(username)
    if User.objects.filter(username=name).exists():
        message = _("There is somebody with the login “%(name)s” already.")
        raise StaffExists(message % {"name": name})
    user = User(username=name, email=email, is_staff=True)
    user.set_password(password)
    user.full_clean()
    user.save()
    give_role(user, role)
    user.groups.add(*groups)
    return user


@transaction.atomic
def give_role(user: User, key: str) -> Role:
    """Let a person of the staff do what the role may; roles that he has already stay.

    The role's group is brought up to date with the table above. Raises RoleUnknown.
    """
    role = ROLES.get(key.replace("-", "_").replace(" ", "_"))
    if role is None:
        message = _("There is no role “%(key)s”. The roles are: %(known)s.")
        raise RoleUnknown(message % {"key": key, "known": ", ".join(ROLES)})
    user.is_staff = True
    user.is_superuser = user.is_superuser or role.is_administrator
    user.save(update_fields=["is_staff", "is_superuser"])
    user.groups.add(group_of(role))
    return role


@transaction.atomic
def make_ready() -> list[Group]:
    """Have a group for each role, up to date; called whenever the database was migrated.

    A user group that somebody named like a role stays what it is.
    """
    taken = access.user_groups().filter(name__in=[role.name for role in ROLES.values()])
    names = set(taken.values_list("name", flat=True))
    return [group_of(role) for role in ROLES.values() if role.name not in names]


def group_of(role: Role) -> Group:
    """The group that stands for the role, with the permissions that the role has now."""
    group, _created = Group.objects.get_or_create(name=role.name)
    told = {"is_role": True, "is_ready": True, "description": str(role.description)}
    UserGroup.objects.update_or_create(group=group, defaults=told)
    granted = Permission.objects.filter(_granted(role)) if role.grants else []
    group.permissions.set(granted)
    return group


def _granted(role: Role) -> Q:
    granted = Q()
    for grant in role.grants:
        app, _dot, verb = grant.partition(".")
        of_app = Q(content_type__app_label=app)
        if verb == "*":
            granted |= of_app
        elif verb.startswith("*_"):
            granted |= of_app & Q(codename__endswith=verb[1:])
        elif "_" in verb:
            granted |= of_app & Q(codename=verb)
        else:
            granted |= of_app & Q(codename__startswith=f"{verb}_")
    # Nobody deletes segments: they are archived.
    return granted & ~Q(codename="delete_segment")
