"""From a starting point to a segment: beginning, saving, generating, counting, looking only."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from segments.models import SavedCriteria, Segment
from segments.saved_criteria import create_saved_criteria
from tests.admin.conftest import MakePerson
from tests.segments.factories import NOW, is_in, lives_in, make_contacts, make_segment, refresh
from workspace.access import SYSTEM
from workspace.models import Job

ADD = "/admin/segments/segment/add/"


def given(criteria: Any, **others: Any) -> dict[str, Any]:
    return {"name": "Poles", "refresh_mode": "once", "criteria": json.dumps(criteria), **others}


def begun(client: Client, **asked: str) -> dict[str, Any]:
    """What the form is filled with."""
    form = client.get(ADD, asked).context["form"]
    return {name: form[name].value() for name in form.fields}


def save(name: str = "Of Oslo", criteria: Any = None, **given: Any) -> SavedCriteria:
    document = lives_in("Oslo") if criteria is None else criteria
    return create_saved_criteria(actor=SYSTEM, at=NOW, name=name, criteria=document, **given)


def test_a_new_segment_begins_with_a_choice(admin: Client) -> None:
    save()
    make_segment(name="Of Warszawa")
    page = admin.get(ADD).content.decode()
    for words in ("Blank", "Of Oslo", "Of Warszawa", "Abandoned cart", "template:birthdays"):
        assert words in page, words
    assert f'href="{reverse("admin:contacts_tag_add")}"' in page, "what a template needs"
    assert "template:quiet_vips" not in page


def test_a_blank_one_is_for_everyone(admin: Client) -> None:
    form = begun(admin, start="blank", name=" Mine ")
    assert form["name"] == "Mine"
    assert json.loads(form["criteria"]) == {"combinator": "and", "rules": []}


def test_a_template_fills_title_description_and_criteria(admin: Client) -> None:
    form = begun(admin, start="template:birthdays")
    assert form["name"] == "Birthday next week"
    assert form["description"]
    assert json.loads(form["criteria"])["rules"][0]["operator"] == "anniversaryInNext"
    answer = admin.post(ADD, given(json.loads(form["criteria"])))
    assert answer.status_code == 302


@pytest.mark.parametrize(
    "asked", [{"start": "saved:of-oslo"}, {"start": "saved", "saved": "of-oslo"}]
)
def test_saved_criteria_are_copied(admin: Client, asked: dict[str, str]) -> None:
    save()
    assert json.loads(begun(admin, **asked)["criteria"]) == lives_in("Oslo")


def test_a_segment_is_copied_with_its_settings(admin: Client) -> None:
    make_segment(
        "base", name="Base", refresh_mode="interval", refresh_amount=6, refresh_unit="hour"
    )
    form = begun(admin, start="segment:base")
    assert form["name"] == "Base (copy)"
    assert (form["refresh_mode"], form["refresh_amount"]) == ("interval", 6)
    assert json.loads(form["criteria"]) == lives_in("Warszawa")


@pytest.mark.parametrize(
    "start", ["x", "template:", "template:quiet_vips", "saved:no", "segment:no", "segment"]
)
def test_what_there_is_not_is_not_found(admin: Client, start: str) -> None:
    assert admin.get(ADD, {"start": start}).status_code == 404


def test_nothing_of_other_groups_is_offered(make_person: MakePerson, scoped_group: Group) -> None:
    make_segment("secret", name="Secret plan", groups=["Poland"])
    save("Secret criteria", key="hush", groups=["Poland"])
    outsider = make_person(
        *("segments.add_segment", "segments.view_segment", "segments.view_savedcriteria")
    )
    page = outsider.get(ADD).content.decode()
    assert "Secret" not in page
    form = outsider.get(ADD, {"start": "blank"}).content.decode()
    assert "Secret" not in form
    assert outsider.get(ADD, {"start": "segment:secret"}).status_code == 404
    assert outsider.get(ADD, {"start": "saved:hush"}).status_code == 404


def test_creating_with_an_action_leads_to_actions(admin: Client) -> None:
    answer = admin.post(ADD, given(lives_in("Oslo"), _with_action="1"))
    segment = Segment.objects.get()
    expected = reverse("admin:segments_segment_actions", args=[segment.pk]) + "?add=1"
    assert answer.headers["Location"] == expected


def test_generating_saves_what_stands_in_the_form_first(admin: Client) -> None:
    segment = make_segment()
    refresh(segment)
    Job.objects.all().delete()
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    answer = admin.post(address, given(lives_in("Oslo"), _generate="1"), follow=True)
    segment.refresh_from_db()
    assert segment.criteria == lives_in("Oslo")
    assert segment.refresh_requested_at is not None
    assert Job.objects.get().kind == "segments.refresh"
    assert "is being generated" in answer.content.decode()


def test_generating_what_is_refused_neither_saves_nor_calculates(admin: Client) -> None:
    segment = make_segment()
    refresh(segment)
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    answer = admin.post(address, given({"combinator": "x"}, _generate="1"))
    assert answer.status_code == 200
    assert "data-is-changed" in answer.content.decode(), "what was sent is not saved"
    segment.refresh_from_db()
    assert segment.criteria == lives_in("Warszawa")
    assert segment.refresh_requested_at is None


def test_generating_needs_its_permission(make_person: MakePerson) -> None:
    segment = make_segment(name="Poles")
    refresh(segment)
    writer = make_person("segments.view_segment", "segments.change_segment")
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    assert "data-generate" not in writer.get(address).content.decode()
    page = writer.post(address, given(lives_in("Warszawa"), _generate="1"), follow=True)
    assert "lacks the permission" in page.content.decode()


def test_the_count_is_counted(admin: Client) -> None:
    make_contacts("Warszawa", "Warszawa")
    segment = make_segment()
    address = reverse("admin:segments_segment_count", args=[segment.pk])
    found = admin.get(address).json()
    assert (found["text"], found["is_running"]) == ("0 records", True)
    refresh(segment)
    Segment.objects.update(member_count=99, refresh_requested_at=None)
    found = admin.get(address).json()
    assert (found["count_number"], found["text"], found["is_running"]) == (2, "2 records", False)
    assert found["note"].startswith("As of ")


def test_settings_and_criteria_can_be_looked_at(admin: Client) -> None:
    segment = make_segment(
        description="Of the capital", refresh_mode="interval", refresh_amount=2, refresh_unit="day"
    )
    page = admin.get(reverse("admin:segments_segment_settings", args=[segment.pk])).content.decode()
    for words in ("Of the capital", "every 2 days", "Warszawa", "Edit settings"):
        assert words in page, words
    assert 'type="submit" form="segment_form"' not in page


def test_onlookers_see_the_same_instead_of_the_form(make_person: MakePerson) -> None:
    segment = make_segment(name="Poles")
    onlooker = make_person("segments.view_segment")
    for name in ("change", "settings"):
        address = reverse(f"admin:segments_segment_{name}", args=[segment.pk])
        page = onlooker.get(address).content.decode()
        assert "Warszawa" in page
        assert "segment_form" not in page.replace("segment_form.", "")
        assert "Edit settings" not in page
    count = reverse("admin:segments_segment_count", args=[segment.pk])
    assert onlooker.get(count).status_code == 200


@pytest.mark.parametrize("name", ["settings", "count"])
def test_a_segment_of_others_is_not_found(
    make_person: MakePerson, scoped_group: Group, name: str
) -> None:
    segment = make_segment("secret", groups=["Poland"])
    outsider = make_person("segments.view_segment")
    address = reverse(f"admin:segments_segment_{name}", args=[segment.pk])
    assert outsider.get(address).status_code == 404


def test_hidden_segments_are_masked_and_may_stay(
    make_person: MakePerson, scoped_group: Group
) -> None:
    make_segment("secret", name="Secret plan", groups=["Poland"])
    segment = make_segment("open", is_in("secret"), groups=["Poland"])
    segment.groups.clear()
    writer = make_person("segments.view_segment", "segments.change_segment")
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    page = writer.get(address)
    assert "secret" not in page.content.decode().lower().replace("secrets", "")
    shown = json.loads(page.context["form"]["criteria"].value())
    assert writer.post(address, given(shown, name="Renamed")).status_code == 302
    segment.refresh_from_db()
    assert (segment.name, segment.criteria) == ("Renamed", is_in("secret"))


def test_criteria_of_an_export_are_built_in_the_same_way(admin: Client) -> None:
    page = admin.get(reverse("admin:segments_export_add")).content.decode()
    assert "data-criteria-builder" in page
    assert "criteria_builder.js" in page
