"""Templates to begin with can be saved and sent as they are."""

from typing import Any

import pytest

from integrations import template_variables, templates
from integrations.template_starters import starter_of, starters
from tests.factories import NOW, make_contact
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
WHOLE = ("welcome", "follow-up", "birthday", "card", "thank-you-push", "reminder-push")


@pytest.mark.parametrize("key", WHOLE)
def test_each_can_be_saved_and_looks_right_for_who_is_hardly_known(key: str) -> None:
    starter = starter_of(key)
    assert starter is not None
    parts: dict[str, Any] = {**starter.parts, "channel": starter.channel}
    template = templates.create_template(actor=SYSTEM, at=NOW, name=starter.name, **parts)
    seen = templates.preview(template, actor=SYSTEM, contact_id=make_contact().pk)
    assert seen.problems == ()
    assert seen.rendered.subject
    assert seen.rendered.text
    assert bool(seen.rendered.html) == (starter.channel == "email")


def test_one_that_nobody_can_fill_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert starter_of("card") is not None
    monkeypatch.setattr(template_variables, "_provided", {})
    offered = [one.key for one in starters()]
    assert "card" not in offered
    assert "welcome" in offered
    assert starter_of("nothing") is None
