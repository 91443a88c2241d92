"""Whether everyone on a journey moves: for the checkup."""

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from journeys.engine import tick
from journeys.models import Journey
from workspace import sql
from workspace.checkup import Finding

# Who is due for longer is kept waiting: rounds run every few seconds.
PATIENCE = timedelta(minutes=10)
# As they were counted: nobody looks through a million participants for this.
_FAILED = """
SELECT coalesce(sum(n.count), 0)::bigint FROM journeys_passage n
JOIN journeys_journeyversion v ON v.id = n.version_id AND v.lane = 0 AND v.ended_at IS NULL
WHERE n.outcome = 'failed' AND n.hour > %s
"""


def examine() -> Finding:
    """Whether nobody is kept waiting, and nobody on a running journey failed within a day."""
    now = timezone.now()
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
