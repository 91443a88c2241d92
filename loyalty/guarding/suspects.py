"""What becomes of suspicions when a contact is forgotten, or two become one; what `doctor` says."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.extensions import Moved, Pair
from loyalty.guarding import suspicions
from workspace import sql
from workspace.checkup import Finding

# A mailbox is its contacts' as long as these are known.
_FORGET = """
DELETE FROM loyalty_suspicion
WHERE subject = ANY(%(subjects)s)
  OR subject LIKE 'mailbox:%%' AND details -> 'some' ?| %(ids)s
"""
# Where the survivor has one of the kind already, a block of the loser's goes on in it.
_KEEP_BLOCK = """
UPDATE loyalty_suspicion own SET state = 'blocked', blocked_until = lost.blocked_until,
  resolved_by = lost.resolved_by, resolved_at = lost.resolved_at
FROM loyalty_suspicion lost
WHERE lost.subject = %(loser)s AND lost.state = 'blocked'
  AND own.subject = %(survivor)s AND own.kind = lost.kind AND own.state = 'open'
"""
_MOVE = """
UPDATE loyalty_suspicion lost SET subject = %(survivor)s
WHERE lost.subject = %(loser)s AND (lost.state = 'cleared' OR NOT EXISTS (
  SELECT FROM loyalty_suspicion own WHERE own.subject = %(survivor)s AND own.kind = lost.kind
    AND own.state <> 'cleared'))
"""


def forget(contact_ids: list[int]) -> int:
    """Forget suspicions of these contacts and of their mailboxes; returns how many."""
    subjects = [suspicions.subject_of_contact(one) for one in contact_ids]
    return sql.execute(_FORGET, {"subjects": subjects, "ids": [str(one) for one in contact_ids]})


def merge(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """Suspicions follow to the survivor. Few have any, so each pair is moved by itself."""
    losers = [suspicions.subject_of_contact(pair.loser_id) for pair in pairs]
    found = sql.lists(
        "SELECT DISTINCT subject FROM loyalty_suspicion WHERE subject = ANY(%s)", [losers]
    )
    known, moved = {row[0] for row in found}, {}
    for pair, loser in zip(pairs, losers, strict=True):
        if loser not in known:
            continue
        names = {"loser": loser, "survivor": suspicions.subject_of_contact(pair.survivor_id)}
        sql.execute(_KEEP_BLOCK, names)
        count = sql.execute(_MOVE, names)
        sql.execute("DELETE FROM loyalty_suspicion WHERE subject = %s", [loser])
        moved[pair.loser_id] = Moved(count)
    return moved


def examine() -> Finding:
    """Whether suspicious activity waits for somebody to look at it."""
    waiting = suspicions.open_count()
    if not waiting:
        return Finding("suspicions", True, _("Nothing suspicious is open."))
    message = ngettext(
        "%(count)d suspicion waits under Gift cards › Suspicious activity.",
        "%(count)d suspicions wait under Gift cards › Suspicious activity.",
        waiting,
    )
    return Finding("suspicions", False, message % {"count": waiting})
