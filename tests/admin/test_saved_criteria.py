"""Saved criteria on the screen: made, changed, deleted, kept from the form of a segment."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from segments.models import SavedCriteria
from segments.saved_criteria import create_saved_criteria
from tests.admin.conftest import MakePerson
from tests.segments.factories import NOW, lives_in, make_segment
from workspace.access import SYSTEM
from workspace.models import User

LIST = "/admin/segments/savedcriteria/"
KEEP = "/admin/segments/savedcriteria/keep/"
ALL = tuple(f"segments.{verb}_savedcriteria" for verb in ("view", "add", "change", "delete"))


def given(criteria: Any, **others: Any) -> dict[str, Any]:
    return {"name": "Of Oslo", "criteria": json.dumps(criteria), **others}


def save(**given: Any) -> SavedCriteria:
    given = {"name": "Of Oslo", "criteria": lives_in("Oslo"), "actor": SYSTEM, "at": NOW, **given}
    return create_saved_criteria(**given)


def page_of(saved: SavedCriteria) -> str:
    return reverse("admin:segments_savedcriteria_change", args=[saved.pk])


def test_they_are_made_and_changed(admin: Client) -> None:
    answer = admin.post(f"{LIST}add/", given(lives_in("Oslo"), description="North", key="oslo"))
    saved = SavedCriteria.objects.get()
    assert answer.headers["Location"] == page_of(saved)
    assert (saved.key, saved.description, saved.criteria) == ("oslo", "North", lives_in("Oslo"))
    assert saved.owner == User.objects.get(username="root")
    admin.post(page_of(saved), given(lives_in("Bergen"), name="Of Bergen"))
    saved.refresh_from_db()
    assert (saved.name, saved.criteria) == ("Of Bergen", lives_in("Bergen"))


@pytest.mark.parametrize("text", ["{", '{"combinator": "xor", "rules": []}', ""])
def test_faulty_criteria_are_told_and_not_kept(admin: Client, text: str) -> None:
    answer = admin.post(f"{LIST}add/", {"name": "x", "criteria": text})
    assert answer.status_code == 200
    assert answer.context["form"].errors["criteria"]
    assert not SavedCriteria.objects.exists()


def test_the_list_says_them_in_words(admin: Client) -> None:
    save()
    page = admin.get(LIST).content.decode()
    assert "Of Oslo" in page
    assert "“City” is “Oslo”" in page


def test_they_are_deleted_after_the_consequence_was_told(admin: Client) -> None:
    saved = save()
    page = admin.get(page_of(saved)).content.decode()
    assert "keep their own copy" in page
    address = reverse("admin:segments_savedcriteria_action", args=[saved.pk, "delete_saved"])
    answer = admin.post(address)
    assert answer.headers["Location"] == LIST
    assert not SavedCriteria.objects.exists()


def test_they_lead_to_a_new_segment(admin: Client) -> None:
    assert "add/?start=saved:of-oslo" in admin.get(page_of(save())).content.decode()


def test_the_form_of_a_segment_keeps_its_criteria(admin: Client) -> None:
    segment = make_segment()
    page = admin.get(reverse("admin:segments_segment_change", args=[segment.pk])).content.decode()
    assert f'action="{KEEP}"' in page
    found = admin.post(KEEP, given(lives_in("Oslo"))).json()
    saved = SavedCriteria.objects.get()
    assert (found["name"], found["url"]) == ("Of Oslo", page_of(saved))


def test_what_cannot_be_kept_is_told(admin: Client) -> None:
    for asked, words in (
        (given(lives_in("Oslo"), name=""), "Name"),
        ({"name": "x", "criteria": "{"}, "not JSON"),
        (given({"combinator": "xor", "rules": []}), "combinator"),
    ):
        answer = admin.post(KEEP, asked)
        assert answer.status_code == 400
        assert words in answer.json()["message"]
    assert not SavedCriteria.objects.exists()


def test_each_step_needs_its_permission(make_person: MakePerson) -> None:
    saved = save()
    onlooker = make_person("segments.view_savedcriteria", "segments.view_segment")
    page = onlooker.get(page_of(saved)).content.decode()
    assert "Oslo" in page
    assert "data-save" not in page
    assert "Delete" not in page
    assert onlooker.post(page_of(saved), given(lives_in("Bergen"))).status_code == 403
    assert onlooker.get(f"{LIST}add/").status_code == 403
    assert onlooker.post(KEEP, given(lives_in("Oslo"))).status_code == 403
    address = reverse("admin:segments_savedcriteria_action", args=[saved.pk, "delete_saved"])
    assert onlooker.post(address).status_code == 403
    assert make_person("segments.view_segment").get(LIST).status_code == 403


def test_those_of_other_groups_are_not_found(make_person: MakePerson, scoped_group: Group) -> None:
    saved = save(name="Secret criteria", groups=["Poland"])
    outsider = make_person(*ALL, "segments.view_segment", "segments.add_segment")
    assert "Secret" not in outsider.get(LIST).content.decode()
    answer = outsider.get(page_of(saved))
    assert "Secret" not in answer.content.decode()
    assert answer.status_code in {302, 404}
    insider = make_person(*ALL, groups=(scoped_group,))
    assert "Secret" in insider.get(page_of(saved)).content.decode()
