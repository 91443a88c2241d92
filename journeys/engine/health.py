"""Whether everyone on a journey moves: for the checkup."""

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from journeys.engine import tick
from journeys.models import Journey
from journeys.standstills import standstills
from workspace import sql
from workspace.checkup import Finding

# Who is due for longer is kept waiting: rounds run every few seconds.
PATIENCE = timedelta(minutes=10)
# Of those who failed and were not brought back, who have an index of their own.
_FAILED = """
SELECT count(*) FROM journeys_journeyversion v
JOIN journeys_participant p ON p.version_id = v.id AND p.state = 'failed' AND p.finished_at > %s
WHERE v.lane = 0 AND v.ended_at IS NULL
"""


def examine() -> Finding:
    """Whether nobody stands still or waits too long, and nobody failed within a day."""
    now = timezone.now()
    still = standstills()
    if still:
        first = still[0]
        message = ngettext(
            "“%(name)s” stands still at “%(where)s”: %(problem)s Who comes there goes on when that"
            " is mended.",
            "At %(count)d places journeys stand still, and who comes there goes on when that is"
            " mended. The first: “%(name)s” at “%(where)s”. %(problem)s",
            len(still),
        )
        told = {"name": first.journey.name, "where": first.where, "problem": first.problem}
        return Finding("journeys", False, message % {**told, "count": len(still)})
    late = tick.due_journeys(as_of=now - PATIENCE)
    if late:
        names = Journey.objects.filter(pk__in=late).order_by("name").values_list("name", flat=True)
        message = ngettext(
            "On a journey somebody has been due for more than ten minutes: %(names)s. See whether"
            " the rounds run.",
            "On %(count)d journeys somebody has been due for more than ten minutes: %(names)s. See"
            " whether the rounds run.",
            len(late),
        )
        words = {"count": len(late), "names": ", ".join(names[:10])}
        return Finding("journeys", False, message % words)
    if failed := sql.one(_FAILED, [now - timedelta(days=1)]):
        message = ngettext(
            "%(count)d participant of a running journey could not go on within the last day: the"
            " journey's page says why.",
            "%(count)d participants of running journeys could not go on within the last day: their"
            " journeys' pages say why.",
            failed,
        )
        return Finding("journeys", False, message % {"count": failed})
    return Finding("journeys", True, _("Everyone on a journey moves when it is due."))
