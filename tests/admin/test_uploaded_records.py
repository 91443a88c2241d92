"""What people and programs see of uploads: how they stand, and what was refused."""

import pytest
from django.test import Client

from integrations.metric_uploads import records
from integrations.models import UploadedRecord
from tests.integrations.metric_uploads.conftest import World, clock, connect, sandbox, world
from workspace.models import AuditEntry, Job

__all__ = ["clock", "sandbox", "world"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(world: World) -> World:
    """One record is there, one contact is unknown, one record was refused."""
    world.person("anna")
    world.person("ben", is_known=False)
    world.sync()
    UploadedRecord.objects.filter(key="anna@shop.test:main").update(
        state="refused", reason="JsonValueIncompatibleWithSchema"
    )
    world.person("cai")
    world.sync()
    return world


def test_it_is_told_how_the_uploads_of_a_website_stand(filled: World) -> None:
    [one] = records.standings(filled.connection.pk)
    assert (one.sent, one.due, one.leaving, one.unknown_count) == (1, 0, 0, 1)
    assert one.refused == {"ContactEmailDoesNotExist": 1, "JsonValueIncompatibleWithSchema": 1}
    assert records.record_count(filled.connection.pk, filled.websites[0].pk) == 2


def test_the_page_lists_what_was_refused_by_reason(filled: World, admin: Client) -> None:
    path = f"/admin/integrations/vendorconnection/{filled.connection.pk}/records/"
    page = admin.get(path).content.decode()
    assert "ben@shop.test:main" in page
    assert "There is no contact with this address in the account." in page
    page = admin.get(path, {"reason": "JsonValueIncompatibleWithSchema"}).content.decode()
    assert "anna@shop.test:main" in page
    assert "ben@shop.test:main" not in page
    last = UploadedRecord.objects.latest("contact_id").contact_id
    page = admin.get(path, {"after": f"{last}|z"}).content.decode()
    assert "ben@shop.test:main" not in page


def test_the_connections_page_says_how_the_metrics_stand(filled: World, admin: Client) -> None:
    path = f"/admin/integrations/vendorconnection/{filled.connection.pk}/change/"
    page = admin.get(path).content.decode()
    assert "Metrics of contacts" in page
    assert "1 unknown contact" in page


def test_everything_is_uploaded_again_by_a_button(filled: World, admin: Client) -> None:
    path = f"/admin/integrations/vendorconnection/{filled.connection.pk}/records/"
    admin.post(path)
    assert set(UploadedRecord.objects.values_list("state", flat=True)) == {"due"}
    assert Job.objects.get(kind="integrations.sync").arguments["names"] == ["metrics"]
    assert AuditEntry.objects.filter(action="connection.upload_again").exists()


def test_programs_see_the_same(filled: World, admin: Client) -> None:
    path = f"/api/connections/{filled.connection.pk}/uploads/"
    [one] = admin.get(path).json()
    assert (one["website"], one["collection"], one["sent"]) == ("main", "SS_Segmentation_Data", 1)
    refused = admin.get(f"{path}refused/", {"reason": "ContactEmailDoesNotExist"}).json()
    assert [found["key"] for found in refused] == ["ben@shop.test:main"]
    assert refused[0]["message"].startswith("There is no contact")
    answer = admin.post(f"{path}again/", content_type="application/json")
    assert answer.status_code == 202
    assert admin.get("/api/connections/999999/uploads/").status_code == 404


def test_pages_say_of_the_other_connection(world: World, admin: Client) -> None:
    world.person("anna")
    again = connect(world.sandbox, world.clock, world.websites)
    other = World(world.sandbox, world.clock, again, world.websites)
    world.sync()
    other.sync()
    room = "/admin/integrations/vendorconnection"
    page = admin.get(f"{room}/{other.connection.pk}/change/").content.decode()
    assert "Each connection keeps and deletes its own data only" in page
    assert "end in “:main.2”" in page
    [standing] = records.standings(world.connection.pk)
    assert (standing.key_end, standing.is_beside) == (":main", False)
    path = f"/api/connections/{other.connection.pk}/uploads/"
    assert admin.get(path).json()[0]["key_end"] == ":main.2"
