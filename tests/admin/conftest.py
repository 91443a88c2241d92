"""People who look at the admin, and a workspace with one of everything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, Permission
from django.core.cache import cache
from django.test import Client

from workspace.models import User, UserGroup

MakePerson = Callable[..., Client]


@pytest.fixture(autouse=True)
def as_in_development(settings: Any, db: None, tmp_path: Path) -> None:
    """Pages name static files as they lie in the checkout: none are collected for tests."""
    django_settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    storage = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": storage}
    # Tests of Django keep mail in memory; the product without a mail server keeps it on disk.
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    cache.clear()


@pytest.fixture
def admin() -> Client:
    """An administrator."""
    client = Client()
    # Without a password: to hash one takes longer than most tests.
    person = User.objects.create(username="root", is_staff=True, is_superuser=True)
    client.force_login(person)
    return client


@pytest.fixture
def make_person() -> MakePerson:
    """Somebody of the staff with these permissions ("segments.view_segment") and groups."""
    made = 0

    def make(*permissions: str, groups: tuple[Group, ...] = ()) -> Client:
        nonlocal made
        made += 1
        person = User.objects.create_user(f"person{made}", is_staff=True)
        for name in permissions:
            app, codename = name.split(".")
            person.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
        person.groups.set(groups)
        client = Client()
        client.force_login(person)
        return client

    return make


@pytest.fixture
def scoped_group() -> Group:
    """A user group to which segments belong."""
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["segment"])
    return group
