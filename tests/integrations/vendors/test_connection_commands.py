"""The commands that ask vendors and synchronize with them."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.models import VendorConnection
from integrations.sandbox.server import Fault, Response
from tests.factories import DAY, NOW
from tests.integrations.vendors.acme import Acme, connect, make_site

pytestmark = pytest.mark.django_db


def told(name: str, *args: str) -> tuple[list[dict[str, Any]], int]:
    """The lines of a command, and with what it ended."""
    written, code = io.StringIO(), 0
    try:
        call_command(name, *args, "--json", stdout=written)
    except SystemExit as end:
        code = int(str(end.code))
    return [json.loads(line) for line in written.getvalue().splitlines()], code


def test_each_connection_is_tested_and_one_that_is_refused_is_told_of(vendor: Acme) -> None:
    connection = connect(make_site())
    lines, code = told("check_connections")
    assert ([(one["id"], one["ok"]) for one in lines], code) == ([(connection.pk, True)], 0)
    vendor.password = "another"
    (line,), code = told("check_connections", str(connection.pk))
    assert (line["ok"], line["code"], code) == (False, "credentials_rejected", 1)
    assert VendorConnection.objects.get().state == "error"
    with pytest.raises(CommandError, match="There is no connection 999"):
        call_command("check_connections", "999")


def test_what_is_due_is_synchronized_as_of_a_time(vendor: Acme) -> None:
    connection = connect(make_site())
    (line,), code = told("sync_connections", "--as-of", NOW.isoformat())
    assert (line["state"], line["counts"]["sent"], code) == ("succeeded", 1, 0)
    connection.refresh_from_db()
    assert connection.last_synced_at is not None
    assert NOW <= connection.last_synced_at < NOW + timedelta(minutes=5)
    assert told("sync_connections", "--as-of", (NOW + DAY / 2).isoformat()) == ([], 0)
    lines, _code = told("sync_connections", "--as-of", (NOW + 2 * DAY).isoformat())
    assert len(lines) == 1
    lines, _code = told("sync_connections", str(connection.pk), "--name", "lists")
    assert [one["sync"] for one in lines] == ["lists"]


def test_one_that_fails_is_told_of_and_the_others_go_on(vendor: Acme) -> None:
    site = make_site()
    connect(site)
    connect(site)
    vendor.fail_next(Fault(Response(503)), path="/metrics")
    lines, code = told("sync_connections", "--as-of", NOW.isoformat())
    assert ([one["state"] for one in lines], code) == (["failed", "succeeded"], 1)
    assert lines[0]["error"] == "Acme does not work at present."
