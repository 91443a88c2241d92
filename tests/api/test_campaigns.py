"""Campaigns, their codes, and codes given to contacts, as programs do it."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from loyalty.models import Campaign, Publication, Voucher
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.factories import make_contact
from tests.loyalty.gift_cards import make_campaign
from workspace import jobs
from workspace.models import Job, UserGroup

pytestmark = pytest.mark.django_db
NEW = {
    "name": "Review gift cards",
    "campaign_type": "GIFT_VOUCHERS",
    "type": "AUTO_UPDATE",
    "join_once": True,
    "vouchers_count": 5,
    "start_date": "2025-11-01T00:00:00Z",
    "expiration_date": "2099-11-01T00:00:00Z",
    "validity_timeframe": {"interval": "P2D", "duration": "P1D"},
    "validity_day_of_week": [0, 1, 2],
    "activity_duration_after_publishing": "P24D",
    "metadata": {"team": "loyalty"},
    "voucher": {
        "type": "GIFT_VOUCHER",
        "gift": {"amount": 2500, "balance": 2500, "effect": "APPLY_TO_ORDER"},
        "redemption": {"quantity": None},
        "code_config": {"length": 8, "charset": "alphanumeric", "pattern": "REV-########"},
    },
}


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.UPLOADS_ROOT = tmp_path / "uploads"


def run(program: Program, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 202, answer.content
    jobs.run(program.get(answer.json()["job"]).json()["id"])
    found: dict[str, Any] = program.get(answer.json()["job"]).json()
    return found


def publication(campaign: Campaign, **given: Any) -> dict[str, Any]:
    return {"campaign": {"name": campaign.name, "count": 1}, **given}


def test_a_campaign_is_made_with_its_codes(program: Program) -> None:
    answer = program.post("/api/campaigns/", NEW)
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert made["creation_status"] == "IN_PROGRESS"
    assert made["validity_day_of_week"] == [0, 1, 2]
    assert made["validity_timeframe"] == {"interval": "P2D", "duration": "P1D"}
    jobs.run(program.get(made["job"]).json()["id"])
    found = program.get(f"/api/campaigns/{made['key']}/").json()
    assert (found["creation_status"], found["vouchers_count"]) == ("DONE", 5)
    assert found["voucher"]["code_config"]["pattern"] == "REV-########"
    codes = program.get(f"/api/vouchers/?campaign={made['key']}&code=rev-").json()["results"]
    assert len(codes) == 5
    assert codes[0]["gift"] == {"amount": 2500, "balance": 2500, "effect": "APPLY_TO_ORDER"}
    assert codes[0]["state"] == "generated"


def test_faults_name_what_stands_in_the_body(program: Program) -> None:
    body = {**NEW, "voucher": {"gift": {"amount": 0}, "code_config": {"length": 2}}}
    answer = program.post("/api/campaigns/", body)
    assert answer.status_code == 400
    paths = {one["path"] for one in answer.json()["errors"]}
    assert {"voucher.gift.amount", "voucher.code_config.pattern"} <= paths
    assert not Campaign.objects.exists()


def test_unknown_fields_are_refused(program: Program) -> None:
    assert program.post("/api/campaigns/", {**NEW, "colour": "red"}).status_code == 400


def test_a_campaign_is_changed_switched_and_deleted(program: Program) -> None:
    campaign = make_campaign()
    path = f"/api/campaigns/{campaign.key}/"
    body = {"voucher": {"gift": {"amount": 900}}, "refill": {"enabled": True, "below": 7}}
    changed = program.patch(path, body).json()
    assert changed["voucher"]["gift"]["amount"] == 900
    assert changed["refill"] == {"enabled": True, "below": 7, "count": 1000}
    assert program.post(f"{path}disable/").json()["status"] == "disabled"
    assert program.post(f"{path}activate/").json()["status"] == "active"
    assert program.delete(path).status_code == 204
    assert_problem(program.get(path), 404, "not_found")


def test_codes_are_made_by_a_job(program: Program) -> None:
    campaign = make_campaign()
    answer = program.post(f"/api/campaigns/{campaign.key}/codes/", {"count": 3})
    assert run(program, answer)["result"]["made"] == 3
    again = program.post(f"/api/campaigns/{campaign.key}/codes/", {"count": 0})
    assert_problem(again, 400, "invalid")


def test_codes_are_read_from_a_file_and_written_to_one(program: Program) -> None:
    campaign = make_campaign()
    file = BytesIO(b"code,amount\nSHOP-0001,700\nx,1\n")
    file.name = "codes.csv"
    answer = program.post(
        f"/api/campaigns/{campaign.key}/import/",
        encode_multipart(BOUNDARY, {"file": file}),
        **{"Content-Type": MULTIPART_CONTENT},
    )
    result = run(program, answer)["result"]
    assert (result["imported"], result["rejected"]) == (1, 1)
    assert b"A code has" in b"".join(program.get(result["rejected_file"]).streaming_content)
    export = program.get(f"/api/campaigns/{campaign.key}/export/?which=unpublished")
    assert b"SHOP-0001,generated,700" in b"".join(export.streaming_content)
    assert program.get(f"/api/campaigns/{campaign.key}/export/?which=x").status_code == 400


def test_a_single_code_is_made(program: Program) -> None:
    campaign = make_campaign()
    body = {"campaign": campaign.name, "code": "vip-2026", "gift": {"amount": 100}}
    answer = program.post("/api/vouchers/", body)
    assert answer.status_code == 201, answer.content
    assert answer.json()["code"] == "VIP-2026"
    assert_problem(program.post("/api/vouchers/", body), 409, "duplicate_found")


def test_a_code_is_given_once_for_each_source_id(program: Program) -> None:
    campaign = make_campaign(count=2)
    contact = make_contact(external_id="michael.scott")
    body = publication(
        campaign,
        customer={"source_id": "michael.scott"},
        source_id="review-4711",
        channel="push",
        metadata={"product": "paper"},
    )
    answer = program.post("/api/publications/", body)
    assert answer.status_code == 201, answer.content
    given = answer.json()
    assert (given["result"], given["customer_id"]) == ("SUCCESS", contact.pk)
    assert given["voucher"]["holder_id"] == contact.pk
    again = program.post("/api/publications/", body)
    assert (again.status_code, again.json()["id"]) == (200, given["id"])
    path = f"/api/publications/{given['id']}/"
    assert program.get(path).json()["metadata"] == {"product": "paper"}
    listed = program.get("/api/publications/?external_id=michael.scott").json()["results"]
    assert [one["id"] for one in listed] == [given["id"]]


def test_a_refusal_is_answered_and_stays_on_record(program: Program) -> None:
    campaign = make_campaign()
    contact = make_contact()
    answer = program.post(
        "/api/publications/", publication(campaign, customer={"id": contact.pk}, source_id="a")
    )
    assert_problem(answer, 400, "no_voucher_suitable_for_publication")
    failed = Publication.objects.get()
    assert (failed.state, failed.source_id) == ("failure", "a")
    assert program.get("/api/publications/?state=failure").json()["results"][0]["id"] == failed.pk


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"customer": {"id": 4711}}, 404),
        ({"customer": {"source_id": "nobody"}}, 404),
        ({"customer": {}}, 400),
        ({}, 400),
    ],
)
def test_who_shall_get_it_has_to_be_known(
    program: Program, body: dict[str, Any], status: int
) -> None:
    campaign = make_campaign(count=1)
    answer = program.post("/api/publications/", publication(campaign, **body))
    assert answer.status_code == status


def test_join_once_may_be_asked_for(program: Program) -> None:
    campaign = make_campaign(count=3, join_once=False)
    body = publication(campaign, customer={"id": make_contact().pk})
    first = program.post("/api/publications/", body).json()
    assert program.post("/api/publications/?join_once=true", body).json()["id"] == first["id"]
    assert program.post("/api/publications/?join_once=perhaps", body).status_code == 400


def test_a_code_is_given_by_name(program: Program) -> None:
    make_campaign(count=1)
    body = {"voucher": Voucher.objects.get().code, "customer": {"id": make_contact().pk}}
    assert program.post("/api/publications/", body).status_code == 201
    other = {**body, "customer": {"id": make_contact().pk}}
    assert_problem(program.post("/api/publications/", other), 400, "voucher_already_published")


def test_others_do_not_know_of_a_campaign_of_a_group(make_program: MakeProgram) -> None:
    poland = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=poland, entities=[UserGroup.Entity.CAMPAIGN])
    campaign = make_campaign(count=1, groups=["Poland"])
    stranger, friend = make_program(), make_program(groups=(poland,))
    contact = make_contact()
    body = publication(campaign, customer={"id": contact.pk})
    assert stranger.get(f"/api/campaigns/{campaign.key}/").status_code == 404
    assert stranger.get("/api/campaigns/").json()["results"] == []
    assert stranger.get("/api/vouchers/").json()["results"] == []
    assert stranger.post("/api/publications/", body).status_code == 404
    assert friend.post("/api/publications/", body).status_code == 201
    assert stranger.get("/api/publications/").json()["results"] == []
    assert not Job.objects.exists()


def test_scopes_are_needed(make_program: MakeProgram) -> None:
    campaign = make_campaign(count=1)
    reader = make_program("loyalty:read")
    assert reader.get(f"/api/campaigns/{campaign.key}/").status_code == 200
    body = publication(campaign, customer={"id": make_contact().pk})
    assert reader.post("/api/publications/", body).status_code == 403
    assert make_program("contacts:read").get("/api/campaigns/").status_code == 403
    # Codes are money: who may only read does not get all of them at once.
    assert reader.get(f"/api/campaigns/{campaign.key}/export/").status_code == 403
