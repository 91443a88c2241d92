"""The walk of docs/walks/cdnow.md, by its own commands, on the real data where they are at hand.

CDNOW_FILE names the data set; without it, the place where it lies beside this checkout.
"""

import os
import runpy
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command

from contacts.models import Contact, Event
from segments.models import Membership
from workspace import sql

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("CDNOW_FILE") or ROOT.parent / "shared/data/cdnow_master.txt")
AS_OF = date(1998, 7, 1)
KEYS = ("bought_once", "good_customers", "came_back", "one_march", "top_spenders")

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason=f"{DATA} is not there: name the CDNOW data set in CDNOW_FILE"
)


def expected_members() -> dict[str, set[str]]:
    """The same five sets, from the file, by plain Python."""
    days: dict[str, list[date]] = defaultdict(list)
    spent: dict[str, Decimal] = defaultdict(Decimal)
    for line in DATA.read_text("ascii").splitlines()[1:]:
        customer, day, _discs, dollars = line.split()
        days[customer].append(date(int(day[:4]), int(day[4:6]), int(day[6:])))
        spent[customer] += Decimal(dollars)

    def bought(customer: str, after: int, until: int) -> bool:
        """Whether anything was bought later than `after` days ago, and not later than `until`."""
        begin, end = (AS_OF - timedelta(days=back) for back in (after, until))
        return any(begin < day <= end for day in days[customer])

    march, april = date(1997, 3, 1), date(1997, 4, 1)
    return {
        "bought_once": {c for c in days if len(days[c]) == 1},
        "good_customers": {c for c in days if len(days[c]) >= 5 and spent[c] >= 300},
        "came_back": {c for c in days if bought(c, 90, 0) and not bought(c, 180, 90)},
        "one_march": {c for c in days if march <= min(days[c]) and max(days[c]) < april},
        "top_spenders": {c for c in days if spent[c] >= 1000},
    }


@pytest.mark.walk
@pytest.mark.django_db
def test_the_walk_with_real_customers_gives_the_facts_that_are_known(tmp_path, settings) -> None:
    settings.VAR = tmp_path
    script = runpy.run_path(str(ROOT / "docs/cdnow_to_csv.py"))
    script["main"](str(DATA), str(tmp_path))
    for _twice in range(2):
        call_command("import_contacts", str(tmp_path / "contacts.csv"))
        call_command(
            *("import_events", str(tmp_path / "purchases.csv"), "--event", "purchase"),
            *("--contact", "external_id", "--at", "at"),
            *("--property", "quantity", "--property", "amount"),
        )

    assert Contact.objects.count() == 23_570
    assert Event.objects.count() == 69_659
    totals = sql.rows(
        "SELECT sum(amount) AS dollars, sum((properties->>'quantity')::numeric) AS discs"
        " FROM contacts_event"
    )[0]
    assert totals == {"dollars": Decimal("2500315.63"), "discs": 167_881}

    call_command("load_segments", str(ROOT / "docs/walks/cdnow.json"))
    call_command("refresh_segments", *KEYS, "--as-of", "1998-07-01T00:00:00Z")

    page = (ROOT / "docs/walks/cdnow.md").read_text("utf-8")
    for key, expected in expected_members().items():
        members = Membership.objects.filter(
            segment__key=key, contact__identities__namespace="user_id"
        )
        found = set(members.values_list("contact__identities__value", flat=True))
        assert found == expected, key
        assert f"| {len(expected):,} |" in next(
            li for li in page.splitlines() if f"`{key}` |" in li
        )
