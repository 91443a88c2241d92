"""Programs that send events, as tests need them."""

import base64
import json
from typing import Any

from django.test import Client
from django.utils import timezone


class Sender:
    """A program that knows a write key, or a wrong one."""

    def __init__(self, write_key: str) -> None:
        self.write_key = write_key
        self.made_at = timezone.now()
        self.client = Client(raise_request_exception=False, enforce_csrf_checks=True)

    @property
    def authorization(self) -> str:
        return basic(self.write_key)

    def post(self, path: str, body: Any, *, user: str | None = None, **headers: str) -> Any:
        """`body` as JSON, or as it is; the write key as user name, or another, or none ("")."""
        if user is None:
            headers.setdefault("Authorization", self.authorization)
        elif user:
            headers.setdefault("Authorization", basic(user))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        content_type = headers.pop("content_type", "application/json")
        return self.client.generic("POST", path, data, content_type=content_type, headers=headers)


def basic(user: str) -> str:
    """The header that names a user without a password."""
    return f"Basic {base64.b64encode(f'{user}:'.encode()).decode()}"
