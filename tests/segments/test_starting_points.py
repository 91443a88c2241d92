"""Templates that a segment begins with: in the workspace's words, valid, or telling what lacks."""

import pytest
from django.contrib.auth.models import Group

from contacts.models import ConsentDefinition, EventDefinition, MetricDefinition, Tag
from contacts.orders import choose_order_event
from segments import facts
from segments.preview import preview
from segments.starting_points import TEMPLATES, find_template, templates_for
from tests.segments.factories import NOW, make_segment
from workspace.access import SYSTEM
from workspace.models import UserGroup

pytestmark = pytest.mark.django_db


def _define_all() -> None:
    ConsentDefinition.objects.create(key="newsletter", label="Newsletter")
    Tag.objects.create(key="vip", label="VIP")


def test_there_are_a_dozen_and_more_each_with_words_and_an_icon() -> None:
    found = templates_for(SYSTEM)
    assert len(found) >= 12
    assert len({point.key for point in found}) == len(found)
    for point in found:
        assert all((point.icon, point.title, point.description)), point.key
        assert point.sentence or point.needs, point.key


def test_every_template_is_valid_and_answered_where_all_is_defined() -> None:
    _define_all()
    for point in templates_for(SYSTEM):
        assert point.is_ready, (point.key, point.needs)
        assert facts.check_criteria(point.criteria, SYSTEM) == ()
        assert preview(point.criteria, actor=SYSTEM, as_of=NOW).exact
        assert point.sentence.startswith("Contacts "), point.key


def test_what_is_not_defined_is_told_and_cannot_be_begun_with() -> None:
    MetricDefinition.objects.all().delete()
    lacking = {point.key: point.needs for point in templates_for(SYSTEM) if not point.is_ready}
    assert set(lacking) == {"big_spenders", "consent_missing", "quiet_vips", "frequent_buyers"}
    [need] = lacking["big_spenders"]
    assert (need.kind, "lifetime_value_percentile" in need.text) == ("metric", True)
    assert find_template("big_spenders", actor=SYSTEM) is None
    assert find_template("birthdays", actor=SYSTEM) is not None
    assert find_template("no such", actor=SYSTEM) is None


def test_templates_speak_of_the_events_and_consents_that_there_are() -> None:
    EventDefinition.objects.create(name="Email Opened")
    ConsentDefinition.objects.create(key="sms", label="SMS")
    found = {point.key: point for point in templates_for(SYSTEM)}
    assert "Email Opened" in found["opened_not_clicked"].sentence
    assert "SMS" in found["consent_missing"].sentence
    ConsentDefinition.objects.create(key="Newsletter", label="Our letter")
    found = {point.key: point for point in templates_for(SYSTEM)}
    assert "Our letter" in found["consent_missing"].sentence


def test_templates_speak_of_the_order_event_that_the_workspace_chose() -> None:
    choose_order_event(event_name="Order Completed", amount_property="total", actor=SYSTEM, at=NOW)
    found = {point.key: point for point in templates_for(SYSTEM)}
    assert "Order Completed" in found["never_bought"].sentence
    assert "purchase" not in str(found)


def test_no_template_tells_of_segments() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["segment"])
    make_segment("secret", groups=["Poland"])
    assert "secret" not in str(templates_for(SYSTEM))
    assert len(TEMPLATES) == len(templates_for(SYSTEM))
