"""Criteria in a form: what the builder is told, and what stands there without it."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group

from segments.saved_criteria import create_saved_criteria
from segments.widgets import CriteriaWidget, sentence_of
from tests.segments.factories import NOW, is_in, lives_in, make_segment
from workspace.access import SYSTEM, Actor
from workspace.errors import Problem
from workspace.models import AuditEntry, UserGroup

pytestmark = pytest.mark.django_db
EVERYONE = '{"combinator": "and", "rules": []}'
PERSON = Actor(
    AuditEntry.ActorKind.USER,
    None,
    "x",
    permissions=frozenset({"segments.view_segment", "segments.view_savedcriteria"}),
)


def config_of(widget: CriteriaWidget, text: str = EVERYONE) -> dict[str, Any]:
    found = re.search(
        r'<script id="criteria-config" type="application/json">(.*?)</script>',
        widget.render("criteria", text, {"id": "id_criteria"}),
    )
    assert found
    config: dict[str, Any] = json.loads(found[1])
    return config


def test_the_builder_is_told_what_may_be_asked_and_where_it_asks() -> None:
    segment = make_segment("base")
    config = config_of(CriteriaWidget(actor=SYSTEM, segment=segment))
    assert {"preview", "counts", "values", "event"} == set(config["urls"])
    assert config["segment"] == segment.pk
    assert config["links"]["members"].endswith(f"/{segment.pk}/members/")
    assert config["texts"]["include"]
    fields = {field["field"]: field for field in config["catalog"]["fields"]}
    assert fields["contact.city"]["operators"]
    assert fields["segment"]["choices"] == [], "it would turn in a circle"


def test_saved_criteria_keep_their_digits() -> None:
    rule = {"field": "contact.lead_score", "operator": ">", "value": Decimal("0.10")}
    document = {"combinator": "and", "rules": [rule]}
    create_saved_criteria(actor=SYSTEM, at=NOW, name="Dear", criteria=document)
    [saved] = config_of(CriteriaWidget(actor=SYSTEM))["saved"]
    assert saved["name"] == "Dear"
    assert '"value": 0.10' in saved["criteria"]


def test_what_one_may_not_know_of_is_not_told() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["segment"])
    make_segment("secret", name="Secret plan", groups=["Poland"])
    for name, groups in (("Secret set", ["Poland"]), ("Open set", ["Poland"])):
        saved = create_saved_criteria(
            actor=SYSTEM, at=NOW, name=name, criteria=is_in("secret"), groups=groups
        )
    saved.groups.clear()
    config = config_of(CriteriaWidget(actor=PERSON))
    assert [one["name"] for one in config["saved"]] == ["Open set"]
    assert "secret" not in json.dumps(config).lower().replace("secrets", "")


def test_without_scripts_the_sentence_and_the_faults_are_there() -> None:
    widget = CriteriaWidget(actor=SYSTEM)
    widget.problems = (Problem("rules[0].value", "missing_value", "Give a value."),)
    page = widget.render("criteria", json.dumps(lives_in("Oslo")), {"id": "id_criteria"})
    without = page.partition("<noscript>")[2]
    assert "“City” is “Oslo”" in without
    assert 'data-path="rules[0].value"' in without


def test_what_is_only_shown_is_not_sent() -> None:
    page = CriteriaWidget(actor=SYSTEM, is_read_only=True).render("criteria", EVERYONE)
    assert 'name="criteria"' not in page
    assert config_of(CriteriaWidget(actor=SYSTEM, is_read_only=True))["read_only"]


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, "null"])
def test_what_is_no_document_is_said_without_an_error(text: str) -> None:
    assert isinstance(sentence_of(text, actor=SYSTEM), str)


def test_conditions_on_an_event_are_built_in_the_same_way() -> None:
    config = config_of(CriteriaWidget(actor=SYSTEM, event="purchase"))
    assert (config["mode"], config["event"]) == ("where", "purchase")
    assert set(config["urls"]) == {"values", "event"}, "there are no contacts to count"
