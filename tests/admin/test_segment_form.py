"""Writing a segment: its criteria as JSON, faults at their paths, a preview without saving."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from segments.models import Membership, Segment
from tests.segments.factories import lives_in, make_contacts, make_segment, refresh

ADD = "/admin/segments/segment/add/"


def given(criteria: Any, **others: Any) -> dict[str, Any]:
    text = criteria if isinstance(criteria, str) else json.dumps(criteria)
    return {"name": "Poles", "refresh_mode": "once", "criteria": text, **others}


def test_a_segment_is_made_and_its_page_is_shown(admin: Client) -> None:
    answer = admin.post(ADD, given(lives_in("Warszawa"), description="Of Warszawa"))
    segment = Segment.objects.get()
    assert answer.headers["Location"] == f"/admin/segments/segment/{segment.pk}/change/"
    assert segment.criteria == lives_in("Warszawa")
    assert segment.description == "Of Warszawa"
    assert segment.refresh_requested_at is not None


def test_settings_of_the_refresh_are_kept(admin: Client) -> None:
    admin.post(
        ADD,
        given(
            lives_in("Warszawa"),
            refresh_mode="interval",
            refresh_amount=6,
            refresh_unit="hour",
            readiness_hours=48,
            members_only="on",
        ),
    )
    segment = Segment.objects.get()
    assert (segment.refresh_amount, segment.refresh_unit) == (6, "hour")
    assert segment.readiness_hours == 48
    assert segment.members_only


def test_every_fault_is_shown_at_its_path(admin: Client) -> None:
    faulty = {
        "combinator": "and",
        "rules": [
            {"field": "contact.shoe_size", "operator": "=", "value": 43},
            {"field": "contact.city", "operator": "resembles", "value": "x"},
        ],
    }
    answer = admin.post(ADD, given(faulty))
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'data-path="rules[0].field"' in page
    assert 'data-path="rules[1].operator"' in page
    assert "contact.shoe_size" in page, "what was written stays in the editor"
    assert not Segment.objects.exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[1,", "nonsense", '{"a": NaN}', "[" * 5000, '"\\u0000"']
)
def test_what_is_no_document_is_told_and_not_saved(admin: Client, text: str) -> None:
    answer = admin.post(ADD, given(text))
    assert answer.status_code == 200
    assert answer.context["form"].errors["criteria"]
    assert not Segment.objects.exists()


def test_missing_settings_are_told_beside_their_fields(admin: Client) -> None:
    answer = admin.post(ADD, given(lives_in("Warszawa"), name=" ", refresh_mode="interval"))
    assert set(answer.context["form"].errors) == {"name"}
    answer = admin.post(ADD, given(lives_in("Warszawa"), refresh_mode="interval"))
    assert "refresh_amount" in answer.context["form"].errors


def test_numbers_keep_all_their_digits(admin: Client) -> None:
    digits = "0.1000000000000000055511151231257827"
    rule = f'{{"field": "contact.lead_score", "operator": ">", "value": {digits}}}'
    admin.post(ADD, given(f'{{"combinator": "and", "rules": [{rule}]}}'))
    segment = Segment.objects.get()
    page = admin.get(reverse("admin:segments_segment_change", args=[segment.pk]))
    assert digits in page.content.decode()


def test_other_criteria_make_a_new_version(admin: Client) -> None:
    segment = make_segment()
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    admin.post(address, given(lives_in("Kraków")))
    admin.post(address, given(lives_in("Kraków")))
    segment.refresh_from_db()
    assert segment.version_number == 2, "the same again is no change"
    versions = admin.get(reverse("admin:segments_segment_versions", args=[segment.pk]))
    page = versions.content.decode()
    assert "“City” is “Kraków”" in page


def test_what_is_shown_can_be_saved_unchanged(admin: Client) -> None:
    segment = make_segment(refresh_mode="interval", refresh_amount=2, refresh_unit="day")
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    form = admin.get(address).context["form"]
    shown = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in shown.items() if value not in (None, False, "", [])}
    before = Segment.objects.values().get()
    assert admin.post(address, sent).status_code == 302
    after = Segment.objects.values().get()
    assert {**before, "updated_at": None} == {**after, "updated_at": None}


def preview(client: Client, criteria: Any, **others: Any) -> Any:
    text = criteria if isinstance(criteria, str) else json.dumps(criteria)
    return client.post(reverse("admin:segments_preview"), {"criteria": text, **others}).json()


def test_the_preview_counts_and_names_ten_without_saving(admin: Client) -> None:
    make_contacts(*["Warszawa"] * 12, "Kraków")
    found = preview(admin, lives_in("Warszawa"))
    assert (found["count"], found["exact"]) == ("12", True)
    assert len(found["sample"]) == 10
    assert "Warszawa" in found["sentence"]
    assert not Segment.objects.exists()
    assert not Membership.objects.exists()


def test_the_preview_tells_faults_instead_of_a_count(admin: Client) -> None:
    found = preview(admin, '{"combinator": "and", "rules": [{"field": "contact.shoe_size"}]}')
    assert found["problems"][0]["path"] == "rules[0].field"
    assert "count" not in found
    found = preview(admin, "{")
    assert [problem["code"] for problem in found["problems"]] == ["not_json"]
    assert "line 1" in found["problems"][0]["message"]


def test_the_preview_minds_loyalty_members_only(admin: Client) -> None:
    make_contacts("Warszawa")
    assert preview(admin, lives_in("Warszawa"), members_only="1")["count"] == "0"


def test_the_preview_of_a_saved_segment_refuses_to_name_itself(admin: Client) -> None:
    segment = make_segment("poles")
    asked = {
        "combinator": "and",
        "rules": [{"field": "segment", "operator": "in", "value": ["poles"]}],
    }
    found = preview(admin, asked, segment=segment.pk)
    assert [problem["code"] for problem in found["problems"]] == ["cycle"]


def test_the_list_says_state_members_and_change(admin: Client) -> None:
    make_contacts("Warszawa", "Warszawa", "Warszawa")
    segment = make_segment(name="Poles")
    refresh(segment)
    page = admin.get(reverse("admin:segments_segment_changelist")).content.decode()
    for words in ("Poles", "active", ">ready<", "+3"):
        assert words in page, words


def test_tabs_show_the_segments_of_a_status(admin: Client) -> None:
    make_segment("one", name="First")
    archived = make_segment("two", name="Second")
    Segment.objects.filter(pk=archived.pk).update(status="archived")
    address = reverse("admin:segments_segment_changelist")
    page = admin.get(address, {"status__exact": "archived"}).content.decode()
    assert "Second" in page
    assert "First" not in page


def test_a_failed_refresh_is_told_at_the_top(admin: Client) -> None:
    segment = make_segment()
    Segment.objects.filter(pk=segment.pk).update(failure="It took too long.")
    page = admin.get(reverse("admin:segments_segment_change", args=[segment.pk])).content.decode()
    assert "It took too long." in page
