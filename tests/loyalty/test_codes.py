"""Codes: made by a job, one by one, from a file; always as many as were asked for, each once."""

from pathlib import Path
from typing import Any

import pytest

from loyalty.errors import CampaignBusy, CampaignStatic, CodesExhausted, CodeTaken
from loyalty.gift_cards import campaigns, code_exports, code_imports, codes, ledger
from loyalty.models import Campaign, CardPosting, CodeBatch, Voucher
from tests.loyalty.gift_cards import NOW, make_campaign
from workspace import jobs
from workspace.access import SYSTEM
from workspace.errors import InputInvalid
from workspace.models import AuditEntry, Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(codes, "PORTION", 4)
    return 4


def finished(job: Job | None) -> Job:
    assert job is not None
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def test_a_job_makes_the_codes_in_batches_with_their_money(small_portions: int) -> None:
    campaign = campaigns.create_campaign(
        actor=SYSTEM, at=NOW, name="Bulk", amount_minor=2500, vouchers_count=10
    )
    assert codes.creation_of(campaign) == "in_progress"
    job = finished(campaign.job)
    assert (job.state, job.done, job.total) == ("succeeded", 10, 10), job.message
    campaign.refresh_from_db()
    assert (campaign.voucher_count, codes.creation_of(campaign)) == (10, "done")
    assert list(CodeBatch.objects.values_list("code_count", flat=True)) == [2, 4, 4]
    assert ledger.account_sums()["cards"] == 25_000
    assert set(Voucher.objects.values_list("balance_minor", flat=True)) == {2500}
    assert CardPosting.objects.count() == 3


def test_a_job_that_is_done_again_adds_what_is_missing(small_portions: int) -> None:
    campaign = make_campaign()
    job = codes.generate_codes(campaign, 10, actor=SYSTEM, at=NOW)
    codes.make_codes(campaign, 4, kind=CodeBatch.Kind.GENERATED, actor=SYSTEM, at=NOW, job=job)
    assert finished(job).result["made"] == 10
    assert Voucher.objects.count() == 10


def test_a_cancelled_job_keeps_what_it_made() -> None:
    campaign = make_campaign()
    job = codes.generate_codes(campaign, 10, actor=SYSTEM, at=NOW)
    jobs.cancel(job, actor=SYSTEM, at=NOW)
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert codes.creation_of(campaign) == "none"


def test_codes_that_exist_are_replaced_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyalty.gift_cards.code_patterns.GUESSES_PER_CODE", 1)
    campaign = make_campaign(code_config={"pattern": "AAAAA#", "charset": "numbers"})
    codes.make_codes(campaign, 6, kind=CodeBatch.Kind.GENERATED, actor=SYSTEM, at=NOW)
    campaign.refresh_from_db()
    codes.make_codes(campaign, 2, kind=CodeBatch.Kind.GENERATED, actor=SYSTEM, at=NOW)
    assert Voucher.objects.values("code").distinct().count() == 8
    campaign.refresh_from_db()
    with pytest.raises(CodesExhausted):
        codes.make_codes(campaign, 3, kind=CodeBatch.Kind.GENERATED, actor=SYSTEM, at=NOW)


def test_a_pattern_with_too_little_room_is_refused_with_the_numbers() -> None:
    campaign = make_campaign(code_config={"length": 5, "charset": "alphanumeric"})
    with pytest.raises(InputInvalid, match="60,466,176 combinations"):
        codes.generate_codes(campaign, 1000, actor=SYSTEM, at=NOW)


def test_one_job_at_a_time() -> None:
    campaign = make_campaign()
    codes.generate_codes(campaign, 10, actor=SYSTEM, at=NOW)
    with pytest.raises(CampaignBusy):
        codes.generate_codes(campaign, 10, actor=SYSTEM, at=NOW)


def test_a_closed_campaign_gets_no_more_codes() -> None:
    campaign = make_campaign(count=1, is_static=True)
    with pytest.raises(CampaignStatic):
        codes.generate_codes(campaign, 1, actor=SYSTEM, at=NOW)


def test_a_single_code_may_be_named_and_have_its_own_worth() -> None:
    campaign = make_campaign()
    voucher = codes.create_voucher(
        campaign, actor=SYSTEM, at=NOW, code="welcome-1", amount_minor=700
    )
    assert (voucher.code, voucher.balance_minor) == ("WELCOME-1", 700)
    assert ledger.account_sums()["cards"] == 700
    with pytest.raises(CodeTaken):
        codes.create_voucher(campaign, actor=SYSTEM, at=NOW, code="Welcome-1")
    assert "WELCOME" not in str(list(AuditEntry.objects.values_list("object_label", "changes")))


@pytest.mark.parametrize("code", ["short", "-BEGINS", "ENDS--", "ÄÖÜÄÖÜ", "A B C D", "X" * 81])
def test_codes_that_mislead_are_refused(code: str) -> None:
    with pytest.raises(InputInvalid):
        codes.create_voucher(make_campaign(), actor=SYSTEM, at=NOW, code=code)


def test_the_pool_is_filled_when_it_runs_low() -> None:
    campaign = make_campaign(refill=True, refill_below=3, refill_count=5)
    codes.refill(NOW)
    campaign.refresh_from_db()
    finished(campaign.job)
    assert codes.pool_count(campaign, 100) == 5
    codes.refill(NOW)
    assert Job.objects.count() == 1


def test_a_disabled_campaign_is_not_filled() -> None:
    make_campaign(refill=True, status="disabled")
    codes.refill(NOW)
    assert not Job.objects.exists()


def read(campaign: Campaign, path: Path, **given: Any) -> Job:
    job = code_imports.request_import(
        campaign, path, file_name=path.name, actor=SYSTEM, at=NOW, **given
    )
    return finished(job)


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "codes.csv"
    path.write_text(
        "Code,Amount,Note\n"
        "shop-0001,,first\n"
        "SHOP-0002,700,second\n"
        "shop-0001,900,again\n"
        "SHOP-0003,7.00,no amount\n"
        "SHOP-0004,0,nothing\n"
        "x,,short\n"
        ",,missing\n"
        "TAKEN-0001,,there\n"
        "SHOP-0005,99999999999999999999,much\n",
        "utf-8",
    )
    return path


def test_codes_come_from_a_file_and_faulty_rows_are_told(
    csv_file: Path, small_portions: int
) -> None:
    campaign = make_campaign()
    codes.create_voucher(campaign, actor=SYSTEM, at=NOW, code="TAKEN-0001")
    job = read(campaign, csv_file)
    assert job.state == "succeeded", job.message
    assert (job.result["imported"], job.result["rejected"]) == (2, 7)
    found = dict(Voucher.objects.values_list("code", "balance_minor"))
    assert found == {"SHOP-0001": 2500, "SHOP-0002": 700, "TAKEN-0001": 2500}
    rejected = Path(job.result["rejected_file"]).read_text("utf-8-sig").splitlines()
    assert rejected[0] == "reason,Code,Amount,Note"
    assert [line.rsplit(",", 1)[-1] for line in rejected[1:]] == [
        *("again", "no amount", "nothing", "short", "missing", "there", "much")
    ]
    campaign.refresh_from_db()
    assert campaign.voucher_count == 3
    assert ledger.account_sums()["cards"] == 2500 + 700 + 2500


def test_a_file_that_is_read_again_by_its_job_adds_what_is_missing(
    csv_file: Path, small_portions: int
) -> None:
    campaign = make_campaign()
    job = read(campaign, csv_file)
    Job.objects.filter(pk=job.pk).update(state="queued")
    again = finished(job)
    assert again.result["imported"] == 3
    assert Voucher.objects.count() == 3


def test_a_file_without_codes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("name,town\nA,B\n", "utf-8")
    with pytest.raises(code_imports.ImportRefused, match="name, town"):
        read(make_campaign(), path)


def test_the_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "cards.csv"
    path.write_text("Karte;Wert\nabcdef-1;100\n", "utf-8")
    job = read(make_campaign(), path, column="karte", amount_column="Wert")
    assert job.result["imported"] == 1
    assert Voucher.objects.get().initial_minor == 100


def test_codes_go_to_a_file() -> None:
    campaign = make_campaign(count=3)
    text = b"".join(code_exports.export_codes(campaign, actor=SYSTEM, at=NOW)).decode()
    header, *rows = text.splitlines()
    assert header.startswith("code,state,amount,balance,currency")
    assert len(rows) == 3
    assert rows[0].split(",")[1:5] == ["generated", "2500", "2500", "USD"]
    assert AuditEntry.objects.filter(action="campaign.codes_exported").exists()
    none = code_exports.export_codes(campaign, which="published", actor=SYSTEM, at=NOW)
    assert len(b"".join(none).splitlines()) == 1
