"""Templates over HTTP."""

from typing import Any

import pytest

from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.factories import make_contact

pytestmark = pytest.mark.django_db
LIST = "/api/templates/"


def make(program: Program, **given: Any) -> Any:
    body = {"name": "Card", "subject": "Your card", "text": "Dear {{ contact.first_name }}"}
    answer = program.post(LIST, {**body, **given})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_template_has_the_documented_shape(program: Program) -> None:
    body = make(program, html="<p>Hi</p>")
    assert {name: value for name, value in body.items() if not name.endswith("_at")} == {
        "key": "card",
        "name": "Card",
        "channel": "email",
        "language": "",
        "subject": "Your card",
        "text": "Dear {{ contact.first_name }}",
        "html": "<p>Hi</p>",
        "mjml": "",
        "link": "",
        "icon": "",
        "variants": [],
    }
    assert program.get(f"{LIST}card/").json() == body
    assert program.get(LIST).json()["results"] == [body]


def test_it_is_changed_and_deleted_by_key(program: Program) -> None:
    make(program)
    assert program.patch(f"{LIST}card/", {"subject": " Hi"}).json()["subject"] == " Hi"
    assert_problem(program.patch(f"{LIST}card/", {"key": "other"}), 400)
    assert program.delete(f"{LIST}card/").status_code == 204
    assert_problem(program.get(f"{LIST}card/"), 404, "template_unknown")


def test_faults_are_told_with_their_paths(program: Program) -> None:
    body = {"name": "", "subject": "{{ x }}", "html": "{% if %}"}
    told = assert_problem(program.post(LIST, body), 400, "template_invalid")
    assert {(one["path"], one["code"]) for one in told["errors"]} == {
        ("name", "required"),
        ("subject", "unknown_variable"),
        ("html", "syntax"),
    }


def test_a_preview_is_filled_for_a_contact_or_with_examples(program: Program) -> None:
    make(program)
    contact = make_contact(first_name="Ola")
    address = f"{LIST}card/preview/"
    assert program.post(address, {"contact": contact.pk}).json()["text"] == "Dear Ola"
    assert program.post(address, {}).json() == {
        "subject": "Your card",
        "text": "Dear Anna",
        "html": "",
        "link": "",
        "icon": "",
        "language": "",
        "problems": [],
    }
    assert_problem(program.post(address, {"contact": contact.pk + 1}), 400, "template_invalid")


def test_it_is_translated_and_the_preview_follows(program: Program) -> None:
    polish = {"language": "pl", "subject": "Twoja karta"}
    body = make(program, language="en", variants=[polish])
    blank = dict.fromkeys(("text", "html", "mjml", "link"), "")
    assert body["variants"] == [{**polish, **blank}]
    contact = make_contact(first_name="Ola", language="pl_PL")
    address = f"{LIST}card/preview/"
    seen = program.post(address, {"contact": contact.pk}).json()
    assert (seen["subject"], seen["text"], seen["language"]) == ("Twoja karta", "Dear Ola", "pl")
    assert program.post(address, {"language": "de"}).json()["subject"] == "Your card"
    changed = program.patch(f"{LIST}card/", {"variants": [{"language": "de", "text": "{{ x }}"}]})
    told = assert_problem(changed, 400, "template_invalid")
    assert [one["path"] for one in told["errors"]] == ["variants.de.text"]
    assert program.patch(f"{LIST}card/", {"variants": []}).json()["variants"] == []


def test_a_push_message_and_mjml_are_taken(program: Program) -> None:
    push = {"channel": "push", "name": "Thanks", "subject": "Thanks", "text": "Hi", "html": ""}
    body = make(program, **push, link="https://shop.example/", icon="https://shop.example/i.png")
    assert (body["channel"], body["link"]) == ("push", "https://shop.example/")
    told = assert_problem(
        program.post(LIST, {"name": "x", "subject": "x", "mjml": "<mjml><mj-foo/></mjml>"}), 400
    )
    assert {(one["path"], one["code"]) for one in told["errors"]} == {("mjml", "mjml")}


def test_scopes_are_asked(make_program: MakeProgram) -> None:
    make(make_program())
    reader = make_program("integrations:read")
    contact = make_contact(first_name="Ola")
    assert reader.get(f"{LIST}card/").status_code == 200
    assert reader.post(f"{LIST}card/preview/", {}).status_code == 200
    assert_problem(reader.post(f"{LIST}card/preview/", {"contact": contact.pk}), 403)
    assert_problem(reader.delete(f"{LIST}card/"), 403)
    assert_problem(make_program("loyalty:write").get(LIST), 403)
