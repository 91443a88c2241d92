"""All computed metrics of everyone and of a website: the first time, again, a bit and a day later.

The first time of everyone; then of those who can have changed. Metrics are computed together, so
each stands there with the time of all of them.

No other engine takes part, so none has to be installed.
"""

import resource
from datetime import datetime, timedelta
from pathlib import Path

import django
from django.db import connection

from contacts import computed_metrics
from contacts.models import ComputedMetric, ComputedWebsite
from contacts.website_metrics import compute_website_metrics
from workspace import sql
from workspace.models import Website

from . import product
from .bench_workspace import Size, fill
from .clock import seconds
from .questions import AS_OF
from .report import Report


def run(size: Size, place: Path, *, writes: bool) -> int:
    """Make or find the workspace, and measure as of four instants."""
    fill(size, place)
    sql.execute("TRUNCATE contacts_metricvalue, contacts_websitemetrics")
    ComputedMetric.objects.update(basis="")
    ComputedWebsite.objects.update(basis="")
    Website.objects.get_or_create(key="shop", defaults={"name": "Shop", "domain": "shop.test"})
    product.tidy()
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    title = f"{size.contact_count:,} contacts, {size.event_count:,} events: metrics"
    report = Report(title, versions, has_targets=False)
    days = {
        "first": AS_OF,
        "again": AS_OF,
        "10 minutes later": AS_OF + timedelta(minutes=10),
        "a day later": AS_OF + timedelta(days=1),
    }
    measured = {name: _measure(at) for name, at in days.items()}
    first = measured["first"]
    report.add_table(
        "Computed metrics (seconds, and rows written)",
        ("", "values", *(part for name in days for part in (name, "written"))),
        [
            (
                key,
                f"{values:,}",
                *(
                    text
                    for name in days
                    for text in (
                        f"{measured[name][key][2] / 1000:.1f}",
                        f"{measured[name][key][1]:,}",
                    )
                ),
            )
            for key, (values, _changed, _taken) in first.items()
        ],
    )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    report.add_table("Memory of the process", ("", ""), [("greatest (MB)", str(memory))])
    if writes:
        report.write()
    connection.close()
    return 0


def _measure(at: datetime) -> dict[str, tuple[int, int, int]]:
    """Values, rows written and milliseconds of each metric, of all and of the website."""
    found: dict[str, tuple[int, int, int]] = {}

    def everyone() -> None:
        for one in computed_metrics.compute(as_of=at):
            found[one.key] = (one.value_count, one.changed_count, one.milliseconds)

    taken = int(seconds(everyone) * 1000)
    written = sum(changed for _values, changed, _taken in found.values())
    found["all of them"] = (sum(one[0] for one in found.values()), written, taken)
    [website] = compute_website_metrics(as_of=at)
    found["all on the website, at once"] = (
        website.contact_count,
        website.changed_count,
        website.milliseconds,
    )
    return found
