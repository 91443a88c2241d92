"""Probes and figures."""

from typing import Any

import pytest
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from contacts.models import Contact
from segments.models import Segment
from tests.api.conftest import MakeProgram, assert_problem
from workspace.models import Job

pytestmark = pytest.mark.django_db


def figures(answer: Any) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_it_lives(client: Client) -> None:
    answer = client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_it_is_ready_when_database_migrations_and_broker_are(client: Client) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "broker": "ok"},
    }


def test_a_pending_migration_makes_it_not_ready_and_is_named(client: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app="loyalty").delete()
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "loyalty.0001_initial" in answer.json()["checks"]["migrations"]


def test_figures_are_read_from_the_tables(client: Client) -> None:
    Contact.objects.create()
    Segment.objects.create(key="a", name="a", failure="It broke.")
    Segment.objects.create(key="b", name="b", status="archived")
    Job.objects.create(kind="k", title="t")
    answer = client.get("/metrics")
    assert answer["Content-Type"].startswith("text/plain")
    found = figures(answer)
    assert found["regulars_database_up",] == 1
    assert found["regulars_segments", "active"] == 1
    assert found["regulars_segments", "archived"] == 1
    assert found["regulars_segments_failed",] == 1
    assert found["regulars_jobs", "k", "queued"] == 1
    assert found["regulars_oldest_queued_job_seconds",] >= 0
    assert {("regulars_contacts",), ("regulars_events",)} <= found.keys()


def test_figures_are_not_for_strangers(client: Client, make_program: MakeProgram) -> None:
    for far in ({"REMOTE_ADDR": "192.0.2.7"}, {"headers": {"X-Forwarded-For": "192.0.2.7"}}):
        assert_problem(client.get("/metrics", **far), 401, "not_authenticated")
    for scope, status in (("workspace:read", 200), ("contacts:read", 401)):
        headers = {"Authorization": f"Api-Key {make_program(scope).key}"}
        answer = client.get("/metrics", REMOTE_ADDR="192.0.2.7", headers=headers)
        assert answer.status_code == status
