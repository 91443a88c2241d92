"""How many contacts there are: exact while there are few, about that many when there are many."""

import pytest
from django.db import connection

from contacts import population
from contacts.models import Contact
from contacts.population import living_count
from tests.segments.factories import NOW, make_contacts

pytestmark = pytest.mark.django_db


def test_few_are_counted_without_the_erased_ones() -> None:
    assert living_count() == 0
    make_contacts("Oslo", "Oslo", "Rome")
    Contact.objects.filter(city="Rome").update(erased_at=NOW)
    assert living_count() == 2


def test_many_are_what_the_server_noted_less_the_erased_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = make_contacts(*["Oslo"] * 30)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE contacts_contact")
    monkeypatch.setattr(population, "_EXACT_LIMIT", 10)
    Contact.objects.filter(pk__in=ids[:5]).update(erased_at=NOW)
    assert living_count() == 25
    make_contacts("Rome")
    assert living_count() == 25, "what came since is not known yet"
