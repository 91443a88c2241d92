"""The list of segments: sections, columns, what one can do from a row, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from segments import lifecycle, membership
from segments.models import Segment, SegmentAction
from tests.admin.conftest import MakePerson
from tests.segments.factories import lives_in, make_contacts, make_segment
from workspace.access import SYSTEM
from workspace.models import User

pytestmark = pytest.mark.django_db
LIST = "/admin/segments/segment/"
_ALL = tuple(
    f"segments.{name}_segment"
    for name in ("view", "add", "change", "refresh", "inactivate", "archive", "export")
)


def _keys(client: Client, **query: str) -> list[str]:
    answer = client.get(LIST, query)
    assert answer.status_code == 200, answer
    return sorted(segment.key for segment in answer.context["cl"].result_list)


def _rows(client: Client, **query: str) -> dict[str, Any]:
    answer = client.get(LIST, query)
    return {segment.key: segment for segment in answer.context["cl"].result_list}


def _commands(client: Client, key: str) -> list[str]:
    return [command.title for command in _rows(client)[key].row["commands"]]


def _calculated(key: str, **given: Any) -> Segment:
    segment = make_segment(key, lives_in("Warszawa"), at=timezone.now(), **given)
    membership.refresh(segment.pk, as_of=timezone.now(), cause="test")
    segment.refresh_from_db()
    return segment


def _expired(key: str) -> Segment:
    segment = _calculated(key, readiness_hours=1)
    Segment.objects.filter(pk=segment.pk).update(calculated_at=timezone.now() - timedelta(hours=2))
    return segment


def _archived(key: str) -> Segment:
    segment = _calculated(key)
    lifecycle.inactivate(segment, actor=SYSTEM, at=timezone.now())
    return lifecycle.archive(segment, actor=SYSTEM, at=timezone.now())


def test_each_tab_shows_its_section_with_its_count(admin: Client) -> None:
    make_segment("new")
    _calculated("ready")
    _expired("expired")
    _archived("archived")
    assert _keys(admin) == ["archived", "expired", "new", "ready"]
    assert _keys(admin, section="preparation") == ["new"]
    assert _keys(admin, section="ready") == ["ready"]
    assert _keys(admin, section="archive") == ["archived", "expired"]
    tabs = admin.get(LIST, {"section": "archive"}).context["section_tabs"]
    assert [(str(tab["title"]), tab["count"]) for tab in tabs] == [
        ("All", "4"),
        ("In preparation", "1"),
        ("Ready to use", "1"),
        ("Archive", "2"),
        ("Export files", "0"),
    ]
    assert [str(tab["title"]) for tab in tabs if tab["is_current"]] == ["Archive"]


def test_the_archive_says_which_are_archived_and_which_only_expired(admin: Client) -> None:
    _expired("expired")
    _archived("archived")
    rows = _rows(admin, section="archive")
    assert "archived" in str(rows["archived"].row["badges"])
    assert "expired" in str(rows["expired"].row["badges"])
    assert "active" in str(rows["expired"].row["badges"])


def test_the_columns_are_those_of_the_trade(admin: Client) -> None:
    make_contacts("Warszawa", "Warszawa", "Warszawa")
    segment = _calculated("vip", readiness_hours=48)
    for kind in ("add_tag", "export"):
        SegmentAction.objects.create(
            segment=segment, kind=kind, key="" if kind == "export" else "x", author_kind="user"
        )
    answer = admin.get(LIST, {"section": "ready"})
    assert [str(header["text"]) for header in result_headers(answer.context["cl"])] == [
        *("name", "created", "expires", "contacts", "since last time"),
        *("actions", "commands"),
    ]
    page = answer.content.decode()
    for words in (">active<", ">ready<", "+3", "add tag", "export"):
        assert words in page, words


def test_a_segment_in_preparation_shows_its_progress_and_can_be_cancelled(admin: Client) -> None:
    segment = make_segment("new")
    page = admin.get(LIST, {"section": "preparation"}).content.decode()
    job = membership.unfinished_refreshes([segment.pk], actor=SYSTEM)[segment.pk]
    assert f'data-job="{reverse("admin:workspace_job_progress", args=[job.pk])}"' in page
    cancel = reverse("admin:segments_segment_action", args=[segment.pk, "cancel_calculation"])
    assert f'formaction="{cancel}"' in page
    back = f"{LIST}?section=preparation"
    answer = admin.post(cancel, {"next": back})
    assert answer["Location"] == back, "one stays where one was"
    assert "It was cancelled." in admin.get(back).content.decode()


def test_a_button_leads_to_no_other_site(admin: Client) -> None:
    segment = make_segment("new")
    cancel = reverse("admin:segments_segment_action", args=[segment.pk, "cancel_calculation"])
    answer = admin.post(cancel, {"next": "https://elsewhere.example/"})
    assert answer["Location"] == reverse("admin:segments_segment_change", args=[segment.pk])


def test_what_can_be_done_from_a_row_follows_the_state(admin: Client) -> None:
    _calculated("ready")
    lifecycle.inactivate(_calculated("resting"), actor=SYSTEM, at=timezone.now())
    _archived("gone")
    make_segment("new")
    _expired("over")
    looking = ["Go to contacts", "Preview"]
    usual = ["List of actions", *looking, "Edit settings", "Copy", "History", "Export"]
    over = ["List of executed actions", *usual[1:]]
    assert _commands(admin, "ready") == ["Add action", *usual, "Refresh now", "Set inactive"]
    assert _commands(admin, "new") == [
        *("Add action", *usual),
        *("Cancel the calculation", "Set inactive"),
    ]
    assert _commands(admin, "resting") == [*usual, "Set active", "Delete (archive)"]
    assert _commands(admin, "over") == [*over, "Refresh now", "Set inactive"]
    assert _commands(admin, "gone") == [
        *("List of executed actions", *looking),
        *("Copy", "History"),
    ]


def test_a_reader_is_offered_only_to_look(make_person: MakePerson) -> None:
    _calculated("ready")
    reader = make_person("segments.view_segment")
    assert _commands(reader, "ready") == ["List of actions", "Preview", "History"]


def test_every_command_leads_somewhere(admin: Client) -> None:
    _calculated("ready")
    lifecycle.inactivate(_calculated("resting"), actor=SYSTEM, at=timezone.now())
    for segment in _rows(admin).values():
        for command in segment.row["commands"]:
            if command.is_post:
                assert admin.get(command.url).status_code == 405, command
                continue
            page = admin.get(command.url)
            assert page.status_code == 200, command
            _address, _hash, dialog = command.url.partition("#")
            assert f'id="{dialog}"' in page.content.decode() or not dialog, command


def test_a_deadline_is_told_with_one_click_to_renew(admin: Client) -> None:
    segment = _calculated("vip", readiness_hours=6)
    page = admin.get(LIST).content.decode()
    assert "expires in 5\xa0hours" in page
    renew = reverse("admin:segments_segment_action", args=[segment.pk, "refresh_now"])
    assert f'formaction="{renew}" class="rg-button rg-tiny">Renew<' in page
    admin.post(renew, {"next": LIST})
    segment.refresh_from_db()
    assert segment.refresh_requested_at is not None
    assert "expires in" not in admin.get(LIST).content.decode()


def test_imported_segments_and_those_from_files_are_marked(admin: Client) -> None:
    make_segment("vendor", name="Theirs")
    Segment.objects.filter(key="vendor").update(source="imported")
    assert ">imported<" in "".join(str(b) for b in _rows(admin)["vendor"].row["badges"]).replace(
        "</span>imported", ">imported"
    )


def test_filters_find_owner_group_refresh_and_source(admin: Client) -> None:
    group = Group.objects.create(name="Poland")
    owner = User.objects.create_user("anna", is_staff=True)
    make_segment("plain")
    make_segment("owned", owner=owner)
    make_segment("grouped", groups=["Poland"])
    make_segment("daily", refresh_mode="interval", refresh_amount=1, refresh_unit="day")
    Segment.objects.filter(key="plain").update(source="imported")
    assert _keys(admin, owner=str(owner.pk)) == ["owned"]
    assert _keys(admin, group=str(group.pk)) == ["grouped"]
    assert _keys(admin, refresh_mode__exact="interval") == ["daily"]
    assert _keys(admin, source__exact="imported") == ["plain"]
    assert _keys(admin, q="owne", section="preparation") == ["owned"]
    tabs = admin.get(LIST, {"q": "owne", "section": "preparation", "p": "1"}).context[
        "section_tabs"
    ]
    assert tabs[2]["url"] == f"{LIST}?q=owne&section=ready", "a tab keeps what was searched"


def test_a_filter_by_a_group_of_others_finds_nothing(make_person: MakePerson) -> None:
    group = Group.objects.create(name="Poland")
    make_segment("grouped", groups=["Poland"])
    make_segment("plain")
    outsider = make_person(*_ALL)
    assert _keys(outsider, group=str(group.pk)) == []
    assert "Poland" not in outsider.get(LIST).content.decode()


@pytest.mark.parametrize("order", ["0", "-1", "2", "-3"])
def test_the_columns_sort(admin: Client, order: str) -> None:
    _calculated("a", readiness_hours=5)
    _calculated("b", readiness_hours=50)
    found = [s.key for s in admin.get(LIST, {"o": order}).context["cl"].result_list]
    assert sorted(found) == ["a", "b"]
    if order == "2":
        assert found == ["a", "b"]


def test_every_tab_costs_the_same_for_few_and_many(admin: Client) -> None:
    def furnish(prefix: str, count: int) -> None:
        for n in range(count):
            make_segment(f"{prefix}new{n}")
            _calculated(f"{prefix}ready{n}", readiness_hours=5)
            _expired(f"{prefix}expired{n}")

    def cost(section: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            admin.get(LIST, {"section": section} if section else {})
        return len(captured)

    sections = ("", "preparation", "ready", "archive")
    furnish("a", 1)
    for section in sections:
        cost(section)
    few = [cost(section) for section in sections]
    furnish("b", 4)
    assert [cost(section) for section in sections] == few


def test_the_preview_shows_settings_and_criteria_to_read_only(
    admin: Client, make_person: MakePerson
) -> None:
    segment = _calculated("vip", refresh_mode="interval", refresh_amount=2, refresh_unit="day")
    address = reverse("admin:segments_segment_settings", args=[segment.pk])
    page = admin.get(address).content.decode()
    for words in ("every 2 days", "Warszawa", "until the next calculation"):
        assert words in page, words
    assert 'name="criteria"' not in page
    Segment.objects.filter(pk=segment.pk).update(name="Secret plan")
    segment.groups.add(Group.objects.create(name="Poland"))
    assert make_person(*_ALL).get(address).status_code == 404


def test_the_page_of_a_segment_and_the_first_page_tell_its_deadline(admin: Client) -> None:
    segment = _calculated("vip", name="Very important", readiness_hours=6)
    SegmentAction.objects.create(segment=segment, kind="export", author_kind="user")
    renew = reverse("admin:segments_segment_action", args=[segment.pk, "refresh_now"])
    for address in (
        reverse("admin:segments_segment_change", args=[segment.pk]),
        reverse("admin:index"),
    ):
        page = admin.get(address).content.decode()
        assert "expires in 5\xa0hours, 1 action still planned" in page, address
        assert f'action="{renew}"' in page, address
    answer = admin.post(renew, {"next": reverse("admin:index")})
    assert answer["Location"] == reverse("admin:index")
    assert "Expiring soon" not in admin.get(reverse("admin:index")).content.decode()


def test_an_expired_segment_says_that_no_action_can_run(admin: Client) -> None:
    segment = _expired("vip")
    SegmentAction.objects.create(segment=segment, kind="export", author_kind="user")
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    page = admin.get(address).content.decode()
    assert "Its readiness time is over: no action can run on it" in page
    assert "1 action is still planned." in page


def test_deadlines_of_others_are_not_told(make_person: MakePerson) -> None:
    Group.objects.create(name="Poland")
    _calculated("vip", name="Secret plan", readiness_hours=6, groups=["Poland"])
    assert "Secret plan" not in make_person(*_ALL).get(reverse("admin:index")).content.decode()
