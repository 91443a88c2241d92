"""A program with a key, and a person with a session, as they send requests to the API."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from workspace.access import SCOPES, SYSTEM
from workspace.keys import create_api_user
from workspace.models import User


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """What serves static files looks for their folder when the first request comes."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


class Program:
    """Sends requests with a key; bodies are JSON unless they are bytes."""

    def __init__(self, key: str = "", client: Client | None = None) -> None:
        self.key = key
        self.client = client or Client(raise_request_exception=False)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request; `headers` are named with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key:
            named.setdefault("Authorization", f"Api-Key {self.key}")
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body)
        content_type = named.pop("Content-Type", "application/json")
        answer: Any = self.client.generic(
            method, path, data, content_type=content_type, headers=named
        )
        return answer

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("PUT", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.send("DELETE", path, **headers)


MakeProgram = Callable[..., Program]


@pytest.fixture
def make_program(db: None) -> MakeProgram:
    """A program with a key that has these scopes (default: all) and groups."""
    cache.clear()
    made = 0

    def make(*scopes: str, groups: tuple[Group, ...] = (), per_minute: int = 10_000) -> Program:
        nonlocal made
        made += 1
        _api_user, key = create_api_user(
            name=f"program {made}",
            actor=SYSTEM,
            at=timezone.now(),
            scopes=scopes or SCOPES,
            groups=groups,
            requests_per_minute=per_minute,
        )
        return Program(key)

    return make


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    """A program that may do everything."""
    return make_program()


@pytest.fixture
def nobody(db: None) -> Program:
    """Somebody without a key."""
    return Program()


@pytest.fixture
def staff(db: None) -> Callable[..., Program]:
    """A person with a session and these permissions ("segments.view_segment")."""

    def make(*permissions: str, is_staff: bool = True, **flags: bool) -> Program:
        number = User.objects.count()
        user = User.objects.create_user(f"person{number}", password=None, is_staff=is_staff)
        User.objects.filter(pk=user.pk).update(**flags)
        for permission in permissions:
            app, codename = permission.split(".")
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
        client = Client(raise_request_exception=False)
        client.force_login(
            User.objects.get(pk=user.pk), backend="django.contrib.auth.backends.ModelBackend"
        )
        return Program(client=client)

    return make


def assert_problem(answer: Any, status: int, code: str | None = None) -> dict[str, Any]:
    """The answer is a problem of RFC 9457 with this status; returns it."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "code", "detail", "errors"} <= set(body)
    assert body["status"] == status
    if code is not None:
        assert body["code"] == code, body
    return body
