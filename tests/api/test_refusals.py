"""Who is refused, and how it is said."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from tests.api.conftest import MakeProgram, Program, assert_problem
from workspace.api import limits
from workspace.models import ApiUser, Job

pytestmark = pytest.mark.django_db


def test_without_a_key_it_is_401(nobody: Program) -> None:
    answer = nobody.get("/api/jobs/")
    assert_problem(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"] == 'Api-Key realm="api"'


@pytest.mark.parametrize(
    "header", ["Api-Key", "Api-Key nonsense", "Api-Key regulars_aaaaaaaaaaaa_" + "A" * 43]
)
def test_with_an_unknown_key_it_is_401(nobody: Program, header: str) -> None:
    assert_problem(nobody.get("/api/jobs/", Authorization=header), 401, "authentication_failed")


def test_with_the_key_of_a_disabled_api_user_it_is_401(program: Program) -> None:
    assert program.get("/api/jobs/").status_code == 200
    ApiUser.objects.update(enabled=False)
    assert_problem(program.get("/api/jobs/"), 401, "authentication_failed")


def test_a_key_with_another_secret_is_no_key(program: Program) -> None:
    wrong = program.key[:-1] + ("A" if program.key[-1] != "A" else "B")
    assert Program(wrong).get("/api/jobs/").status_code == 401


def test_the_key_itself_is_not_kept(program: Program) -> None:
    kept = ApiUser.objects.values().get()
    assert program.key not in map(str, kept.values())
    assert kept["prefix"] in program.key


def test_the_last_use_of_a_key_is_noted(program: Program) -> None:
    program.get("/api/jobs/")
    assert ApiUser.objects.get().last_used_at is not None


def test_a_person_who_is_no_staff_is_401(staff: Callable[..., Program]) -> None:
    assert_problem(staff(is_staff=False).get("/api/jobs/"), 401)


def test_a_forged_request_with_a_session_is_403(staff: Callable[..., Program]) -> None:
    person = staff(is_superuser=True)
    forging = Client(enforce_csrf_checks=True, raise_request_exception=False)
    forging.cookies = person.client.cookies
    job = Job.objects.create(kind="k", title="t")
    assert_problem(Program(client=forging).post(f"/api/jobs/{job.pk}/cancel/"), 403)
    assert person.post(f"/api/jobs/{job.pk}/cancel/").status_code == 200


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing/", "/api/jobs/x/", "/api/jobs"])
def test_an_unknown_address_is_404_in_json(program: Program, path: str) -> None:
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    for sender in (program, Program(program.key, client=strict)):
        assert_problem(sender.get(path), 404, "not_found")
        assert_problem(sender.post(path, {}), 404, "not_found")


def test_what_is_not_there_is_404(program: Program) -> None:
    assert_problem(program.get("/api/jobs/123456/"), 404, "not_found")
    assert_problem(program.get("/api/jobs/999999999999999999/"), 404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_a_method_that_is_not_there_is_405(program: Program, method: str) -> None:
    answer = program.send(method, "/api/jobs/")
    assert_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer["Allow"]


def test_other_bodies_than_json_are_415(program: Program) -> None:
    job = Job.objects.create(kind="k", title="t")
    path = f"/api/jobs/{job.pk}/cancel/"
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        answer = program.post(path, b"a=b", **{"Content-Type": kind})
        assert_problem(answer, 415, "unsupported_media_type")
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"a": 1, "a": 2}',
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b'{"a": NaN}',
        b'{"a": 1e999999999}',
        b'{"a": 1e99999999999999999999}',
        b'{"a": 0.' + b"1" * 2000 + b"}",
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_bodies_that_cannot_be_read_are_400(program: Program, body: bytes) -> None:
    job = Job.objects.create(kind="k", title="t")
    answer = program.post(f"/api/jobs/{job.pk}/cancel/", body)
    assert_problem(answer, 400, "invalid_json")


def test_a_body_over_ten_megabytes_is_413(program: Program) -> None:
    job = Job.objects.create(kind="k", title="t")
    body = b'{"a": "' + b"x" * 10_000_000 + b'"}'
    assert_problem(program.post(f"/api/jobs/{job.pk}/cancel/", body), 413, "too_large")


def send_in_chunks(program: Program, path: str, body: bytes, **environ: Any) -> Any:
    """A body without a length, as the web server hands it on."""
    return program.client.generic(
        "POST",
        path,
        headers={"Authorization": f"Api-Key {program.key}", "Transfer-Encoding": "chunked"},
        **{
            "CONTENT_TYPE": "application/json",
            "wsgi.input": BytesIO(body),
            "wsgi.input_terminated": True,
            **environ,
        },
    )


def test_a_body_in_chunks_is_read_and_limited(program: Program) -> None:
    path = "/api/event-definitions/"
    assert send_in_chunks(program, path, b'{"name": "x"}').json()["name"] == "x"
    assert_problem(send_in_chunks(program, path, b'{"name": "x", "y": 1}'), 400, "invalid")
    too_large = b'{"name": "' + b"x" * 10_000_000 + b'"}'
    assert_problem(send_in_chunks(program, path, too_large), 413, "too_large")
    unterminated = send_in_chunks(program, path, b"{}", **{"wsgi.input_terminated": False})
    assert_problem(unterminated, 411, "length_required")


def test_an_unknown_query_parameter_is_400_and_named(program: Program) -> None:
    body = assert_problem(program.get("/api/jobs/?state=queued&stat=x"), 400, "invalid")
    assert [(e["path"], e["code"]) for e in body["errors"]] == [("stat", "unknown_parameter")]


def test_a_bad_value_of_a_filter_is_400(program: Program) -> None:
    body = assert_problem(program.get("/api/jobs/?state=lost"), 400)
    assert body["errors"][0]["path"] == "state"
    assert_problem(program.get("/api/jobs/?kind=%00"), 400)


def test_an_unknown_field_is_400_and_named(program: Program) -> None:
    job = Job.objects.create(kind="k", title="t")
    body = assert_problem(program.post(f"/api/jobs/{job.pk}/cancel/", {"force": True}), 400)
    assert [(e["path"], e["code"]) for e in body["errors"]] == [("force", "unknown_field")]
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED


def test_a_defect_is_500_in_json_and_logged(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    Job.objects.create(kind="k", title="t")
    # A row that no code of ours can have written.
    Job.objects.update(result=["not", "an", "object"])
    body = assert_problem(program.get("/api/jobs/"), 500, "defect")
    assert "not an object" not in body["detail"]
    assert "GET /api/jobs/" in caplog.text


def test_a_request_for_another_host_is_400_in_json(program: Program) -> None:
    assert_problem(program.get("/api/jobs/", Host="evil.example"), 400, "bad_request")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_cannot_answer_now_is_503(make_program: MakeProgram) -> None:
    program = make_program()
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("LOCK TABLE contacts_contact IN ACCESS EXCLUSIVE MODE")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        try:
            answer = program.post("/api/contacts/", {})
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
    assert_problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "5"


def test_no_cache_keeps_an_answer(program: Program, nobody: Program) -> None:
    assert program.get("/api/jobs/")["Cache-Control"] == "no-store"
    assert nobody.get("/api/jobs/")["Cache-Control"] == "no-store"


def test_the_answer_is_json_whatever_is_accepted(program: Program) -> None:
    answer = program.get("/api/jobs/", Accept="text/html")
    assert answer["Content-Type"] == "application/json"


def test_too_many_requests_are_429_and_told_when_to_come_again(make_program: MakeProgram) -> None:
    slow, quick = make_program(per_minute=3), make_program(per_minute=3)
    assert [slow.get("/api/jobs/").status_code for _n in range(3)] == [200] * 3
    answer = slow.get("/api/jobs/")
    assert_problem(answer, 429, "too_many_requests")
    assert 1 <= int(answer["Retry-After"]) <= 120
    assert quick.get("/api/jobs/").status_code == 200, "another key has its own limit"


def test_the_minute_slides(make_program: MakeProgram) -> None:
    make_program(per_minute=4)
    api_user = ApiUser.objects.get()
    start = 60_000_000.0

    def is_counted(seconds: float) -> bool:
        try:
            limits.count_request(api_user, now=start + seconds)
        except limits.TooManyRequests:
            return False
        return True

    assert [is_counted(50) for _n in range(5)] == [True] * 4 + [False]
    assert not is_counted(61), "four of the last sixty seconds"
    # Of the four before, half have left the sliding minute.
    assert [is_counted(90) for _n in range(3)] == [True, True, False]


@pytest.mark.parametrize("before", [0, 1, 3, 4])
@pytest.mark.parametrize("elapsed", [0, 20, 59])
def test_who_waits_as_told_is_let_in(
    make_program: MakeProgram, before: int, elapsed: float
) -> None:
    make_program(per_minute=4)
    api_user = ApiUser.objects.get()
    start = 60_000_000.0
    for _request in range(before):
        limits.count_request(api_user, now=start - 30)
    now, sent = start + elapsed, 0
    while True:
        try:
            limits.count_request(api_user, now=now)
        except limits.TooManyRequests as refused:
            wait = refused.context["retry_after"]
            break
        sent += 1
    assert sent <= 4
    limits.count_request(api_user, now=now + wait)
