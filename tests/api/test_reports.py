"""Reports in the API."""

import pytest

from tests.api.conftest import MakeProgram
from tests.factories import NOW, make_contact
from tests.loyalty.raw_cards import make_campaign, make_cards, post, publish_card

pytestmark = pytest.mark.django_db


def test_reports_say_the_numbers_of_campaigns(make_program: MakeProgram) -> None:
    campaign = make_campaign()
    [card] = make_cards(campaign)
    publish_card(card, make_contact().pk, NOW)
    post(card, "redemption", 1000, NOW)
    program = make_program("loyalty:read")
    [row] = program.get("/api/reports/campaigns/").json()["results"]
    assert (row["campaign"], row["redeemed_minor"], row["outstanding_minor"]) == (
        "reviews",
        1000,
        1500,
    )
    [owed] = program.get("/api/reports/liability/?campaign=reviews").json()["results"]
    assert (owed["currency"], owed["owed_minor"]) == ("USD", 1500)
    way = program.get("/api/reports/campaigns/reviews/attribution/?since=2020-01-01T00:00:00Z")
    assert [step["key"] for step in way.json()["steps"]] == ["given", "redeemed", "returned"]


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("liability/?campaign=none", 404, "not_found"),
        ("campaigns/none/attribution/", 404, "not_found"),
        ("campaigns/reviews/attribution/?window_days=0", 400, "report_invalid"),
        ("campaigns/reviews/attribution/?since=2020-01-01&until=2019-01-01", 400, "report_invalid"),
        ("liability/?as_of=yesterday", 400, "invalid"),
    ],
)
def test_a_report_that_cannot_be_is_refused(
    make_program: MakeProgram, address: str, status: int, code: str
) -> None:
    make_campaign()
    answer = make_program("loyalty:read").get(f"/api/reports/{address}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_who_may_not_look_at_loyalty_gets_no_report(make_program: MakeProgram) -> None:
    assert make_program("segments:read").get("/api/reports/campaigns/").status_code == 403
