"""Dead letters over HTTP: grouped, sent again, dropped."""

from typing import Any

import pytest

from tests.api.conftest import Program, assert_problem
from tests.integrations.delivering import failed_ones

pytestmark = pytest.mark.django_db


def test_programs_find_retry_and_drop_them(program: Program) -> None:
    shop = failed_ones()
    path = "/api/deliveries/dead-letters/"
    found = program.get(path).json()
    assert [(one["reason"], one["count"], one["kind"]) for one in found] == [
        ("No such order ….", 2, "tried"),
        ("Too large.", 1, "tried"),
    ]
    body: dict[str, Any] = {"connection": shop.pk, "reason": "Too large."}
    assert program.post(f"{path}retry/", body).json() == {"retried": 1}
    assert program.post(f"{path}drop/", {"connection": shop.pk, "kind": "tried"}).json() == {
        "dropped": 2
    }
    assert_problem(program.post(f"{path}drop/", {"connection": 999}), 404, "connection_unknown")
    assert_problem(program.post(f"{path}drop/", {}), 400)
    listed = program.get("/api/deliveries/?state=cancelled").json()["results"]
    assert {one["reason"] for one in listed} == {"No such order …."}
