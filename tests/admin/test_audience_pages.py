"""Audiences on the page of a segment and in the API."""

import pytest
from django.test import Client

from segments.audiences import audiences
from segments.audiences.models import Audience
from segments.models import Segment
from tests.integrations.metric_uploads.conftest import World, clock, sandbox, world
from tests.segments.factories import make_segment
from workspace.access import SYSTEM

__all__ = ["clock", "sandbox", "world"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def poles(world: World) -> Segment:
    return make_segment(at=world.clock.now())


def test_a_segment_is_sent_from_its_page(world: World, poles: Segment, admin: Client) -> None:
    path = f"/admin/segments/segment/{poles.pk}/audiences/"
    assert "Sent nowhere yet" in admin.get(path).content.decode()
    assert "Sandbox Ltd" in admin.get(path, {"add": 1}).content.decode()
    given = {"connection": world.connection.pk, "name": "Best", "consent": ""}
    assert admin.post(path, given).status_code == 302
    audience = Audience.objects.get()
    assert "on its way" in admin.get(path).content.decode()
    for verb, state in (("pause", "paused"), ("resume", "active")):
        admin.post(path, {"verb": verb, "audience": audience.pk})
        audience.refresh_from_db()
        assert audience.state == state
    admin.post(path, {"verb": "end", "audience": audience.pk})
    assert not Audience.objects.exists()


def test_what_cannot_be_stands_at_its_field(world: World, poles: Segment, admin: Client) -> None:
    path = f"/admin/segments/segment/{poles.pk}/audiences/"
    page = admin.post(path, {"connection": 0, "name": "x" * 200, "consent": ""}).content.decode()
    assert "errorlist" in page or "rg-bad" in page or "text-red" in page
    assert not Audience.objects.exists()


def test_programs_do_the_same(world: World, poles: Segment, admin: Client) -> None:
    path = f"/api/segments/{poles.key}/audiences/"
    kind = "application/json"
    begun = admin.post(path, {"connection": world.connection.pk, "name": "Best"}, content_type=kind)
    assert begun.status_code == 201, begun.content
    one = f"{path}{begun.json()['id']}/"
    assert (begun.json()["segment"], begun.json()["state"]) == (poles.key, "active")
    assert admin.post(f"{one}pause/", content_type=kind).json()["state"] == "paused"
    assert admin.post(f"{one}resume/", content_type=kind).json()["state"] == "active"
    assert [found["name"] for found in admin.get(path).json()["results"]] == ["Best"]
    again = admin.post(path, {"connection": world.connection.pk}, content_type=kind)
    assert (again.status_code, again.json()["code"]) == (400, "audience_invalid")
    assert admin.delete(f"{one}?delete_list=true").status_code == 204
    assert admin.get(one).status_code == 404


def mirrored(world: World, segment: Segment) -> Audience:
    """An audience whose list is there."""
    audience = audiences.begin_audience(
        segment, connection_id=world.connection.pk, actor=SYSTEM, at=world.clock.now()
    )
    world.run("audiences")
    return audience


def test_people_and_programs_rename_it(world: World, poles: Segment, admin: Client) -> None:
    audience = mirrored(world, poles)
    path = f"/admin/segments/segment/{poles.pk}/audiences/"
    given = {"verb": "rename", "audience": audience.pk, "name": "By hand"}
    assert "The list is renamed." in admin.post(path, given, follow=True).content.decode()
    taken = admin.post(path, {**given, "name": "All contacts"}, follow=True).content.decode()
    assert "names are unique over both" in taken
    one = f"/api/segments/{poles.key}/audiences/{audience.pk}/"
    kind = "application/json"
    answer = admin.patch(one, {"name": "By program"}, content_type=kind)
    assert (answer.status_code, answer.json()["list"]) == (200, "By program")
    answer = admin.patch(one, {"name": "All contacts"}, content_type=kind)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "name")


def test_a_number_that_a_list_got_is_explained(world: World, poles: Segment, admin: Client) -> None:
    world.sandbox.contacts.add_list("Poles", [])
    mirrored(world, poles)
    page = admin.get(f"/admin/segments/segment/{poles.pk}/audiences/").content.decode()
    assert "Poles (2)" in page
    assert "was called “Poles” there already" in page
