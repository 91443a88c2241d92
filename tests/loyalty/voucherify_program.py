"""A program with the headers of Voucherify's clients, for tests."""

import json
from typing import Any

from django.test import Client

from tests.factories import NOW
from workspace.access import SYSTEM
from workspace.keys import create_api_user


class Program:
    """Calls /v1/ with the key of an API user of its own."""

    def __init__(self, name: str = "Shop", **given: Any) -> None:
        self.api_user, self.key = create_api_user(name=name, actor=SYSTEM, at=NOW, **given)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        headers = {"X-App-Id": str(self.api_user.pk), "X-App-Token": self.key, **headers}
        return send(method, path, body, headers)

    def get(self, path: str) -> Any:
        """What is answered, which is no error."""
        return said(self.call("GET", path))

    def post(self, path: str, body: Any = None) -> Any:
        """What is answered, which is no error."""
        return said(self.call("POST", path, body))


def send(method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
    """One request with a body of JSON."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body)
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    return client.generic(method, path, data, "application/json", headers=headers)


def said(answer: Any) -> Any:
    """The JSON of an answer that is no error."""
    assert answer.status_code < 400, answer.content
    return answer.json() if answer.content else None


def refused(answer: Any, status: int, key: str, words: str = "") -> dict[str, Any]:
    """The error object of an answer, in which `details` has the words."""
    found: dict[str, Any] = answer.json()
    assert (answer.status_code, found["code"], found["key"]) == (status, status, key), found
    assert words in found["details"]
    assert found["request_id"].startswith("v-")
    assert found["message"]
    return found
