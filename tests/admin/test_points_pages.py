"""Members, the ledger of points, earn rules and the programme on the screen."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from contacts.models import Contact
from loyalty.models import EarnRule, Member, PointsPosting
from loyalty.programme import earn_rules, points
from tests.admin.conftest import MakePerson
from tests.factories import DAY, make_contact
from tests.loyalty.factories import make_member, make_tier
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
RULE = {
    "name": "Buy",
    "event_name": "purchase",
    "points_per_unit": "0.5",
    "amount_property": "amount",
    "is_enabled": "on",
}


def _page(client: Client, name: str, *args: Any, query: str = "") -> str:
    answer = client.get(reverse(f"admin:loyalty_{name}", args=args) + query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def _sent_to(client: Client, address: str, body: Any = None) -> str:
    """Where a form leads that is posted."""
    answer: Any = client.post(address, body or {})
    return str(answer.url)


def _press(client: Client, contact_id: int, button: str, **body: Any) -> str:
    address = reverse("admin:loyalty_member_action", args=[contact_id, button])
    answer = client.post(address, body, follow=True)
    return answer.content.decode()


def _earn(contact_id: int, count: int, **given: Any) -> PointsPosting:
    told = {
        "cause": f"c{count}",
        "reason": "Review",
        "actor": SYSTEM,
        "at": timezone.now(),
        **given,
    }
    return points.earn_points(contact_id=contact_id, points=count, **told)


def test_a_member_has_a_page_with_what_he_has(admin: Client) -> None:
    make_tier("silver", 10)
    make_tier("gold", 100)
    anna = make_member(5, card_number="4711")
    _earn(anna, 40, expires_at=timezone.now() + 10 * DAY)
    page = _page(admin, "member_change", anna)
    for text in ("4711", "Silver", "60 more for “Gold”", "40 points expire", "soon", "Review"):
        assert text in page, text
    profile = admin.get(reverse("admin:contacts_contact_change", args=[anna])).content.decode()
    assert "60 more for “Gold”" in profile


def test_the_list_finds_members_and_shows_their_tiers(admin: Client) -> None:
    make_tier("silver", 10)
    anna = make_member(5, card_number="4711", tier="silver")
    make_member(7, card_number="4712", left_at=timezone.now())
    page = _page(admin, "member_changelist", query="?q=4711")
    assert "Silver" in page
    assert "4712" not in page
    assert "4712" in _page(admin, "member_changelist", query="?membership=left")
    assert "4711" in _page(admin, "member_changelist", query="?tier=silver")
    assert "4711" not in _page(admin, "member_changelist", query="?tier=-")
    contact = Contact.objects.get(pk=anna)
    assert f"#{contact.pk}" in page


def test_points_are_adjusted_by_a_button_with_a_reason(admin: Client) -> None:
    anna = make_member(5)
    told = _press(admin, anna, "adjust", points="-3", reason="Double", expires_on="")
    assert "Adjusted by -3: 2 points now." in told
    _press(admin, anna, "adjust", points="4", reason="Sorry", expires_on="2100-01-01")
    posting = PointsPosting.objects.get(contact_id=anna, points=4)
    assert posting.expires_at is not None
    assert posting.expires_at.year == 2100
    assert "“points” must not be 0" in _press(admin, anna, "adjust", points="0", reason="x")


def test_one_leaves_joins_again_and_is_changed_by_buttons(admin: Client) -> None:
    anna = make_member(5, card_number="4711")
    _press(admin, anna, "edit", card_number="", tier="vip")
    _press(admin, anna, "leave")
    member = Member.objects.get(pk=anna)
    assert (member.card_number, member.tier, member.left_at is None) == ("4711", "vip", False)
    assert "Join again" in _page(admin, "member_change", anna)
    _press(admin, anna, "join_again")
    assert Member.objects.get(pk=anna).left_at is None


def test_a_contact_joins_from_the_profile(admin: Client, make_person: MakePerson) -> None:
    contact = make_contact()
    join = reverse("admin:loyalty_member_join", args=[contact.pk])
    profile = reverse("admin:contacts_contact_change", args=[contact.pk])
    assert join in admin.get(profile).content.decode()
    looker = make_person("contacts.view_contact", "loyalty.view_member")
    assert join not in looker.get(profile).content.decode()
    assert looker.post(join).status_code == 403
    assert admin.get(join).status_code == 405
    assert _sent_to(admin, join) == reverse("admin:loyalty_member_change", args=[contact.pk])
    assert Member.objects.get(pk=contact.pk).card_number
    nobody = reverse("admin:loyalty_member_join", args=[987654])
    assert _sent_to(admin, nobody) == reverse("admin:loyalty_member_changelist")


def test_the_ledger_is_read_and_a_line_reversed_once(
    admin: Client, make_person: MakePerson
) -> None:
    assert "Lines are never changed" in _page(admin, "points")
    anna, ben = make_member(), make_member(77)
    posting = _earn(anna, 40)
    assert "+40" in _page(admin, "points")
    assert "+40" not in _page(admin, "points", query=f"?contact={ben}")
    assert "+77" not in _page(admin, "points", query="?kind=issued")
    assert "No lines" in _page(admin, "points", query="?contact=nobody")
    address = reverse("admin:loyalty_points_reverse", args=[posting.id])
    assert address in _page(admin, "points")
    looker = make_person("loyalty.view_pointsposting")
    assert address not in _page(looker, "points")
    assert looker.post(address, {"reason": "x"}).status_code == 403
    back = reverse("admin:loyalty_points") + f"?contact={anna}"
    assert _sent_to(admin, address, {"reason": "Returned", "next": back}) == back
    assert points.balance(anna) == 0
    assert address not in _page(admin, "points")
    elsewhere = {"reason": "again", "next": "https://evil.example/"}
    ledger = reverse("admin:loyalty_points")
    assert _sent_to(admin, address, elsewhere) == ledger
    assert "was reversed already" in admin.get(ledger).content.decode()
    assert make_person().get(reverse("admin:loyalty_points")).status_code == 403


def test_the_ledger_goes_by_pages(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyalty.admin.points_pages._PAGE", 2)
    anna = make_member()
    ids = [_earn(anna, count).id for count in (31, 32, 33)]
    first = _page(admin, "points")
    assert "+33" in first
    assert "+31" not in first
    assert f"before={ids[1]}" in first
    second = _page(admin, "points", query=f"?before={ids[1]}")
    assert "+31" in second
    assert "Newest" in second


def test_an_earn_rule_is_tried_kept_changed_and_deleted(admin: Client) -> None:
    add = reverse("admin:loyalty_earnrule_add")
    anna = make_member()
    now = timezone.now()
    bought = IncomingEvent(anna, "purchase", now - DAY, {"amount": 21}, "m")
    assert record_events([bought], received_at=now).accepted == 1
    tried = admin.post(add, {**RULE, "_try": "1"}).content.decode()
    assert "For each event “purchase” a member gets 0.5 points" in tried
    assert "<strong>10</strong> points to 1 members" in tried
    assert not EarnRule.objects.exists()
    admin.post(add, RULE)
    rule = EarnRule.objects.get(key="buy")
    page = reverse("admin:loyalty_earnrule_change", args=[rule.pk])
    admin.post(page, {**RULE, "name": "Bought", "daily_limit": "100"})
    rule.refresh_from_db()
    assert (rule.name, rule.daily_limit, rule.key) == ("Bought", 100, "buy")
    assert rule.points_per_unit == Decimal("0.5")
    assert "At most 100 points a day" in _page(admin, "earnrule_changelist")
    delete = reverse("admin:loyalty_earnrule_action", args=[rule.pk, "delete_rule"])
    assert _sent_to(admin, delete) == reverse("admin:loyalty_earnrule_changelist")
    assert not EarnRule.objects.exists()


def test_what_is_wrong_with_a_rule_stands_beside_its_field(admin: Client) -> None:
    add = reverse("admin:loyalty_earnrule_add")
    told = admin.post(add, {**RULE, "points_per_unit": ""}).content.decode()
    assert "The rule gives nothing" in told
    assert "Name the property" in admin.post(add, {**RULE, "amount_property": ""}).content.decode()
    assert "required" in admin.post(add, {**RULE, "name": ""}).content.decode()
    assert not EarnRule.objects.exists()


def test_who_may_only_look_sees_a_rule_in_words(make_person: MakePerson) -> None:
    values = {"key": "buy", "name": "Buy", "event_name": "purchase", "points_per_event": 2}
    rule = earn_rules.create_rule(values=values, actor=SYSTEM, at=timezone.now())
    looker = make_person("loyalty.view_earnrule")
    page = _page(looker, "earnrule_change", rule.pk)
    assert "a member gets 2 points" in page
    assert 'name="points_per_event"' not in page
    address = reverse("admin:loyalty_earnrule_change", args=[rule.pk])
    assert looker.post(address, RULE).status_code == 403


def test_the_programme_is_set(admin: Client, make_person: MakePerson) -> None:
    address = reverse("admin:loyalty_programme")
    assert "A tier is a mechanism" in _page(admin, "programme")
    make_tier("silver", 10)
    make_member(5, tier="silver")
    body = {"name": "Club", "tier_window_days": "30", "card_prefix": "99"}
    assert _sent_to(admin, address, body) == address
    page = _page(admin, "programme")
    for text in ("Club", "Silver", 'value="99"'):
        assert text in page
    wrong = admin.post(address, {**body, "card_prefix": "x"}).content.decode()
    assert "Digits only" in wrong
    looker = make_person("loyalty.view_programme")
    assert "disabled" in _page(looker, "programme")
    assert looker.post(address, body).status_code == 403
