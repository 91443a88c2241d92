"""A POST that is sent again has its effect once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from contacts.models import Contact, EventStatistic
from tests.api.conftest import MakeProgram, Program, assert_problem
from workspace.models import IdempotencyRecord

EVENT = {"name": "purchase", "occurred_at": "2026-03-01T12:00:00Z", "properties": {"amount": 1.5}}


def event(**changes: Any) -> dict[str, Any]:
    return {**EVENT, **changes}


def count() -> int:
    # Without a message id each event counts.
    return EventStatistic.objects.values_list("event_count", flat=True).first() or 0


@pytest.mark.django_db
def test_the_same_request_gets_the_same_answer_and_acts_once(program: Program) -> None:
    body = event(contact=Contact.objects.create().pk)
    first = program.post("/api/events/", body, Idempotency_Key="k")
    again = program.post("/api/events/", dict(reversed(body.items())), Idempotency_Key="k")
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert again["Content-Type"] == first["Content-Type"]
    assert count() == 1
    program.post("/api/events/", body)
    assert count() == 2, "without the key it is another event"


@pytest.mark.django_db
def test_the_key_with_another_body_or_address_is_409(program: Program) -> None:
    body = event(contact=Contact.objects.create().pk)
    program.post("/api/events/", body, Idempotency_Key="k")
    other = event(contact=body["contact"], name="visit")
    answer = program.post("/api/events/", other, Idempotency_Key="k")
    assert_problem(answer, 409, "idempotency_key_reused")
    answer = program.post("/api/event-definitions/", body, Idempotency_Key="k")
    assert_problem(answer, 409, "idempotency_key_reused")
    assert count() == 1


@pytest.mark.django_db
def test_the_key_of_somebody_else_is_another_key(
    program: Program, make_program: MakeProgram
) -> None:
    body = event(contact=Contact.objects.create().pk)
    for sender in (program, make_program()):
        assert sender.post("/api/events/", body, Idempotency_Key="k").json()["accepted"] == 1
    assert count() == 2


@pytest.mark.django_db
def test_after_a_day_the_key_is_free_again(program: Program) -> None:
    body = event(contact=Contact.objects.create().pk)
    program.post("/api/events/", body, Idempotency_Key="k")
    IdempotencyRecord.objects.update(created_at=F("created_at") - timedelta(hours=24))
    program.post("/api/events/", body, Idempotency_Key="k")
    assert count() == 2


@pytest.mark.django_db
def test_a_refused_request_leaves_its_key_free(program: Program) -> None:
    assert_problem(program.post("/api/events/", "text", Idempotency_Key="k"), 400)
    assert not IdempotencyRecord.objects.exists()
    body = event(contact=Contact.objects.create().pk)
    assert program.post("/api/events/", body, Idempotency_Key="k").json()["accepted"] == 1


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_cannot_be_kept_is_400(program: Program, key: str) -> None:
    assert_problem(program.post("/api/events/", event(), Idempotency_Key=key), 400, "invalid")


@pytest.mark.django_db(transaction=True)
def test_many_at_once_act_once(make_program: MakeProgram) -> None:
    program, contact = make_program(), Contact.objects.create()
    answers: list[Any] = []
    ready = threading.Barrier(6)

    def send() -> None:
        ready.wait()
        try:
            sent = Program(program.key).post(
                "/api/events/", event(contact=contact.pk), Idempotency_Key="k"
            )
            answers.append(sent)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer for answer in answers) == 5
    assert count() == 1
