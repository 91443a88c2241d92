"""Versions of segments over HTTP: what each changed, and going back."""

import pytest

from tests.api.conftest import Program, assert_problem
from tests.segments.factories import lives_in, make_segment

pytestmark = pytest.mark.django_db


def test_versions_say_what_they_changed_and_can_be_restored(program: Program) -> None:
    make_segment("poles", lives_in("Warszawa"))
    path = "/api/segments/poles/"
    assert program.patch(path, {"criteria": lives_in("Kraków")}).status_code == 200
    newest, first = program.get(f"{path}versions/").json()["results"]
    assert newest["difference"] == ["Changed: “City” is “Warszawa” → “City” is “Kraków”"]
    assert "Kraków" in newest["sentence"]
    assert first["difference"] == []
    answer = program.post(f"{path}versions/1/restore/")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["version"], answer.json()["criteria"]) == (3, lives_in("Warszawa"))
    assert_problem(program.post(f"{path}versions/1/restore/"), 409, "version_in_force")
    assert_problem(program.post(f"{path}versions/9/restore/"), 404, "version_unknown")
