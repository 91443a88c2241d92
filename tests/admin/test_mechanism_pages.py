"""Mechanisms on the screen: kinds, forms, what goes on, who may have one, claims."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.models import Contact, Identity
from loyalty.models import Claim, Mechanism
from loyalty.programme.points import balance
from loyalty.rewards.claims import claim
from segments import lifecycle
from tests.admin.conftest import MakePerson
from tests.loyalty.mechanisms import (
    filled_segment,
    give_points,
    make_challenge,
    make_mechanism,
    make_members,
)
from tests.segments.factories import NOW
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
_MAY = ("loyalty.view_mechanism", "loyalty.change_mechanism", "loyalty.add_mechanism")


def _page(client: Client, name: str, *args: Any, query: str = "") -> str:
    answer = client.get(reverse(f"admin:loyalty_mechanism_{name}", args=args) + query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def _post(client: Client, address: str, **body: Any) -> Any:
    return client.post(address, {"segment_match": "any", "name": "Mug", **body})


@pytest.mark.parametrize("kind", Mechanism.Kind.values)
def test_each_kind_has_a_form_of_its_own(admin: Client, kind: str) -> None:
    assert f'value="{kind}"' in _page(admin, "add")
    page = _page(admin, "add", query=f"?kind={kind}&event=purchase")
    assert ('name="threshold"' in page) == (kind in {"challenge", "tier"})
    assert ('name="cost_points"' in page) == (kind not in {"challenge", "tier", "reward_category"})
    assert 'name="segments"' in page


def test_a_challenge_is_written_kept_and_changed(admin: Client) -> None:
    add = reverse("admin:loyalty_mechanism_add") + "?kind=challenge"
    where = (
        '{"combinator":"and","rules":[{"field":"properties.kind","operator":"=","value":"tea"}]}'
    )
    body = {
        "event": "purchase",
        "measure": "sum",
        "sum_of": "amount",
        "threshold": "99.5",
        "goal_period": "month",
        "bonus_points": "50",
        "where": where,
    }
    answer = _post(admin, add, **body)
    made = Mechanism.objects.get()
    assert answer.url == reverse("admin:loyalty_mechanism_change", args=[made.pk])
    assert (made.settings["property"], made.settings["period"]) == ("amount", "month")
    assert made.settings["where"]["rules"][0]["value"] == "tea"
    form = _page(admin, "settings", made.pk)
    assert 'value="99.5"' in form
    settings = reverse("admin:loyalty_mechanism_settings", args=[made.pk])
    _post(admin, settings, **{**body, "threshold": "1", "where": ""}, name="Buyer")
    made.refresh_from_db()
    assert (made.name, made.settings["threshold"], made.settings["where"]) == ("Buyer", "1", None)


def test_a_draft_is_kept_and_faults_stand_beside_their_fields(admin: Client) -> None:
    add = reverse("admin:loyalty_mechanism_add") + "?kind=reward"
    answer = _post(
        admin, add, period_limit="1", starts_at="2026-03-02T10:00", ends_at="2026-03-01T10:00"
    )
    assert answer.context["form"].errors.keys() == {"period", "ends_at"}
    _post(admin, add, _draft="1", type="physical", stock="5", cost_points="10")
    made = Mechanism.objects.get()
    assert (made.status, made.stock, made.cost_points) == ("draft", 5, 10)
    assert made.settings == {"type": "physical", "instructions": ""}


def test_the_form_offers_active_segments_and_keeps_the_others(
    admin: Client, make_person: MakePerson, scoped_group: Group
) -> None:
    ours, off, gone, theirs = (
        filled_segment(key, [], groups=["Poland"]) for key in ("ours", "off", "gone", "theirs")
    )
    for segment in (ours, off, gone):
        segment.groups.clear()
    made = make_mechanism(segments=["off", "theirs"])
    lifecycle.inactivate(off, actor=SYSTEM, at=NOW)
    lifecycle.inactivate(gone, actor=SYSTEM, at=NOW)
    person = make_person(*_MAY)
    answer = person.get(reverse("admin:loyalty_mechanism_settings", args=[made.pk]))
    choices = [key for key, _label in answer.context["form"].fields["segments"].choices]
    assert choices == ["ours", "off"]
    assert answer.context["form"].hidden_count == 1
    assert "Theirs" not in answer.content.decode()
    _post(person, reverse("admin:loyalty_mechanism_settings", args=[made.pk]), segments=["ours"])
    assert {one.key for one in made.segments.all()} == {"ours", theirs.key}


def test_the_overview_says_who_may_have_it_and_what_is_wrong(admin: Client) -> None:
    inside, _outside = make_members(2)
    vip = filled_segment("vip", [inside])
    made = make_mechanism(segments=["vip"], stock=5)
    assert "1 of 2 members may have it now" in _page(admin, "change", made.pk)
    listed = reverse("admin:loyalty_mechanism_changelist")
    assert "segment out of use" not in admin.get(listed).content.decode()
    lifecycle.inactivate(vip, actor=SYSTEM, at=NOW)
    page = _page(admin, "change", made.pk)
    assert "0 of 2 members may have it now" in page
    assert "Its members do not count: nobody may have it any more." in page
    assert "segment out of use" in admin.get(listed).content.decode()


def test_inactivating_a_segment_says_what_its_mechanisms_will_do(admin: Client) -> None:
    vip = filled_segment("vip", [])
    make_mechanism(segments=["vip"])
    page = admin.get(reverse("admin:segments_segment_change", args=[vip.pk]))
    (button,) = (one for one in page.context["buttons"] if one["name"] == "set_inactive")
    assert [line.note for line in button["affects"].things] == ["nobody may have it any more"]
    assert "no longer count" in button["affects"].text
    lifecycle.inactivate(vip, actor=SYSTEM, at=NOW)
    page = admin.get(reverse("admin:segments_segment_change", args=[vip.pk]))
    assert "nobody may have it any more" in page.content.decode()


def test_the_audience_is_counted_while_a_form_is_written(
    admin: Client, make_person: MakePerson
) -> None:
    inside, _outside = make_members(2)
    filled_segment("vip", [inside])
    address = reverse("admin:loyalty_mechanism_audience")
    body = {"kind": "reward", "segments": ["vip"], "cost_points": ""}
    assert "1 of 2 members" in _post(admin, address, **body).content.decode()
    body["cost_points"] = "5"
    assert "too few points" in _post(admin, address, **body).content.decode()
    assert _post(make_person("loyalty.view_mechanism"), address, **body).status_code == 403


def test_trying_tells_the_verdict_and_the_reason(admin: Client) -> None:
    inside, outside = make_members(2)
    filled_segment("vip", [inside])
    made = make_mechanism(segments=["vip"], restricted_message="For VIPs.")
    assert "may have it" in _page(admin, "try", made.pk, query=f"?contact=%23{inside}")
    page = _page(admin, "try", made.pk, query=f"?contact=%23{outside}")
    assert "For VIPs." in page
    assert "not_in_segment" in page
    assert "There is no contact" in _page(admin, "try", made.pk, query="?contact=nobody")


def test_claims_are_listed_used_and_taken_back(admin: Client, make_person: MakePerson) -> None:
    (member,) = make_members()
    give_points(member, 20)
    made = make_mechanism(cost_points=20)
    found = claim(made, contact_id=member, cause="a", actor=SYSTEM, at=NOW)
    address = reverse("admin:loyalty_mechanism_claims", args=[made.pk])
    assert "M0" in _page(admin, "claims", made.pk)
    looker = make_person("loyalty.view_mechanism")
    assert looker.post(address, {"claim": found.pk}).status_code == 403
    admin.post(address, {"claim": found.pk, "use": "1"})
    found.refresh_from_db()
    assert found.state == "used"
    admin.post(address, {"claim": found.pk, "reason": "broken"})
    found.refresh_from_db()
    assert (found.state, found.reason, balance(member)) == ("revoked", "broken", 20)
    assert "None in this state" in _page(admin, "claims", made.pk, query="?state=used")


def test_something_is_given_by_hand(admin: Client) -> None:
    (member,) = make_members()
    Identity.objects.create(contact_id=member, namespace="user_id", value="A-1")
    made = make_mechanism()
    give = reverse("admin:loyalty_mechanism_action", args=[made.pk, "give"])
    admin.post(give, {"contact": "A-1"})
    assert Claim.objects.get().contact_id == member
    admin.post(give, {"contact": "nobody"})
    assert Claim.objects.count() == 1


def test_buttons_turn_it_on_off_and_away(admin: Client) -> None:
    made = make_mechanism(is_draft=True)
    for name, status in (
        ("set_active", "active"),
        ("set_inactive", "inactive"),
        ("archive", "archived"),
    ):
        admin.post(reverse("admin:loyalty_mechanism_action", args=[made.pk, name]))
        made.refresh_from_db()
        assert made.status == status
    settings = reverse("admin:loyalty_mechanism_settings", args=[made.pk])
    assert admin.get(settings).status_code == 200
    assert _post(admin, settings).status_code == 403


def test_the_profile_shows_what_a_member_has_and_how_far_he_is(admin: Client) -> None:
    (member,) = make_members()
    claim(make_mechanism(), contact_id=member, cause="a", actor=SYSTEM, at=timezone.now())
    make_challenge()
    make_mechanism("dear", cost_points=5)
    page = admin.get(reverse("admin:contacts_contact_change", args=[member])).content.decode()
    assert "0 of 3" in page
    assert "May not have 1 thing" in page
    stranger = Contact.objects.create()
    page = admin.get(reverse("admin:contacts_contact_change", args=[stranger.pk])).content.decode()
    assert "No reward, offer or challenge" not in page
    assert "May have" not in page
