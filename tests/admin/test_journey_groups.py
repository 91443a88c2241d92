"""The list of journeys by user group."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from tests.journeys.workspace import make_journey

pytestmark = pytest.mark.django_db


def test_the_list_shows_those_of_a_group(admin: Client) -> None:
    poland = Group.objects.create(name="Poland")
    make_journey(name="Of Poland", groups=["Poland"])
    make_journey(name="Of nobody")
    page = reverse("admin:journeys_journey_changelist")

    def shown(group: object) -> set[str]:
        text = admin.get(f"{page}?group={group}").content.decode()
        return {name for name in ("Of Poland", "Of nobody") if name in text}

    assert shown(poland.pk) == {"Of Poland"}
    assert shown("none") == {"Of nobody"}
    assert shown(999_999) == set()
