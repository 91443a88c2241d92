"""Long work over HTTP: visible to who started it."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group

from segments.models import Export, Segment
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


def test_the_work_of_others_keeps_quiet_about_segments_that_one_may_not_know_of(
    make_program: MakeProgram,
) -> None:
    poland = Group.objects.create(name="Poland")
    starter = make_program("segments:read", groups=(poland,))
    insider = make_program("workspace:read", groups=(poland,))
    outsider = make_program("workspace:read", "workspace:write")
    started_by = ApiUser.objects.order_by("pk")[0]
    quiet = Segment.objects.create(key="quiet", name="Quiet")
    quiet.groups.add(poland)
    loud = Segment.objects.create(key="loud", name="Loud")
    of_quiet = Export.objects.create(segment=quiet, columns=[])
    of_all = Export.objects.create(segment=None, columns=[])

    def job(subject: str) -> int:
        return Job.objects.create(kind="k", title="t", subject=subject, api_user=started_by).pk

    hidden = [job(f"segment:{quiet.pk}"), job(f"export:{of_quiet.pk}")]
    gone = job("export:987654321")
    seen = {job(f"segment:{loud.pk}"), job(f"export:{of_all.pk}"), job(""), job("segmentation")}
    assert _ids(outsider) == seen
    assert _ids(insider) == {*seen, *hidden}
    assert _ids(starter) == {*seen, *hidden, gone}
    assert_problem(outsider.get(f"/api/jobs/{hidden[0]}/"), 404, "not_found")
    assert_problem(outsider.post(f"/api/jobs/{hidden[0]}/cancel/"), 404, "not_found")


def _ids(program: Program) -> set[int]:
    return {job["id"] for job in program.get("/api/jobs/").json()["results"]}


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
