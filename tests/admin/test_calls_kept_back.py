"""What was said to vendors names people and segments: who may read it, and who only that it was."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from integrations.models import VendorCall
from tests.admin.conftest import MakePerson
from tests.api.conftest import MakeProgram, make_program
from tests.factories import NOW
from tests.integrations.vendors.acme import Acme, connect, make_site
from tests.integrations.vendors.conftest import vendor
from tests.segments.factories import make_segment
from workspace.models import UserGroup

__all__ = ["make_program", "vendor"]
pytestmark = pytest.mark.django_db
VIEW = "integrations.view_vendorconnection"
SECRET = "/v2/address-books/7/contacts/ann%40shop.test?name=VIP"


@pytest.fixture
def path(vendor: Acme) -> str:
    """The page of the calls of a connection, of which one names somebody."""
    connection = connect(make_site())
    VendorCall.objects.create(
        connection=connection, at=NOW, method="POST", url=f"https://acme.example{SECRET}",
        request="ann@shop.test", status=200, answer='{"name": "VIP"}', milliseconds=3,
    )  # fmt: skip
    return f"/admin/integrations/vendorconnection/{connection.pk}/calls/"


def read(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_who_may_not_see_contacts_learns_only_that_something_was_said(
    path: str, make_person: MakePerson, admin: Client
) -> None:
    text = read(make_person(VIEW), path)
    assert "POST https://acme.example/v2/address-books/…" in text
    assert "shown to those who may see contacts" in text
    for secret in ("ann", "VIP"):
        assert secret not in text
    for client in (admin, make_person(VIEW, "contacts.view_contact")):
        text = read(client, path)
        assert "ann@shop.test" in text
        assert "VIP" in text


def test_nobody_reads_it_from_whom_a_user_group_keeps_something(
    path: str, make_person: MakePerson, admin: Client
) -> None:
    group = Group.objects.create(name="Warsaw")
    UserGroup.objects.create(group=group, entities=["segment"])
    rights = (VIEW, "contacts.view_contact")
    outsider, insider = make_person(*rights), make_person(*rights, groups=(group,))
    assert "VIP" in read(outsider, path)
    make_segment(groups=["Warsaw"])
    assert "VIP" not in read(outsider, path)
    assert "VIP" not in read(outsider, path.replace("calls", "change"))
    assert "VIP" in read(insider, path)
    assert "VIP" in read(admin, path)


def test_programs_are_told_whether_it_is_the_whole(path: str, make_program: MakeProgram) -> None:
    room = f"/api/connections/{path.split('/')[4]}/calls/"

    def first(*scopes: str) -> dict[str, Any]:
        found: dict[str, Any] = make_program(*scopes).get(room).json()["results"][0]
        return found

    kept = first("integrations:read")
    assert (kept["is_whole"], kept["request"], kept["answer"]) == (False, "", "")
    assert kept["url"] == "https://acme.example/v2/address-books/…"
    whole = first("integrations:read", "contacts:read")
    assert (whole["is_whole"], whole["request"]) == (True, "ann@shop.test")
