"""The document that describes the API, and the page that shows it."""

import io
import json
from functools import cache
from typing import Any

import pytest
from django.core.management import call_command

from tests.api.conftest import Program

pytestmark = pytest.mark.django_db

_METHODS = {"get", "post", "put", "patch", "delete"}


@cache
def document() -> dict[str, Any]:
    written = io.StringIO()
    call_command(
        "spectacular", "--format", "openapi-json", "--validate", "--fail-on-warn", stdout=written
    )
    found: dict[str, Any] = json.loads(written.getvalue())
    return found


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    paths = document()["paths"].items()
    return [(path, m, item[m]) for path, item in paths for m in item if m in _METHODS]


def test_the_document_is_valid_and_complete() -> None:
    assert document()["openapi"].startswith("3.1")
    assert operations()


def test_every_operation_says_how_it_refuses() -> None:
    for path, method, operation in operations():
        expected = {"400", "401", "403", "429"}
        expected |= {"404"} if "{" in path else set()
        expected |= set() if method == "get" else {"409", "413", "415"}
        assert expected <= set(operation["responses"]), (path, method)
        refusal = operation["responses"]["401"]["content"]
        assert set(refusal) == {"application/problem+json"}


def test_every_operation_has_a_description() -> None:
    silent = [(path, method) for path, method, op in operations() if not op.get("description")]
    assert silent == []


def test_posts_take_an_idempotency_key() -> None:
    without = [
        path
        for path, method, op in operations()
        if method == "post"
        and "Idempotency-Key" not in {parameter["name"] for parameter in op.get("parameters", ())}
    ]
    unchanging = [
        "/api/journeys/{key}/validate/",
        "/api/push-connections/{id}/test/",
        *("/api/rule-events/preview/", "/api/segments/counts/", "/api/segments/preview/"),
        "/api/templates/{key}/preview/",
    ]
    assert without == unchanging, "they change nothing"


@pytest.mark.walk
def test_the_document_is_served(nobody: Program) -> None:
    # Which makes it anew, as whoever asks may see it.
    served = nobody.get("/api/schema/", Accept="application/vnd.oai.openapi+json")
    assert served.status_code == 200
    assert served.json()["paths"].keys() == document()["paths"].keys()


def test_the_page_that_shows_it_is_served(nobody: Program, settings: Any) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    page = nobody.get("/api/docs/", Accept="text/html")
    assert page.status_code == 200
    assert b"://" not in page.content.replace(b"http://www.w3.org", b""), "nothing from elsewhere"
    assert b"<script>" not in page.content, "the policy allows no inline script"
    assert nobody.get("/api/docs/?script").status_code == 200
