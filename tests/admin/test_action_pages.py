"""Actions in the browser's words: the form, what it will do, the list, the buttons."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts import consents
from contacts.models import ConsentDefinition, ConsentEntry, Contact, ContactTag, Tag
from segments import actions, lifecycle
from segments.admin import acting
from segments.models import Segment, SegmentAction
from tests.admin.conftest import MakePerson
from tests.segments.factories import do_work, make_contacts, make_segment, refresh
from workspace.access import SYSTEM
from workspace.models import User

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def vip() -> Tag:
    return Tag.objects.create(key="vip", label="Very important")


@pytest.fixture
def poles() -> Segment:
    """Three people in Warszawa, just calculated."""
    make_contacts("Warszawa", "Warszawa", "Warszawa")
    segment = make_segment()
    refresh(segment, as_of=timezone.now())
    return segment


def _page(segment: Segment) -> str:
    return reverse("admin:segments_segment_actions", args=[segment.pk])


def _send(client: Client, segment: Segment, step: str = "do", **given: Any) -> Any:
    data = {"kind": "add_tag", "tag": "vip", "when": "now", "step": step, **given}
    return client.post(_page(segment), data, follow=True)


def _text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def _plan(segment: Segment, **given: Any) -> SegmentAction:
    words = {"kind": "add_tag", "key": "vip", **given}
    return actions.plan_action(segment, actor=SYSTEM, at=timezone.now(), **words)


def _button(client: Client, action: SegmentAction, name: str, **data: Any) -> Any:
    address = reverse("admin:segments_segmentaction_action", args=[action.pk, name])
    return client.post(address, data, follow=True)


def test_the_page_teaches_and_leads_to_the_form(admin: Client, poles: Segment) -> None:
    page = _text(admin.get(_page(poles)))
    assert "No actions yet" in page
    assert 'href="?add=1"' in page
    form = _text(admin.get(_page(poles) + "?add=1"))
    for kind in SegmentAction.Kind.values:
        assert f'value="{kind}"' in form
    assert "No actions yet" not in form


def test_before_anything_happens_it_says_what_it_does(
    admin: Client, poles: Segment, vip: Tag
) -> None:
    have = Contact.objects.earliest("pk")
    ContactTag.objects.create(contact=have, tag=vip)
    page = _text(_send(admin, poles, "look"))
    assert "2 contacts get the tag “vip”. 1 is so already." in page
    assert "It begins at once." in page
    assert "It can be undone for 30 days." in page
    assert not SegmentAction.objects.exists()
    assert 'name="tag" value="vip"' in page


def test_it_says_who_withdrew_a_consent_and_stays_so(admin: Client, poles: Segment) -> None:
    ConsentDefinition.objects.create(key="newsletter", label="Newsletter")
    consents.record(
        contact_id=Contact.objects.earliest("pk").pk,
        key="newsletter",
        state="withdrawn",
        at=timezone.now() - HOUR,
        source="preference_center",
        actor=SYSTEM,
    )
    words = {"kind": "add_consent", "consent": "newsletter", "reason": "Signed at the fair"}
    page = _text(_send(admin, poles, "look", **words))
    assert "For 2 contacts the consent “newsletter” is recorded as granted." in page
    assert "1 withdrew it and stays so" in page
    _send(admin, poles, **words)
    do_work(at=timezone.now())
    written = ConsentEntry.objects.filter(source="segment_action")
    assert {line.reason for line in written} == {"Signed at the fair"}
    assert written.count() == 2


def test_a_consent_needs_a_reason_on_the_screen(admin: Client, poles: Segment) -> None:
    ConsentDefinition.objects.create(key="newsletter", label="Newsletter")
    page = _text(_send(admin, poles, kind="add_consent", consent="newsletter"))
    assert "Say why: the ledger keeps it." in page
    assert not SegmentAction.objects.exists()


def test_an_action_is_planned_runs_and_tells_its_counts(
    admin: Client, poles: Segment, vip: Tag
) -> None:
    page = _text(_send(admin, poles))
    assert "“Add tag vip” has begun." in page
    assert "data-job=" in page, "its progress is watched"
    do_work(at=timezone.now())
    page = _text(admin.get(_page(poles)))
    assert "Add tag “Very important”" in page
    assert "3 contacts changed" in page
    assert "data-opens=&quot;undo-" in page or 'data-opens="undo-' in page


def test_in_preparation_it_waits(admin: Client, vip: Tag) -> None:
    segment = make_segment()
    assert "It waits until the segment has been calculated." in _text(_send(admin, segment, "look"))
    assert "“Add tag vip” is planned." in _text(_send(admin, segment))


def test_a_time_after_the_expiry_is_warned_of(admin: Client, poles: Segment, vip: Tag) -> None:
    Segment.objects.update(readiness_hours=1)
    late = timezone.localtime(timezone.now() + 3 * HOUR).strftime("%Y-%m-%dT%H:%M")
    page = _text(_send(admin, poles, "look", when="at", planned_for=late))
    assert "The calculation expires before" in page
    past = timezone.localtime(timezone.now() - 3 * HOUR).strftime("%Y-%m-%dT%H:%M")
    assert "This time has passed." in _text(
        _send(admin, poles, "look", when="at", planned_for=past)
    )
    assert "Say when." in _text(_send(admin, poles, "look", when="at"))


def test_a_new_tag_is_made_by_who_may(
    admin: Client, make_person: MakePerson, poles: Segment
) -> None:
    runner = make_person("segments.view_segment", "segments.run_actions_segment")
    assert "define it first" in _text(_send(runner, poles, tag="fresh"))
    assert "“fresh” does not exist yet: it is made." in _text(
        _send(admin, poles, "look", tag="fresh")
    )
    assert not Tag.objects.exists()
    _send(admin, poles, tag="fresh")
    assert Tag.objects.get().key == "fresh"


def test_an_export_is_an_action_like_the_others(admin: Client, poles: Segment) -> None:
    words: dict[str, Any] = {"kind": "export", "columns": ["id", "email"], "format": "xlsx"}
    assert "3 contacts are written to a file." in _text(_send(admin, poles, "look", **words))
    _send(admin, poles, **words)
    action = SegmentAction.objects.get()
    assert action.parameters["export"] == {"columns": ["id", "email"], "format": "xlsx"}


def test_undo_and_cancel_are_buttons_that_ask(admin: Client, poles: Segment, vip: Tag) -> None:
    done, planned = _plan(poles), _plan(poles, when="after_refresh")
    do_work(at=timezone.now())
    page = _text(admin.get(_page(poles)))
    assert "is taken from the 3 contacts who got it by this run." in page
    assert "It will not be done. What earlier runs did stays as it is." in page
    _button(admin, planned, "cancel_action")
    planned.refresh_from_db()
    assert planned.state == "cancelled"
    answer = _button(admin, done, "undo_run", run=done.runs.get().pk)
    assert "is being undone" in _text(answer)
    do_work(at=timezone.now())
    assert not ContactTag.objects.exists()
    page = _text(admin.get(_page(poles)))
    assert "Undone: 3" in page
    assert 'data-opens="undo-' not in page
    assert "was undone already" in _text(_button(admin, done, "undo_run", run=done.runs.get().pk))


def test_a_run_of_another_action_is_not_undone(admin: Client, poles: Segment, vip: Tag) -> None:
    one, two = _plan(poles), _plan(poles, kind="remove_tag")
    do_work(at=timezone.now())
    _button(admin, one, "undo_run", run=two.runs.get().pk)
    assert not two.runs.filter(undo_job__isnull=False).exists()


def test_who_may_not_run_actions_sees_them_without_buttons(
    make_person: MakePerson, poles: Segment, vip: Tag
) -> None:
    action = _plan(poles, when="after_refresh")
    viewer = make_person("segments.view_segment")
    page = _text(viewer.get(_page(poles) + "?add=1"))
    assert "Add tag “Very important”" in page
    assert "New action" not in page
    assert "data-opens" not in page
    assert _send(viewer, poles).status_code == 403
    assert _button(viewer, action, "cancel_action").status_code == 403


def test_who_may_not_export_is_not_offered_it(make_person: MakePerson, poles: Segment) -> None:
    runner = make_person("segments.view_segment", "segments.run_actions_segment")
    form = _text(runner.get(_page(poles) + "?add=1"))
    assert 'value="export"' not in form
    answer = _send(runner, poles, kind="export", columns=["id"])
    assert answer.status_code in {200, 403}
    assert not SegmentAction.objects.exists()


def test_a_segment_that_cannot_be_used_says_why_and_offers_nothing(
    admin: Client, poles: Segment, vip: Tag
) -> None:
    lifecycle.inactivate(poles, actor=SYSTEM, at=timezone.now())
    page = _text(admin.get(_page(poles) + "?add=1"))
    assert "No action can run:" in page
    assert "New action" not in page
    assert "is inactive" in _text(_send(admin, poles))


def test_a_refused_action_shows_its_reason(admin: Client, poles: Segment, vip: Tag) -> None:
    _plan(poles, when="after_refresh")
    lifecycle.inactivate(poles, actor=SYSTEM, at=timezone.now())
    page = _text(admin.get(_page(poles)))
    assert "refused" in page
    assert "The segment was set inactive." in page


def test_the_overview_lists_the_actions_of_segments_one_may_see(
    admin: Client, make_person: MakePerson, vip: Tag
) -> None:
    group = Group.objects.create(name="Poland")
    hidden, shown = make_segment("hidden", groups=["Poland"]), make_segment("shown")
    theirs, ours = _plan(hidden), _plan(shown)
    address = reverse("admin:segments_segmentaction_changelist")
    everything = _text(admin.get(address))
    assert "Hidden" in everything
    assert "Shown" in everything
    outsider = make_person("segments.view_segment", "segments.run_actions_segment")
    page = _text(outsider.get(address))
    assert "Shown" in page
    assert "Hidden" not in page
    assert _button(outsider, theirs, "cancel_action").status_code == 404
    assert outsider.get(_page(hidden)).status_code in {302, 404}
    insider = make_person("segments.view_segment", groups=(group,))
    assert "Hidden" in _text(insider.get(address))
    change = reverse("admin:segments_segmentaction_change", args=[ours.pk])
    assert admin.get(change)["Location"] == _page(shown)
    assert "Shown" in _text(admin.get(address, {"state__exact": "planned"}))


def test_a_long_history_leads_to_the_whole_list(
    admin: Client, poles: Segment, vip: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "_PAGE", 2)
    other = make_segment("other")
    for segment in (poles, poles, poles, other):
        _plan(segment, when="after_refresh")
    page = _text(admin.get(_page(poles)))
    assert "These are the newest 2." in page
    whole = f"?segment__id__exact={poles.pk}"
    assert whole in page
    listed = _text(admin.get(reverse("admin:segments_segmentaction_changelist") + whole))
    assert "3 actions" in listed


def test_the_page_of_an_expired_segment_does_not_lead_to_an_action(
    admin: Client, poles: Segment
) -> None:
    address = reverse("admin:segments_segment_change", args=[poles.pk])
    assert "?add=1" in _text(admin.get(address))
    Segment.objects.update(calculated_at=timezone.now() - 2 * HOUR, readiness_hours=1)
    assert "?add=1" not in _text(admin.get(address))


def test_the_form_survives_nonsense(admin: Client, poles: Segment) -> None:
    for words in (
        {"kind": "dance"},
        {"kind": "add_tag", "tag": ""},
        {"when": "whenever"},
        {"when": "at", "planned_for": "yesterday"},
        {"kind": "export", "columns": ["nose"]},
        {"kind": "add_consent", "consent": "nothing", "reason": "x"},
        {"tag": "not a key!"},
    ):
        assert _send(admin, poles, **words).status_code == 200, words
    assert not SegmentAction.objects.exists()
    assert User.objects.exists()
