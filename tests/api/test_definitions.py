"""The words of the workspace over HTTP."""

from typing import Any

import pytest
from django.utils import timezone

from contacts.definitions import Kind, model_of
from contacts.models import Contact, ContactTag, MetricDefinition, MetricValue, Tag
from contacts.ready_metrics import READY_METRICS
from segments.models import Segment
from tests.api.conftest import MakeProgram, Program, assert_problem
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db

SHAPES: dict[str, dict[str, Any]] = {
    "attributes": {
        "key": "color",
        "label": "Colour",
        "type": "list",
        "choices": ["red", "blue"],
        "description": "Of the coat.",
    },
    "tags": {"key": "vip", "label": "VIP"},
    "categories": {"key": "media", "label": "Media"},
    "consents": {
        "key": "sms",
        "label": "SMS",
        "description": "May we write?",
        "is_public": False,
        "translations": {"pl": {"label": "SMS-y", "description": "Czy możemy pisać?"}},
    },
    "metrics": {
        "key": "orders",
        "label": "Orders",
        "type": "number",
        "description": "",
        "computed": None,
    },
}
KINDS = dict(zip(SHAPES, Kind, strict=True))


@pytest.mark.parametrize("resource", SHAPES)
def test_a_definition_lives_from_its_making_to_its_end(program: Program, resource: str) -> None:
    shape, path = SHAPES[resource], f"/api/{resource}/"
    answer = program.post(path, shape)
    assert (answer.status_code, answer.json()) == (201, shape)
    assert [one for one in program.get(path).json()["results"] if one["key"] == shape["key"]] == [
        shape
    ]
    one = f"{path}{shape['key']}/"
    changed = program.patch(one, {"label": "Other"}).json()
    assert changed == {**shape, "label": "Other"} == program.get(one).json()
    assert program.delete(one).status_code == 204
    assert_problem(program.get(one), 404, "definition_unknown")
    assert_problem(program.patch(one, {"label": "x"}), 404, "definition_unknown")
    assert_problem(program.delete(one), 404, "definition_unknown")
    kind = KINDS[resource]
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions[-3:] == [f"{kind}.defined", f"{kind}.changed", f"{kind}.deleted"]


@pytest.mark.parametrize("resource", SHAPES)
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"key": "a b"}, "key"),
        ({"key": "x" * 64}, "key"),
        ({"key": ""}, "key"),
        ({"label": "x" * 121}, "label"),
        ({"label": ""}, "label"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_cannot_be_is_400_and_named(
    program: Program, resource: str, change: dict[str, Any], path: str
) -> None:
    known = model_of(KINDS[resource])._default_manager
    before = known.count()
    body = assert_problem(program.post(f"/api/{resource}/", {**SHAPES[resource], **change}), 400)
    assert {error["path"] for error in body["errors"]} == {path}
    assert known.count() == before


def test_a_key_is_taken_once_and_stays(program: Program) -> None:
    program.post("/api/tags/", SHAPES["tags"])
    body = assert_problem(program.post("/api/tags/", SHAPES["tags"]), 400, "definition_invalid")
    assert body["errors"][0]["path"] == "key"
    assert_problem(program.patch("/api/tags/vip/", {"key": "other"}), 400)
    program.post("/api/attributes/", SHAPES["attributes"])
    assert_problem(program.patch("/api/attributes/color/", {"type": "text"}), 400)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"type": "colour"}, "type"),
        ({"choices": ["red", "red"]}, "choices[1]"),
        ({"choices": "red"}, "choices"),
        ({"choices": ["x" * 601]}, "choices[0]"),
        ({"choices": ["red", "red|blue"]}, "choices[1]"),
        ({"type": "number"}, "choices"),
    ],
)
def test_choices_are_checked(program: Program, change: dict[str, Any], path: str) -> None:
    body = assert_problem(program.post("/api/attributes/", {**SHAPES["attributes"], **change}), 400)
    assert body["errors"][0]["path"] == path


def test_what_contacts_have_cannot_be_deleted(program: Program) -> None:
    for resource, shape in SHAPES.items():
        program.post(f"/api/{resource}/", shape)
    contact = Contact.objects.create(attributes={"color": ["red"]})
    path = f"/api/contacts/{contact.pk}/"
    given = {"tags": ["vip"], "categories": ["media"], "consents": {"sms": "granted"}}
    assert program.patch(path, given).status_code == 200
    MetricValue.objects.create(
        contact=contact, metric=MetricDefinition.objects.get(key="orders"), number=3
    )
    for resource, shape in SHAPES.items():
        answer = program.delete(f"/api/{resource}/{shape['key']}/")
        assert_problem(answer, 409, "definition_in_use")
    assert ContactTag.objects.exists()


def test_metrics_that_regulars_computes_are_there_and_cannot_be_written(program: Program) -> None:
    found = {one["key"]: one for one in program.get("/api/metrics/").json()["results"]}
    assert set(found) == {*READY_METRICS, "age", "rewards_redeemed"}
    assert set(found["lifetime_value"]) == {"key", "label", "type", "description", "computed"}
    path = f"/api/contacts/{Contact.objects.create().pk}/metrics/"
    body = assert_problem(program.put(path, {"lifetime_value": 5}), 400, "contact_invalid")
    assert [(error["path"], error["code"]) for error in body["errors"]] == [
        ("lifetime_value", "computed")
    ]
    assert_problem(program.delete("/api/metrics/lifetime_value/"), 409, "definition_in_use")


def test_what_segments_ask_for_cannot_be_deleted(program: Program) -> None:
    rules = []
    for resource, shape in SHAPES.items():
        program.post(f"/api/{resource}/", shape)
        kind, key = KINDS[resource].value, shape["key"]
        if kind in {"tag", "category"}:
            rules.append({"field": kind, "operator": "in", "value": [key]})
        else:
            rules.append({"field": f"{kind}.{key}", "operator": "notNull"})
    segment = Segment.objects.create(
        key="s", name="Loyal", criteria={"combinator": "and", "rules": rules}
    )
    for resource, shape in SHAPES.items():
        body = assert_problem(program.delete(f"/api/{resource}/{shape['key']}/"), 409)
        assert "Loyal" in body["detail"]
    Segment.objects.filter(pk=segment.pk).update(status="archived", updated_at=timezone.now())
    assert program.delete("/api/tags/vip/").status_code == 204
    assert not Tag.objects.exists()


def test_definitions_need_their_scopes(make_program: MakeProgram) -> None:
    reader, writer = make_program("contacts:read"), make_program("contacts:write")
    assert_problem(reader.post("/api/tags/", SHAPES["tags"]), 403)
    assert writer.post("/api/tags/", SHAPES["tags"]).status_code == 201
    assert_problem(writer.get("/api/tags/"), 403)
    assert_problem(reader.delete("/api/tags/vip/"), 403)
    assert reader.get("/api/tags/vip/").status_code == 200
