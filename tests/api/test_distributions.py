"""Distributions over HTTP."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from loyalty.models import Distribution, DistributionTask
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.factories import make_contact
from tests.loyalty.distributions import holders, make_reviewers, make_template, make_webhook, run
from tests.loyalty.gift_cards import make_campaign

pytestmark = pytest.mark.django_db
LIST = "/api/distributions/"


def make(program: Program, **given: Any) -> Any:
    body = {
        "key": "cards",
        "name": "Cards",
        "trigger": {"kind": "segment_entered", "key": "reviewers"},
        "campaign": "review-gift-cards",
        **given,
    }
    answer = program.post(LIST, body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_distribution_has_the_documented_shape(program: Program) -> None:
    make_reviewers()
    make_campaign(count=1)
    template = make_template()
    body = make(program, channel="email", template=template.key)
    connection = body["connection"]
    assert isinstance(connection, int)
    assert {name: value for name, value in body.items() if not name.endswith("_at")} == {
        "key": "cards",
        "name": "Cards",
        "trigger": {"kind": "segment_entered", "key": "reviewers"},
        "include_present": False,
        "audience": None,
        "campaign": "review-gift-cards",
        "channel": "email",
        "connection": connection,
        "template": "card",
        "state": "draft",
        "paused_reason": "",
        "waits_until": None,
        "waiting_reason": "",
    }
    assert program.get(f"{LIST}cards/").json() == body
    assert program.get(f"{LIST}?state=draft").json()["results"] == [body]
    assert program.get(f"{LIST}?state=active").json()["results"] == []


def test_it_is_changed_activated_paused_and_kept(program: Program) -> None:
    make_reviewers()
    make_campaign(count=1)
    make(program)
    webhook = make_webhook()
    changed = program.patch(f"{LIST}cards/", {"channel": "webhook", "connection": webhook.pk})
    assert (changed.json()["channel"], changed.json()["connection"]) == ("webhook", webhook.pk)
    assert program.post(f"{LIST}cards/activate/").json()["state"] == "active"
    assert program.post(f"{LIST}cards/pause/").json()["state"] == "paused"
    other = {"trigger": {"kind": "event", "key": "review_left"}}
    body = assert_problem(program.patch(f"{LIST}cards/", other), 400, "distribution_invalid")
    assert [(one["path"], one["code"]) for one in body["errors"]] == [("trigger", "fixed")]
    assert_problem(program.delete(f"{LIST}cards/"), 409, "distribution_not_draft")


def test_by_hand_it_is_sent_to_its_segment_or_to_one(program: Program) -> None:
    people = [make_contact(city="Oslo").pk for _n in range(2)]
    other = make_contact().pk
    make_reviewers()
    campaign = make_campaign(count=5)
    make(program, trigger={"kind": "manual", "key": "reviewers"})
    assert program.post(f"{LIST}cards/send/", {}).json() == {"contacts": 2}
    assert program.post(f"{LIST}cards/send/", {"contact": other}).json() == {"contacts": 1}
    run(timezone.now())
    assert holders(campaign) == [*people, other]
    tasks = program.get(f"{LIST}cards/tasks/?state=done").json()["results"]
    assert [task["contact_id"] for task in tasks] == [other, *reversed(people)]
    assert program.get(f"{LIST}cards/tasks/?contact={other}").json()["results"] == tasks[:1]


def test_what_failed_is_tried_again(program: Program) -> None:
    make_reviewers()
    make_campaign(count=1)
    make(program)
    program.post(f"{LIST}cards/activate/")
    task = DistributionTask.objects.create(
        distribution=Distribution.objects.get(),
        contact=make_contact(),
        cause="x",
        state="failed",
        due_at=timezone.now(),
        finished_at=timezone.now(),
    )
    assert program.post(f"{LIST}cards/retry/", {"ids": [task.pk + 1]}).json() == {"tasks": 0}
    assert program.post(f"{LIST}cards/retry/", {}).json() == {"tasks": 1}


def test_faults_are_told_with_their_paths(program: Program) -> None:
    body = {"name": "", "trigger": {"kind": "event"}, "campaign": "none", "channel": "email"}
    told = assert_problem(program.post(LIST, body), 400, "distribution_invalid")
    assert {one["path"] for one in told["errors"]} == {
        "name",
        "trigger.key",
        "campaign",
        "template",
    }


def test_scopes_and_groups_are_asked(make_program: MakeProgram) -> None:
    make_reviewers()
    campaign = make_campaign(count=1)
    campaign.groups.add(poland := Group.objects.create(name="Poland"))
    make(make_program(groups=(poland,)))
    assert_problem(make_program().get(f"{LIST}cards/"), 404, "distribution_unknown")
    assert_problem(make_program().post(f"{LIST}cards/activate/"), 404)
    assert_problem(
        make_program("loyalty:read", groups=(poland,)).post(f"{LIST}cards/activate/"), 403
    )
    assert_problem(make_program("segments:read").get(LIST), 403)
