"""Importing segments on the screen, and the page of an imported one (AN-25 to AN-29)."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from integrations.errors import TemporaryError
from integrations.models import VendorConnection
from segments import lifecycle
from segments.imported import importing
from segments.models import ImportedSegment, Segment
from tests.admin.conftest import MakePerson
from tests.factories import DAY, NOW, make_contact
from tests.segments.factories import make_segment
from tests.segments.imported.system import (
    System,
    connect,
    make_members,
    registered,
    sync,
    take,
)
from workspace.access import SYSTEM
from workspace.models import Job, UserGroup

pytestmark = pytest.mark.django_db

IMPORT = reverse("admin:segments_segment_import")
LIST = reverse("admin:segments_segment_changelist")
ANN, BEA = "ann@example.com", "bea@example.com"


@pytest.fixture
def system() -> Iterator[System]:
    with registered() as made:
        made.segments |= {"vip": [ANN, BEA, "x@example.com"], "new": [ANN]}
        yield made


@pytest.fixture
def connection(system: System) -> VendorConnection:
    return connect()


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


def page_of(segment: Segment) -> str:
    return reverse("admin:segments_segment_imported", args=[segment.pk])


def test_both_entries_lead_to_the_import(admin: Client) -> None:
    page = text_of(admin, LIST)
    assert page.count(f'href="{IMPORT}"') == 2, "the sidebar and the button above the list"


def test_without_a_connection_the_page_says_what_to_do(admin: Client) -> None:
    assert "No system is connected" in text_of(admin, IMPORT)


def test_segments_are_chosen_and_imported(admin: Client, connection: VendorConnection) -> None:
    page = text_of(admin, IMPORT)
    assert page.count('name="segments"') == 2
    assert "Segments in Faraway shop" in page
    answer = admin.post(IMPORT, {"segments": ["vip", "new"], "members_only": "on"})
    assert answer.status_code == 302
    assert set(Segment.objects.values_list("name", "members_only", "mail_findings")) == {
        ("Vip", True, False),
        ("New", True, False),
    }
    assert Job.objects.filter(kind=importing.SYNC_JOB).count() == 1
    again = text_of(admin, IMPORT)
    assert again.count("Imported as") == 2
    assert again.count("disabled") >= 2


def test_nothing_chosen_is_told(admin: Client, connection: VendorConnection) -> None:
    answer = admin.post(IMPORT, {"members_only": "on"})
    assert "Choose at least one segment." in answer.content.decode()


def test_counts_come_after_the_page(admin: Client, connection: VendorConnection) -> None:
    address = reverse("admin:segments_segment_import_counts", args=[connection.pk])
    assert admin.get(f"{address}?id=vip&id=new").json() == {"counts": {"vip": "3", "new": "1"}}
    unknown = reverse("admin:segments_segment_import_counts", args=[4711])
    assert admin.get(f"{unknown}?id=vip").status_code == 404


def test_a_system_that_does_not_answer_is_told(
    admin: Client, connection: VendorConnection, system: System
) -> None:
    system.fails[""] = TemporaryError("Faraway is down.")
    page = text_of(admin, IMPORT)
    assert "Faraway is down." in page
    assert "Try again" in page


def test_the_page_of_one_says_where_it_comes_from(
    admin: Client, connection: VendorConnection, system: System
) -> None:
    make_members(ANN)
    make_contact(email=BEA)
    (segment,) = take(connection, "vip")
    assert "not read yet" in text_of(admin, page_of(segment))
    sync(connection)
    page = text_of(admin, page_of(segment))
    assert "“Vip” in Faraway" in page
    assert BEA in page
    assert "x@example.com" in page
    only_unknown = text_of(admin, f"{page_of(segment)}?reason=unknown")
    assert BEA not in only_unknown
    assert "x@example.com" in only_unknown
    form = text_of(admin, reverse("admin:segments_segment_change", args=[segment.pk]))
    assert "Contacts who are in the segment “Vip” of Faraway." in form
    assert 'name="criteria"' not in form
    assert "imported from Faraway" in text_of(admin, LIST)


def test_buttons_read_it_now_and_stop_it(
    admin: Client, connection: VendorConnection, system: System
) -> None:
    (segment,) = take(connection, "vip")
    ImportedSegment.objects.update(requested_at=None)
    now = reverse("admin:segments_segment_action", args=[segment.pk, "synchronize_now"])
    stop = reverse("admin:segments_segment_action", args=[segment.pk, "stop_importing"])
    admin.post(now)
    segment.imported.refresh_from_db()
    assert segment.imported.requested_at is not None
    admin.post(stop)
    assert "imported no more" in text_of(admin, page_of(segment))
    page = text_of(admin, reverse("admin:segments_segment_change", args=[segment.pk]))
    assert "Synchronize now" not in page


def test_what_is_missing_there_is_told_on_its_page_and_in_the_list(
    admin: Client, connection: VendorConnection, system: System
) -> None:
    (segment,) = take(connection, "vip")
    sync(connection)
    del system.segments["vip"]
    sync(connection)
    assert "is not there any more" in text_of(admin, page_of(segment))
    assert "missing in the other system" in text_of(admin, LIST)
    assert "Vip" in text_of(admin, f"{LIST}?health=missing")
    overview = text_of(admin, reverse("admin:segments_segment_change", args=[segment.pk]))
    assert "was set inactive" in overview


def test_a_copy_is_not_read(admin: Client, connection: VendorConnection, system: System) -> None:
    (segment,) = take(connection, "vip")
    sync(connection)
    segment.refresh_from_db()
    copied = lifecycle.copy_segment(segment, actor=SYSTEM, at=NOW)
    assert "It is a copy" in text_of(admin, page_of(copied))


def test_only_imported_segments_have_the_page(admin: Client) -> None:
    assert admin.get(page_of(make_segment())).status_code == 404


def test_who_may_make_no_segments_imports_none(
    make_person: MakePerson, connection: VendorConnection
) -> None:
    reader = make_person("segments.view_segment")
    assert reader.get(IMPORT).status_code == 403
    assert reader.post(IMPORT, {"segments": ["vip"]}).status_code == 403
    assert IMPORT not in text_of(reader, LIST)


def test_a_group_is_asked_for_and_others_see_nothing(
    make_person: MakePerson, connection: VendorConnection, system: System
) -> None:
    poland, france = (Group.objects.create(name=name) for name in ("Poland", "France"))
    for group in (poland, france):
        UserGroup.objects.create(group=group, entities=["segment"])
    permissions = ("segments.view_segment", "segments.add_segment", "contacts.view_contact")
    pole, frenchman = (make_person(*permissions, groups=(one,)) for one in (poland, france))
    refused = pole.post(IMPORT, {"segments": ["vip"]})
    assert refused.status_code == 200
    assert not Segment.objects.exists()
    given: dict[str, Any] = {"segments": ["vip"], "groups": ["Poland"]}
    assert pole.post(IMPORT, given).status_code == 302
    segment = Segment.objects.get()
    sync(connection)
    assert ANN in text_of(pole, page_of(segment))
    assert frenchman.get(page_of(segment)).status_code == 404
    page = text_of(frenchman, IMPORT)
    assert "Imported already" in page
    assert page_of(segment) not in page


def test_who_may_not_see_contacts_sees_no_addresses(
    make_person: MakePerson, connection: VendorConnection, system: System
) -> None:
    (segment,) = take(connection, "vip")
    sync(connection)
    page = text_of(make_person("segments.view_segment"), page_of(segment))
    assert ANN not in page
    assert "for people who may look at contacts" in page


def connection_page(client: Client, connection: VendorConnection) -> str:
    return text_of(
        client, reverse("admin:integrations_vendorconnection_change", args=[connection.pk])
    )


def test_the_page_of_a_connection_leads_to_the_import_and_to_what_was_imported(
    admin: Client, connection: VendorConnection
) -> None:
    address = f"{IMPORT}?connection={connection.pk}"
    page = connection_page(admin, connection)
    assert "No segment is imported yet" in page
    assert page.count(f'href="{address}"') == 2
    make_members(ANN)
    (vip,) = take(connection, "vip")
    sync(connection)
    page = connection_page(admin, connection)
    assert f'href="{page_of(vip)}"' in page
    assert "1 of 3 came in" in page


def test_segments_of_other_groups_are_not_named_there(
    make_person: MakePerson, connection: VendorConnection, scoped_group: Group
) -> None:
    (vip,) = take(connection, "vip", groups=[scoped_group.name])
    see = ("integrations.view_vendorconnection", "segments.view_segment")
    stranger, insider = make_person(*see), make_person(*see, groups=(scoped_group,))
    assert page_of(vip) not in connection_page(stranger, connection)
    assert page_of(vip) in connection_page(insider, connection)


def test_who_was_left_out_is_listed_page_after_page(
    admin: Client, system: System, connection: VendorConnection
) -> None:
    system.segments["vip"] = [f"p{number:03}@example.com" for number in range(150)]
    (vip,) = take(connection, "vip")
    sync(connection)
    page = text_of(admin, page_of(vip))
    assert "p099@example.com" in page
    assert "p100@example.com" not in page
    assert "?after=100" in page
    page = text_of(admin, f"{page_of(vip)}?after=100&reason=unknown")
    assert "p100@example.com" in page
    assert "p149@example.com" in page
    assert "From the first" in page


def test_the_page_of_the_segment_says_when_it_is_read_next(
    admin: Client, connection: VendorConnection
) -> None:
    (vip,) = take(connection, "vip")
    sync(connection)
    connection.refresh_from_db()
    assert importing.next_reading_at(vip) == connection.next_sync_at
    importing.stop_importing(vip, actor=SYSTEM, at=NOW)
    assert importing.next_reading_at(vip) is None
    assert importing.next_reading_at(make_segment()) is None


def test_the_first_page_tells_of_one_that_is_gone_there(
    admin: Client, system: System, connection: VendorConnection
) -> None:
    (vip,) = take(connection, "vip")
    sync(connection)
    assert "is not there any more" not in text_of(admin, "/admin/")
    del system.segments["vip"]
    sync(connection, at=NOW + DAY)
    page = text_of(admin, "/admin/")
    assert "the segment is not there any more in the system from which it is imported" in page
    assert page_of(vip) in page
