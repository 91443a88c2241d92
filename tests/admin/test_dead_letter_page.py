"""The page of what failed: by reason, sent again or dropped by who may."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.admin.conftest import MakePerson
from tests.integrations.delivering import failed_ones, states

pytestmark = pytest.mark.django_db


def test_people_deal_with_a_group_on_the_page(admin: Client) -> None:
    shop = failed_ones()
    page = reverse("admin:integrations_delivery_failed")
    text = admin.get(page).content.decode()
    assert "No such order …." in text
    assert "Too large." in text
    deal = reverse("admin:integrations_delivery_deal")
    form = {"connection": shop.pk, "kind": "tried", "reason": "No such order …."}
    answer = admin.post(deal, {**form, "verb": "retry"}, follow=True)
    assert "2 are sent again" in answer.content.decode()
    admin.post(deal, {**form, "reason": "Too large.", "verb": "drop"})
    assert "Nothing has failed" in admin.get(page).content.decode()
    assert states()["c"] == "cancelled"
    assert admin.get(deal).status_code == 405


def test_who_may_only_look_is_offered_nothing(make_person: MakePerson) -> None:
    shop = failed_ones()
    reader = make_person("integrations.view_delivery")
    text = reader.get(reverse("admin:integrations_delivery_failed")).content.decode()
    assert "Too large." in text
    assert "data-opens" not in text
    deal = reverse("admin:integrations_delivery_deal")
    assert reader.post(deal, {"connection": shop.pk}).status_code == 403
    stranger = make_person("contacts.view_contact")
    assert stranger.get(reverse("admin:integrations_delivery_failed")).status_code == 403
