"""Long work over HTTP: visible to who started it."""

from collections.abc import Callable

import pytest

from tests.api.conftest import MakeProgram, Program, assert_problem
from workspace.models import ApiUser, Job, User

pytestmark = pytest.mark.django_db


def test_a_job_is_visible_to_who_started_it(make_program: MakeProgram) -> None:
    own, other = make_program("segments:read"), make_program("segments:read")
    all_seeing = make_program("workspace:read")
    starter = ApiUser.objects.order_by("pk")[0]
    job = Job.objects.create(kind="k", title="t", api_user=starter)
    Job.objects.create(kind="k", title="of the system")
    assert [one["id"] for one in own.get("/api/jobs/").json()["results"]] == [job.pk]
    assert own.get(f"/api/jobs/{job.pk}/").status_code == 200
    assert_problem(other.get(f"/api/jobs/{job.pk}/"), 404, "not_found")
    assert_problem(other.post(f"/api/jobs/{job.pk}/cancel/"), 404, "not_found")
    assert other.get("/api/jobs/").json()["results"] == []
    assert len(all_seeing.get("/api/jobs/").json()["results"]) == 2


def test_people_see_what_they_started(staff: Callable[..., Program]) -> None:
    person, other, admin = staff(), staff(), staff(is_superuser=True)
    job = Job.objects.create(kind="k", title="t", user=User.objects.order_by("pk")[0])
    assert person.get(f"/api/jobs/{job.pk}/").json()["title"] == "t"
    assert_problem(other.get(f"/api/jobs/{job.pk}/"), 404)
    assert admin.get(f"/api/jobs/{job.pk}/").status_code == 200


def test_a_job_has_the_promised_shape(program: Program) -> None:
    job = Job.objects.create(kind="k", title="t", done=3, total=9, message="reading")
    body = program.get(f"/api/jobs/{job.pk}/").json()
    expected = {"state": "queued", "done": 3, "total": 9, "message": "reading", "result": {}}
    assert {name: body[name] for name in expected} == expected
    assert body["url"] == f"http://testserver/api/jobs/{job.pk}/"
    assert body["created_at"].endswith("Z")


def test_cancelling_is_for_who_started_it_or_may_change_others_work(
    make_program: MakeProgram,
) -> None:
    own, reader = make_program("segments:write"), make_program("workspace:read")
    changer = make_program("workspace:read", "workspace:write")
    starter = ApiUser.objects.order_by("pk")[0]
    first, second = (Job.objects.create(kind="k", title="t", api_user=starter) for _n in range(2))
    assert_problem(reader.post(f"/api/jobs/{first.pk}/cancel/"), 403, "not_allowed")
    assert own.post(f"/api/jobs/{first.pk}/cancel/").json()["state"] == "cancelled"
    assert changer.post(f"/api/jobs/{second.pk}/cancel/").json()["state"] == "cancelled"
    assert_problem(own.post(f"/api/jobs/{first.pk}/cancel/"), 409, "job_finished")
