"""The logins of the demo workspace: a person for each ready role, with passwords of their own."""

import json
import os
import secrets
from pathlib import Path
from typing import TypedDict

from django.conf import settings
from django.db.models import QuerySet

from config.embedded import paths
from workspace.models import User
from workspace.roles import give_role

# A domain that nobody can have (RFC 2606) tells demo logins from those of real people.
MAIL_DOMAIN = "demo.example"


class Login(TypedDict):
    """A line of the box that `make run` prints."""

    username: str
    password: str
    role: str


# Username: first name, last name, role.
_PEOPLE = {
    "admin": ("Ada", "Admin", "administrator"),
    "marketer": ("Mara", "Marketer", "marketer"),
    "loyalty": ("Lou", "Loyalty", "loyalty-manager"),
}


def demo_users() -> "QuerySet[User]":
    """The staff that the demo workspace brought."""
    return User.objects.filter(email__endswith=f"@{MAIL_DOMAIN}")


def logins_file() -> Path:
    """Where the passwords lie for the box of `make run`, readable by nobody else."""
    return paths.demo_logins_file(settings.VAR)


def make_logins() -> list[Login]:
    """Make an administrator, a marketer and a loyalty manager, with new passwords.

    Whose name is taken gets a number.
    """
    made: list[Login] = []
    for username, (first_name, last_name, role_key) in _PEOPLE.items():
        password = secrets.token_urlsafe(9)
        user = User.objects.create_user(
            _free(username),
            email=f"{username}@{MAIL_DOMAIN}",
            password=password,
            first_name=first_name,
            last_name=last_name,
        )
        role = give_role(user, role_key)
        made.append({"username": user.username, "password": password, "role": role.name})
    return made


def write_logins(logins: list[Login]) -> None:
    """Write the file, whole or not at all."""
    path = logins_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(logins, file)
    partial.replace(path)


def _free(username: str) -> str:
    taken = set(
        User.objects.filter(username__startswith=username).values_list("username", flat=True)
    )
    number, name = 1, username
    while name in taken:
        number += 1
        name = f"{username}{number}"
    return name
