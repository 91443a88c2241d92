"""Versions on the screen: what each changed, and going back to one."""

from typing import Any

from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from segments import lifecycle
from segments.models import Segment
from tests.admin.conftest import MakePerson
from tests.segments.factories import NOW, lives_in, make_segment
from workspace.access import SYSTEM


def _changed(**given: Any) -> Segment:
    segment = make_segment(criteria=lives_in("Warszawa"), **given)
    return lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=lives_in("Kraków"))


def _page(segment: Segment) -> str:
    return reverse("admin:segments_segment_versions", args=[segment.pk])


def _restore(client: Client, segment: Segment, number: int) -> Any:
    url = reverse("admin:segments_segment_restore", args=[segment.pk, number])
    return client.post(url, follow=True)


def test_the_page_says_what_changed_and_offers_to_go_back(admin: Client) -> None:
    text = admin.get(_page(_changed())).content.decode()
    for words in ("Changed: “City” is “Warszawa” → “City” is “Kraków”", "Side by side", "in force"):
        assert words in text, words
    assert "What version 1 says becomes version 3" in text
    assert "Restore version 2" not in text


def test_a_version_is_restored_and_the_page_says_so(admin: Client) -> None:
    segment = _changed()
    text = _restore(admin, segment, 1).content.decode()
    assert "Version 1 is in force again, as version 3." in text
    segment.refresh_from_db()
    assert segment.criteria == lives_in("Warszawa")
    again = _restore(admin, segment, 1).content.decode()
    assert "says what version 1 says already" in again
    assert segment.versions.count() == 3


def test_an_archived_segment_offers_nothing(admin: Client) -> None:
    segment = _changed()
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    lifecycle.archive(segment, actor=SYSTEM, at=NOW)
    assert "Restore version" not in admin.get(_page(segment)).content.decode()
    _restore(admin, segment, 1)
    assert segment.versions.count() == 2


def test_restoring_is_posted_by_who_may_change(
    admin: Client, make_person: MakePerson, scoped_group: Group
) -> None:
    segment = _changed(groups=["Poland"])
    url = reverse("admin:segments_segment_restore", args=[segment.pk, 1])
    assert admin.get(url).status_code == 405
    reader = make_person("segments.view_segment", groups=(scoped_group,))
    assert reader.post(url).status_code == 403
    assert "Restore version" not in reader.get(_page(segment)).content.decode()
    outsider = make_person("segments.view_segment", "segments.change_segment")
    assert outsider.post(url).status_code == 404
    assert segment.versions.count() == 2


def test_many_versions_are_turned_over(admin: Client) -> None:
    segment = make_segment()
    for number in range(40):
        lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=lives_in(str(number)))
    page = admin.get(_page(segment))
    assert [row["version"].number for row in page.context["rows"]] == list(range(41, 11, -1))
    last = admin.get(_page(segment), {"after": page.context["next"]}).context["rows"][-1]
    assert (last["version"].number, last["difference"]) == (1, [])
