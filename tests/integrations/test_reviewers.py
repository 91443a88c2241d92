"""Michael Scott leaves a review: from the request of a shop to the segment and the timeline."""

import pytest
from django.test import Client
from django.utils import timezone

from contacts.models import Contact
from integrations import sources
from integrations.digestion import digest
from segments import lifecycle, membership
from segments.models import Membership, MembershipChange, Segment
from segments.realtime.following import follow
from tests.api.conftest import Program
from tests.integrations.sending import basic
from workspace.access import SCOPES, SYSTEM
from workspace.keys import create_api_user

pytestmark = pytest.mark.django_db


def _reviewers() -> Segment:
    """Those who ever left a review of four stars or more."""
    stars = {"field": "properties.rating", "operator": ">=", "value": 4}
    rule = {"field": "event.review_left", "operator": ">=", "value": 1}
    where = {"combinator": "and", "rules": [stars]}
    segment = lifecycle.create_segment(
        actor=SYSTEM,
        at=timezone.now(),
        name="Reviewers",
        criteria={"combinator": "and", "rules": [{**rule, "where": where}]},
        refresh_mode=Segment.RefreshMode.REALTIME,
    )
    membership.refresh(segment.pk, as_of=timezone.now(), cause="test")
    return segment


def _send(write_key: str, call: str, body: dict[str, object]) -> None:
    answer = Client().post(
        f"/v1/{call}",
        body,
        content_type="application/json",
        headers={"Authorization": basic(write_key)},
    )
    assert answer.json() == {"success": True}


def _follow_up() -> None:
    """What the process of the rounds does as soon as it is called."""
    for work in (digest, follow):
        while work(timezone.now()):
            pass


def test_whoever_leaves_a_review_is_a_reviewer_at_once() -> None:
    _source, write_key = sources.create_source(name="Shop", actor=SYSTEM, at=timezone.now())
    _send(write_key, "track", {"userId": "kevin", "event": "review_left", "properties": {}})
    _follow_up()
    segment = _reviewers()
    _send(write_key, "identify", {"userId": "michael", "traits": {"name": "Michael Scott"}})
    _follow_up()
    review = {"event": "review_left", "properties": {"rating": 5}}
    _send(write_key, "track", {"userId": "michael", **review})
    _send(write_key, "track", {"userId": "kevin", "event": "review_left", "properties": {}})
    _follow_up()

    (member,) = Membership.objects.filter(segment=segment)
    michael = Contact.objects.get(pk=member.contact_id)
    assert (michael.first_name, michael.last_name) == ("Michael", "Scott")
    change = MembershipChange.objects.get(segment=segment)
    assert change.cause == "event:review_left"

    _api_user, key = create_api_user(name="p", actor=SYSTEM, at=timezone.now(), scopes=SCOPES)
    program = Program(key)
    definition = program.get("/api/event-definitions/review_left/").json()
    assert definition["last_event"]["name"] == "review_left"
    timeline = program.get(f"/api/contacts/{michael.pk}/timeline/").json()["results"]
    told = [(one["kind"], one["name"], one["properties"]) for one in timeline]
    assert ("event", "review_left", {"rating": 5}) in told
    entered = [one["details"] for one in timeline if one["kind"] == "segment"]
    assert [(one["segment"], one["change"]) for one in entered] == [("reviewers", "entered")]
