"""The computed metrics of each registered contact on each website: what uploads read.

The table contacts_websitemetrics (`WebsiteMetrics`) has at most one row for a website and contact,
with this contract:

- `values` is one JSON object `{upload_name: value}` of all computed metrics: a number, a day as
  "YYYY-MM-DD", or a text. What is missing has no key; nothing in it is null, a list or an object.
- Only registered contacts have rows: those with an identity besides `anonymous_id` (behaviours
  AT-02). On the only website of a workspace every registered contact has one; where there are
  several, those who ordered there.
- An event belongs to the website that its property says (`OrderEvent.website_property`): by key or
  domain, in any case, with or without "https://" and "www."; without the property to that of its
  `url`; without both to the workspace's only website, else to none. What names a website that is
  not defined belongs to none. What is no event, such as the age, is the same on every website.
- `computed_at` is the instant as of which the values were computed when they last changed. A row
  is written only where they changed, so “computed after” finds what is to be sent again.
- The row goes with the contact: at once with its erasure or merge, at the next computing when it
  stops being registered or a website is no longer its own. The survivor of a merge follows at the
  next computing.

Ranks are among the contacts with a row on the same website. Where a website was computed before,
only those are computed who can have changed since (contacts.website_computing).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from contacts import metric_marks, website_computing
from contacts.computed_metrics import LOCK, busy_sentence, computed_metrics, watch_kinds
from contacts.computing import TooMany
from contacts.metric_bases import basis_of_websites
from contacts.models import ComputedMetric, ComputedWebsite, WebsiteMetrics
from contacts.orders import orders
from contacts.website_computing import Sitting
from workspace import locks, sql
from workspace.console import Progress
from workspace.errors import Busy
from workspace.models import Website

# What share of the documents has to change before the planner is told.
_ANALYZED_FROM = 0.02


@dataclass(frozen=True, slots=True)
class WebsiteComputed:
    """What computing the metrics of one website did."""

    website: Website
    as_of: datetime
    contact_count: int
    changed_count: int
    milliseconds: int
    is_anew: bool


def compute_website_metrics(
    *,
    as_of: datetime,
    websites: Collection[Website] | None = None,
    is_anew: bool = False,
    progress: Progress | None = None,
) -> list[WebsiteComputed]:
    """Compute all metrics of these websites, or of all, and write what changed.

    Of those who can have changed since; of everyone the first time, where that is cheaper, where a
    definition or a website is another one, or with `is_anew`. Running it again as of the same
    instant writes nothing. Raises Busy where another run is computing.
    """
    with locks.held(LOCK) as is_held:
        if not is_held:
            raise Busy(busy_sentence())
        known = list(Website.objects.order_by("pk"))
        wanted = {one.pk for one in (known if websites is None else websites)}
        chosen = [one for one in known if one.pk in wanted]
        if not chosen:
            return []
        if progress is not None:
            progress.advance(0, 1, ", ".join(one.name for one in chosen))
        done = _compute(known, chosen, as_of, follows=not is_anew)
        if progress is not None:
            progress.advance(1, 1, "")
        return done


def _compute(
    known: list[Website], chosen: list[Website], as_of: datetime, *, follows: bool
) -> list[WebsiteComputed]:
    of, metrics = orders(), computed_metrics()
    watch_kinds(metrics, of, as_of)
    sitting = website_computing.sit(metrics, known, of=of, as_of=as_of)
    basis = basis_of_websites(metrics, known, sitting.plan.scope, sitting.plan.marked)
    before: dict[int, datetime] = {}
    if follows:
        same = ComputedWebsite.objects.filter(website__in=chosen, basis=basis)
        before = dict(same.values_list("pk", "as_of"))
    done: list[WebsiteComputed] = []
    if before:
        began_at = monotonic()
        try:
            with transaction.atomic():
                changed = website_computing.follow(sitting, before, others=_others(before))
                some = [one for one in chosen if one.pk in before]
                done = _note(some, sitting, changed, basis, began_at, is_anew=False)
        except TooMany:
            before = {}
    rest = [one for one in chosen if one.pk not in before]
    if rest:
        began_at, ids = monotonic(), [one.pk for one in rest]
        with transaction.atomic():
            metric_marks.forget(ids, _others(ids))
            ComputedWebsite.objects.filter(pk__in=ids).update(basis="")
        changed = website_computing.compute_anew(sitting, ids)
        done += _note(rest, sitting, changed, basis, began_at, is_anew=True)
    return sorted(done, key=lambda one: one.website.pk)


def _others(ids: Collection[int]) -> list[int]:
    """Who besides these websites follows, and so is owed what they take."""
    followed = ComputedWebsite.objects.exclude(basis="").exclude(pk__in=list(ids))
    others = list(followed.values_list("pk", flat=True))
    if ComputedMetric.objects.exclude(basis="").exists():
        others.append(metric_marks.EVERYONE)
    return others


@transaction.atomic
def _note(
    websites: list[Website],
    sitting: Sitting,
    changed: dict[int, int],
    basis: str,
    began_at: float,
    *,
    is_anew: bool,
) -> list[WebsiteComputed]:
    """Write down how it went."""
    as_of = sitting.plan.as_of
    rows = sql.lists(
        "SELECT website_id, count(*) FROM contacts_websitemetrics"
        " WHERE website_id = ANY(%s::int[]) GROUP BY website_id",
        [[one.pk for one in websites]],
    )
    counts = dict(rows)
    ComputedWebsite.objects.bulk_create(
        [
            ComputedWebsite(website=one, basis=basis, as_of=as_of, computed_at=timezone.now())
            for one in websites
        ],
        update_conflicts=True,
        unique_fields=["website"],
        update_fields=["basis", "as_of", "computed_at"],
    )
    if sum(changed.values()) > _ANALYZED_FROM * sum(counts.values()):
        transaction.on_commit(_analyze)
    milliseconds = int((monotonic() - began_at) * 1000)
    return [
        WebsiteComputed(
            one,
            as_of,
            counts.get(one.pk, 0),
            changed.get(one.pk, 0),
            milliseconds,
            is_anew,
        )
        for one in websites
    ]


def _analyze() -> None:
    if not connection.in_atomic_block:
        sql.execute("ANALYZE contacts_websitemetrics")


def website_values_of(contact_id: int) -> list[tuple[Website, dict[str, Any]]]:
    """The values of a contact on each website where it has any, by upload name."""
    found = WebsiteMetrics.objects.filter(contact_id=contact_id).select_related("website")
    return [(one.website, one.values) for one in found.order_by("website__name", "website_id")]
