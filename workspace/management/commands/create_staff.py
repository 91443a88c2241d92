import os
import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from workspace import audit
from workspace.access import SYSTEM
from workspace.console import facts
from workspace.errors import DomainError
from workspace.management.groups import groups_named
from workspace.models import User
from workspace.roles import ROLES, create_staff, give_role


class Command(BaseCommand):
    """Creates a person of the staff with a ready role, or gives a role to one who is there."""

    help = (
        "A person with a ready role. The password comes from the variable STAFF_PASSWORD,"
        " else one is made up and printed, once. Repeated, it adds role and groups only."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the login")
        parser.add_argument(
            "--role", required=True, help=f"what the person may do: {', '.join(ROLES)}"
        )
        parser.add_argument(
            "--group", action="extend", nargs="+", metavar="G", default=[], help="user group"
        )
        parser.add_argument("--email", default="", help="the person's e-mail address")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    @transaction.atomic
    def handle(self, **options: Any) -> None:
        groups = groups_named(options["group"])
        given = os.environ.get("STAFF_PASSWORD")
        password = given or secrets.token_urlsafe(12)
        name, role = options["name"], options["role"]
        user = User.objects.filter(username=User.normalize_username(name)).first()
        found = {"name": name, "role": role, "created": user is None}
        try:
            if user is None:
                user = create_staff(
                    username=name, password=password, role=role, email=options["email"]
                )
                found |= {} if given else {"password": password}
            else:
                give_role(user, role)
        except DomainError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        user.groups.add(*groups)
        audit.record(
            actor=SYSTEM,
            action="user.role_given",
            subject=user,
            changes={"role": [None, role], "groups": [None, options["group"]]},
            at=timezone.now(),
        )
        facts(self, found, as_json=options["json"])
