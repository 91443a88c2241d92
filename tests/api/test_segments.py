"""Segments over HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from contacts.models import AttributeDefinition, Contact, Identity
from segments import checkups, membership
from segments.models import MembershipChange, Segment
from tests.api.conftest import MakeProgram, Program, assert_problem
from workspace import jobs
from workspace.models import AuditEntry, Job, UserGroup

pytestmark = pytest.mark.django_db
EVERYONE: dict[str, Any] = {"combinator": "and", "rules": []}
NOBODY: dict[str, Any] = {"combinator": "or", "rules": []}


def of_city(city: str) -> dict[str, Any]:
    rule = {"field": "contact.city", "operator": "=", "value": city}
    return {"combinator": "and", "rules": [rule]}


def make(program: Program, key: str, criteria: Any = None, **given: Any) -> dict[str, Any]:
    answer = program.post(
        "/api/segments/", {"key": key, "name": key, "criteria": criteria or EVERYONE, **given}
    )
    assert answer.status_code == 201, answer.content
    body: dict[str, Any] = answer.json()
    return body


def refresh(key: str) -> None:
    membership.refresh(Segment.objects.get(key=key).pk, as_of=timezone.now(), cause="test")


def people(*cities: str) -> list[Contact]:
    return [Contact.objects.create(city=city, email=f"{city}@example.com") for city in cities]


def test_a_segment_has_the_promised_shape(program: Program) -> None:
    body = make(
        program,
        "vip",
        of_city("Warszawa"),
        description="They pay.",
        refresh={"mode": "interval", "every": {"amount": 6, "unit": "hour"}},
        readiness_hours=48,
        members_only=True,
    )
    assert {name: body[name] for name in body if name not in {"created_at", "updated_at"}} == {
        "key": "vip",
        "name": "vip",
        "description": "They pay.",
        "criteria": of_city("Warszawa"),
        "version": 1,
        "status": "active",
        "groups": [],
        "members_only": True,
        "calculation": {
            "state": "waiting",
            "calculated_at": None,
            "ready_until": None,
            "members": 0,
            "failure": "",
        },
        "refresh": {"mode": "interval", "every": {"amount": 6, "unit": "hour"}},
        "readiness_hours": 48,
        "source": "criteria",
        "imported": None,
    }
    assert program.get("/api/segments/vip/").json() == body
    assert program.get("/api/segments/").json()["results"] == [body]
    assert Job.objects.get().kind == membership.REFRESH_JOB, "the first calculation starts at once"


def test_what_is_changed_is_what_is_named(program: Program) -> None:
    before = make(program, "vip", of_city("Kraków"))
    after = program.patch("/api/segments/vip/", {"name": "Very important"}).json()
    assert after["name"] == "Very important"
    assert after["criteria"] == before["criteria"]
    after = program.patch("/api/segments/vip/", {"criteria": of_city("Łódź")}).json()
    assert after["version"] == 2
    versions = program.get("/api/segments/vip/versions/").json()["results"]
    assert [version["number"] for version in versions] == [2, 1]
    assert versions[1]["criteria"] == before["criteria"]


def test_criteria_that_are_wrong_are_told_fault_by_fault(program: Program) -> None:
    wrong = {
        "combinator": "and",
        "rules": [
            {"field": "contact.nothing", "operator": "=", "value": 1},
            {"field": "tag", "operator": "in", "value": ["unknown"]},
        ],
    }
    body = assert_problem(
        program.post("/api/segments/", {"key": "x", "name": "x", "criteria": wrong}), 400
    )
    assert [(fault["path"], fault["code"]) for fault in body["criteria"]] == [
        ("rules[0].field", "unknown_field"),
        ("rules[1].value[0]", "unknown_key"),
    ]
    assert [error["path"] for error in body["errors"]] == ["criteria"]
    assert not Segment.objects.exists()
    assert_problem(program.post("/api/segments/preview/", {"criteria": wrong}), 400)


@pytest.mark.parametrize("criteria", [None, [], "text", 3, {}, {"combinator": "xor", "rules": []}])
def test_criteria_that_are_no_document_are_400(program: Program, criteria: Any) -> None:
    body = {"key": "x", "name": "x", "criteria": criteria}
    assert assert_problem(program.post("/api/segments/", body), 400)["criteria"]
    assert assert_problem(program.post("/api/segments/preview/", {"criteria": criteria}), 400)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, "name"),
        ({"colour": "red"}, "colour"),
        ({"status": "archived"}, "status"),
        ({"key": "other"}, "key"),
        ({"refresh": {"mode": "never"}}, "refresh.mode"),
        ({"refresh": {"mode": "interval"}}, "refresh.every"),
        ({"refresh": {"mode": "once", "at": 3}}, "refresh.at"),
        ({"refresh": {"mode": "interval", "every": {"amount": 0, "unit": "day"}}}, "refresh.every"),
        ({"readiness_hours": 0}, "readiness_hours"),
        ({"readiness_hours": "soon"}, "readiness_hours"),
        ({"groups": ["Nowhere"]}, "groups[0]"),
        ({"members_only": "perhaps"}, "members_only"),
    ],
)
def test_what_cannot_be_is_400_and_named(
    program: Program, change: dict[str, Any], path: str
) -> None:
    before = make(program, "vip")
    body = assert_problem(program.patch("/api/segments/vip/", change), 400)
    assert body["errors"][0]["path"].startswith(path), body
    assert program.get("/api/segments/vip/").json() == before


def test_the_life_of_a_segment(program: Program) -> None:
    make(program, "vip")
    assert_problem(program.delete("/api/segments/vip/"), 405, "method_not_allowed")
    assert_problem(program.post("/api/segments/vip/archive/"), 409, "segment_not_inactive")
    assert program.post("/api/segments/vip/inactivate/").json()["status"] == "inactive"
    assert_problem(program.post("/api/segments/vip/refresh/"), 409, "segment_inactive")
    assert program.post("/api/segments/vip/activate/").json()["status"] == "active"
    program.post("/api/segments/vip/inactivate/")
    assert program.post("/api/segments/vip/archive/").json()["status"] == "archived"
    assert_problem(program.post("/api/segments/vip/activate/"), 409, "segment_archived")
    assert_problem(program.patch("/api/segments/vip/", {"name": "x"}), 409, "segment_archived")
    copied = program.post("/api/segments/vip/copy/", {"key": "vip2"})
    assert copied.status_code == 201
    assert copied.json()["status"] == "active"


def test_a_refresh_is_a_job(program: Program) -> None:
    people("Kraków", "Łódź")
    make(program, "vip")
    answer = program.post("/api/segments/vip/refresh/")
    assert answer.status_code == 202
    address = answer.json()["job"]
    assert program.get(address).json()["state"] == "queued"
    jobs.run(program.get(address).json()["id"])
    job = program.get(address).json()
    assert (job["state"], job["done"], job["total"]) == ("succeeded", 2, 2)
    assert job["result"]["member_count"] == 2
    calculation = program.get("/api/segments/vip/").json()["calculation"]
    assert (calculation["state"], calculation["members"]) == ("ready", 2)


def test_members_and_how_it_came_to_them(program: Program) -> None:
    found = people("Kraków", "Kraków", "Łódź")
    Identity.objects.create(namespace="user_id", value="u-1", contact=found[0])
    make(program, "k", of_city("Kraków"))
    refresh("k")
    first, second = program.get("/api/segments/k/members/").json()["results"]
    assert first["contact"] == {
        "id": found[0].pk,
        "external_id": "u-1",
        "email": "Kraków@example.com",
    }
    assert second["contact"]["external_id"] is None
    Contact.objects.filter(pk=found[0].pk).update(city="Łódź")
    refresh("k")
    changes = program.get("/api/segments/k/changes/").json()["results"]
    assert [(c["contact_id"], c["kind"]) for c in changes] == [
        (found[0].pk, "entered"),
        (found[1].pk, "entered"),
        (found[0].pk, "left"),
    ]
    left = program.get("/api/segments/k/changes/?kind=left").json()["results"]
    assert left == changes[2:]
    since = changes[2]["at"].replace("+", "%2B")
    assert program.get(f"/api/segments/k/changes/?since={since}").json()["results"] == left
    assert program.get(f"/api/segments/k/changes/?until={since}").json()["results"] == changes[:2]
    latest, earliest = program.get("/api/segments/k/history/").json()["results"]
    assert (latest["members"], latest["entered"], latest["left"]) == (1, 0, 1)
    assert (earliest["members"], earliest["entered"], earliest["left"]) == (2, 2, 0)
    assert latest["milliseconds"] > 0
    assert_problem(program.get("/api/segments/k/changes/?kind=moved"), 400)
    assert_problem(program.get("/api/segments/k/changes/?since=soon"), 400)


@pytest.mark.parametrize("part", ["members", "changes", "changes/?ordering=-at"])
def test_pages_of_members_and_changes_lead_there_and_back(program: Program, part: str) -> None:
    people(*["Kraków"] * 7)
    make(program, "k")
    refresh("k")
    path, _mark, query = part.partition("/?")
    start = f"/api/segments/k/{path}/?page_size=3&{query}".rstrip("&")
    pages, address = [], start
    while address:
        page = program.get(address).json()
        pages.append(page["results"])
        last, address = address, page["next"]
    assert [len(page) for page in pages] == [3, 3, 1]
    back = []
    while last:
        page = program.get(last).json()
        back.append(page["results"])
        last = page["previous"]
    assert back[::-1] == pages
    assert_problem(program.get(f"{start}&cursor=WyIiLDAsIngiXQ"), 400)


def test_previews_count_without_saving(program: Program, make_program: MakeProgram) -> None:
    people("Kraków", "Kraków", "Łódź")
    answer = program.post("/api/segments/preview/", {"criteria": of_city("Kraków")})
    body = answer.json()
    assert (body["count"], body["exact"], len(body["sample"])) == (2, True, 2)
    assert body["sample"][0]["city"] == "Kraków"
    assert body["milliseconds"] > 0
    assert datetime.fromisoformat(body["as_of"]).tzinfo
    assert not Segment.objects.exists()
    reader = make_program("segments:read")
    sample = reader.post("/api/segments/preview/", {"criteria": EVERYONE}).json()["sample"]
    assert set(sample[0]) == {"id", "external_id", "email"}, "it may not read contacts"
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = program.post("/api/segments/preview/", {"criteria": EVERYONE, "as_of": soon}).json()
    assert datetime.fromisoformat(body["as_of"]) == datetime.fromisoformat(soon)
    assert_problem(program.post("/api/segments/preview/", {"criteria": EVERYONE, "x": 1}), 400)
    assert_problem(program.post("/api/segments/preview/", {}), 400)


def test_explanations_say_why(program: Program) -> None:
    (contact,) = people("Łódź")
    make(program, "k", of_city("Kraków"))
    body = program.get(f"/api/segments/k/explain/{contact.pk}/").json()
    assert body["contact_id"] == contact.pk
    assert body["segment"] == "k"
    assert body["member"] is False
    assert "Kraków" in body["sentence"]
    (clause,) = body["clauses"]
    assert (clause["path"], clause["holds"], clause["value"]) == ("rules[0]", False, "Łódź")
    assert (clause["deciding"], clause["since"], clause["until"]) == (True, None, None)
    assert body["would_change"] == [
        {
            "path": "rules[0]",
            "should_hold": True,
            "sentence": clause["sentence"],
            "words": clause["words"],
        }
    ]
    assert body["changes_at"] is None
    assert_problem(program.get("/api/segments/k/explain/999999/"), 404, "contact_unknown")


def test_overlap_counts_every_combination(program: Program) -> None:
    for city, language in [("A", "pl"), ("A", "de"), ("A", "de"), ("B", "de"), ("C", "fr")]:
        Contact.objects.create(city=city, language=language)
    german = {"field": "contact.language", "operator": "=", "value": "de"}
    make(program, "a", of_city("A"))
    make(program, "german", {"combinator": "and", "rules": [german]})
    make(program, "all")
    for key in ("a", "german", "all"):
        refresh(key)
    sets = program.get("/api/segments/overlap/?keys=a,german,all").json()["sets"]
    assert [(s["keys"], s["count"], s["only"]) for s in sets] == [
        (["a"], 3, 0),
        (["german"], 3, 0),
        (["all"], 5, 1),
        (["a", "german"], 2, 0),
        (["a", "all"], 3, 1),
        (["german", "all"], 3, 1),
        (["a", "german", "all"], 2, 2),
    ]


@pytest.mark.parametrize("keys", ["", "a,a", "a,b,c,d,e,f,g"])
def test_overlap_of_none_or_too_many_is_400(program: Program, keys: str) -> None:
    for key in "abcdefg":
        make(program, key)
    assert_problem(program.get(f"/api/segments/overlap/?keys={keys}"), 400)
    assert_problem(program.get("/api/segments/overlap/?keys=a,zzz"), 404)


def test_the_catalog_names_what_may_be_asked(program: Program) -> None:
    AttributeDefinition.objects.create(key="shoe", label="Shoe size", type="number")
    catalog = program.get("/api/segments/catalog/").json()
    fields = {field["field"]: field for field in catalog["fields"]}
    assert fields["attribute.shoe"]["type"] == "number"
    assert "between" in fields["attribute.shoe"]["operators"]


def test_uses_name_the_segments_that_name_it(program: Program) -> None:
    make(program, "base")
    rule = {"field": "segment", "operator": "in", "value": ["base"]}
    make(program, "above", {"combinator": "and", "rules": [rule]})
    body = program.get("/api/segments/base/uses/").json()
    assert body["segments"] == [{"key": "above", "name": "above", "status": "active"}]
    (use,) = body["uses"]
    page = reverse("admin:segments_segment_change", args=[Segment.objects.get(key="above").pk])
    assert use == {
        "kind": "segment",
        "label": "Segment",
        "name": "above",
        "key": "above",
        "state": "active",
        "effect": "",
        "url": page,
    }


def test_uses_say_nothing_of_what_one_may_not_know_of(
    program: Program, make_program: MakeProgram, poland: Group
) -> None:
    make(program, "base")
    rule = {"field": "segment", "operator": "in", "value": ["base"]}
    insider = make_program(groups=(poland,))
    make(insider, "hidden", {"combinator": "and", "rules": [rule]}, groups=["Poland"])
    assert len(insider.get("/api/segments/base/uses/").json()["uses"]) == 1
    assert program.get("/api/segments/base/uses/").json() == {"segments": [], "uses": []}


def test_segments_are_listed_by_section(program: Program) -> None:
    make(program, "new")
    make(program, "ready")
    refresh("ready")
    listed = program.get("/api/segments/?section=ready").json()["results"]
    assert [segment["key"] for segment in listed] == ["ready"]
    assert_problem(program.get("/api/segments/?section=nowhere"), 400)


def test_health_says_what_is_wrong_and_what_to_do(program: Program) -> None:
    rule = {"field": "contact.lead_score", "operator": "null"}
    make(program, "well")
    healthy = {"findings": [], "mail_findings": False}
    assert program.get("/api/segments/well/health/").json() == healthy
    make(program, "bad", {"combinator": "and", "rules": [rule]}, mail_findings=True)
    body = program.get("/api/segments/bad/health/").json()
    assert body["mail_findings"] is True
    (finding,) = body["findings"]
    assert (finding["kind"], finding["others"]) == ("contradiction", [])
    assert finding["message"].startswith("Nobody can ever fit")
    assert finding["advice"]
    assert_problem(program.get("/api/segments/none/health/"), 404)


def test_health_names_duplicates_to_who_may_know_them(
    program: Program, make_program: MakeProgram, poland: Group
) -> None:
    make(program, "seen")
    insider = make_program(groups=(poland,))
    make(insider, "hidden", groups=["Poland"])
    checkups.check_all(as_of=timezone.now())
    (finding,) = insider.get("/api/segments/seen/health/").json()["findings"]
    assert finding["others"] == [{"key": "hidden", "name": "hidden", "status": "active"}]
    assert program.get("/api/segments/seen/health/").json()["findings"] == []


@pytest.fixture
def poland(db: None) -> Group:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    return group


def test_outside_its_groups_a_segment_does_not_exist(
    make_program: MakeProgram, poland: Group
) -> None:
    (contact,) = people("Kraków")
    insider, outsider = make_program(groups=(poland,)), make_program()
    make(insider, "pl", groups=["Poland"])
    refresh("pl")
    assert insider.get("/api/segments/pl/").json()["groups"] == ["Poland"]
    assert insider.get("/api/contacts/?segment=pl").json()["results"]
    make(outsider, "seen")
    for method, path in [
        *[("GET", ""), ("PATCH", ""), ("GET", "members/"), ("GET", "history/")],
        *[("GET", "changes/"), ("GET", "versions/"), ("GET", "uses/"), ("GET", "health/")],
        *[("GET", f"explain/{contact.pk}/"), ("POST", "refresh/"), ("POST", "copy/")],
        *[("POST", "activate/"), ("POST", "inactivate/"), ("POST", "archive/")],
    ]:
        hidden = assert_problem(outsider.send(method, f"/api/segments/pl/{path}", {}), 404)
        absent = assert_problem(outsider.send(method, f"/api/segments/no/{path}", {}), 404)
        assert str(hidden).replace("pl", "no") == str(absent)
    assert [s["key"] for s in outsider.get("/api/segments/").json()["results"]] == ["seen"]
    assert outsider.get("/api/segments/?group=Poland").json()["results"] == []
    assert_problem(outsider.get("/api/segments/overlap/?keys=seen,pl"), 404)
    assert outsider.get(f"/api/contacts/{contact.pk}/segments/").json()["results"] == []
    assert outsider.get("/api/contacts/?segment=pl").json()["results"] == []
    rule = {"field": "segment", "operator": "in", "value": ["pl"]}
    body = outsider.post(
        "/api/segments/preview/", {"criteria": {"combinator": "and", "rules": [rule]}}
    )
    assert assert_problem(body, 400)["criteria"][0]["code"] == "unknown_key"
    assert_problem(outsider.post("/api/exports/", {"segment": "pl"}), 404)
    (own,) = insider.get(f"/api/contacts/{contact.pk}/segments/").json()["results"]
    assert own["key"] == "pl"


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("segments:read", {"GET"}), ("segments:write", {"PATCH", "POST"}), ("contacts:write", set())],
)
def test_reading_and_writing_need_their_scopes(
    make_program: MakeProgram, scope: str, allowed: set[str]
) -> None:
    make(make_program(), "vip")
    program = make_program(scope)
    for method, path in [
        *[("GET", ""), ("GET", "vip/"), ("GET", "vip/members/"), ("GET", "catalog/")],
        *[("POST", ""), ("PATCH", "vip/"), ("POST", "vip/inactivate/"), ("POST", "vip/refresh/")],
    ]:
        answer = program.send(method, f"/api/segments/{path}", None if method == "GET" else {})
        assert (answer.status_code == 403) == (method not in allowed), (method, path)


def test_people_need_the_permission_of_the_verb(staff: Callable[..., Program]) -> None:
    marketer = staff("segments.view_segment", "segments.add_segment")
    make(marketer, "vip")
    assert marketer.get("/api/segments/vip/members/").status_code == 200
    assert_problem(marketer.post("/api/segments/vip/inactivate/"), 403, "not_allowed")
    assert_problem(marketer.post("/api/exports/", {"segment": "vip"}), 403, "not_allowed")


def test_an_export_is_made_and_fetched(
    program: Program, make_program: MakeProgram, settings: Any, tmp_path: Path
) -> None:
    settings.EXPORTS_ROOT = tmp_path
    people("Kraków", "=SUM(A1)")
    make(program, "all")
    refresh("all")
    answer = program.post(
        "/api/exports/", {"segment": "all", "columns": ["id", "city"], "format": "csv"}
    )
    assert answer.status_code == 202
    export = answer.json()
    assert (export["segment"], export["state"], export["rows"]) == ("all", "queued", None)
    path = f"/api/exports/{export['id']}/"
    assert_problem(program.get(f"{path}download/"), 409, "export_not_ready")
    jobs.run(program.get(export["job"]).json()["id"])
    ready = program.get(path).json()
    assert (ready["state"], ready["rows"]) == ("ready", 2)
    fetched = program.get(f"{path}download/")
    assert "attachment" in fetched["Content-Disposition"]
    content = b"".join(fetched.streaming_content)
    assert len(content) == ready["size"]
    assert b"'=SUM" in content
    assert AuditEntry.objects.filter(action="export.downloaded").count() == 1
    assert program.get("/api/exports/?segment=all").json()["results"] == [ready]
    other = make_program()
    assert_problem(other.get(f"{path}download/"), 404, "export_unknown")
    assert other.get("/api/exports/").json()["results"] == []


def test_an_export_of_everyone_needs_the_right_to_read_contacts(make_program: MakeProgram) -> None:
    everyone = {"everyone": True}
    assert make_program().post("/api/exports/", everyone).status_code == 202
    narrow = make_program("segments:write")
    assert_problem(narrow.post("/api/exports/", everyone), 403, "not_allowed")
    body = assert_problem(make_program().post("/api/exports/", {"columns": ["nothing"]}), 400)
    assert body["errors"][0]["path"] == "columns[0]"


def test_a_creation_sent_again_makes_one_segment(program: Program) -> None:
    body = {"key": "vip", "name": "vip", "criteria": EVERYONE}
    first = program.post("/api/segments/", body, Idempotency_Key="k")
    again = program.post("/api/segments/", body, Idempotency_Key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert_problem(program.post("/api/segments/", body), 400)
    assert Segment.objects.count() == Job.objects.count() == 1


def test_lists_of_twenty_cost_what_lists_of_one_cost(
    program: Program, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        make(program, f"s{number:02}")
    with django_assert_max_num_queries(12):
        assert len(program.get("/api/segments/").json()["results"]) == 20
    assert not MembershipChange.objects.exists()
