"""How codes are given to contacts: the few statements behind `loyalty.publications`.

Two who give at the same time never take the same code: each passes over what the other holds
(FOR UPDATE SKIP LOCKED), and constraints let no code be published twice, no source id count twice
and nobody join twice. Who loses such a race gets what the winner wrote.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

from django.utils.translation import gettext as _

from contacts.survivors import survivors_of
from loyalty.errors import CodesExhausted
from loyalty.gift_cards import codes, publication_notices, validity
from loyalty.guarding import suspicions
from loyalty.models import Campaign, CodeBatch, Distribution, Holdout, Voucher
from loyalty.validation_rules import rules
from workspace import sql
from workspace.access import SYSTEM, Actor
from workspace.models import AuditEntry

NONE_SUITABLE = "no_voucher_suitable_for_publication"
ALREADY_PUBLISHED = "voucher_already_published"
JOINED_ALREADY = "joined_already"
HELD_OUT = "held_out"
CONTACT_UNKNOWN = "contact_unknown"
BLOCKED = "customer_rules_violated"
# Refusals that say nothing about the campaign: they are not put on record as failures.
_NO_FAILURES = frozenset({JOINED_ALREADY, HELD_OUT, CONTACT_UNKNOWN})
# Made at once where a campaign that never runs dry has none: the rest is left to a worker.
_REFILL_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Wish:
    """A contact that shall get a code. Without a `source_id` each wish counts."""

    contact_id: int
    source_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tracking_id: str = ""


@dataclass(slots=True)
class Published:
    """What became of a wish: a publication (new or not), or the problem that stood against it.

    `contact_id` is the wish's; `given_to` is who stands for a contact that was merged. Money is in
    minor units. With `joined_already` the publication is the one that there was.
    """

    wish: Wish
    given_to: int
    publication_id: int | None = None
    voucher_id: int | None = None
    code: str = ""
    amount_minor: int = 0
    expires_at: datetime | None = None
    problem: str = ""
    message: str = ""
    is_new: bool = False

    @property
    def contact_id(self) -> int:
        """The contact that the wish named."""
        return self.wish.contact_id


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all wishes of a call."""

    channel: str = ""
    distribution: Distribution | None = None
    join_once: bool | None = None
    actor: Actor = SYSTEM
    with_holdout: bool = False
    keeps_failures: bool = False

    @property
    def api_user_id(self) -> int | None:
        """The program that gives, if one does."""
        return self.actor.id if self.actor.kind == AuditEntry.ActorKind.API else None


Consume = Callable[[Campaign, Sequence[Published], datetime], None]
consumers: dict[str, Consume] = {}


def give(
    campaign: Campaign,
    wishes: Sequence[Wish],
    terms: Terms,
    *,
    at: datetime,
    voucher: Voucher | None = None,
) -> list[Published]:
    """One answer for each wish, in their order; the caller has called `share_recording`.

    `voucher` is the code that shall be given, for a single wish.
    """
    everybody = [Published(wish, wish.contact_id) for wish in wishes]
    answers, twins = _apart(everybody)
    is_only = campaign.join_once if terms.join_once is None else terms.join_once
    _find_known(answers)
    _find_contacts(_open(answers))
    if is_only:
        _find_joined(campaign, _open(answers))
    _refuse_blocked(_open(answers), at)
    if terms.with_holdout and campaign.holdout_percent:
        _set_aside(campaign, _open(answers), at)
    if message := why_closed(campaign, at):
        _refuse(_open(answers), NONE_SUITABLE, message)
    _judge(campaign, terms, _open(answers), voucher, at)
    _take_codes(campaign, _open(answers), voucher, at)
    _write(campaign, answers, terms, is_only=is_only, at=at)
    _follow(answers, twins)
    given = [answer for answer in answers if answer.is_new]
    if given:
        publication_notices.tell(campaign, given, terms, at=at)
        for consume in consumers.values():
            consume(campaign, given, at)
    failures = [one for one in answers if one.problem and one.problem not in _NO_FAILURES]
    if terms.keeps_failures and failures:
        keep_failures(campaign, failures, terms, at=at)
    _look_at_pool(campaign, given)
    return everybody


def why_closed(campaign: Campaign, at: datetime) -> str:
    """Why a campaign gives nothing now; empty where it may."""
    words = {"name": campaign.name}
    if campaign.status == Campaign.Status.DRAFT:
        return _("The campaign “%(name)s” is a draft: activate it first.") % words
    if campaign.status == Campaign.Status.DISABLED:
        return _("The campaign “%(name)s” is disabled.") % words
    if campaign.starts_at is not None and at < campaign.starts_at:
        return _("The campaign “%(name)s” has not begun.") % words
    if campaign.ends_at is not None and at >= campaign.ends_at:
        return _("The campaign “%(name)s” is over.") % words
    return ""


def is_set_aside(campaign: Campaign, contact_id: int) -> bool:
    """Whether a contact is among those whom the campaign gives nothing, for comparison.

    The same contact always is or is not, and who is set aside for a small share is for a larger.
    """
    digest = blake2b(f"{campaign.pk}:{contact_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % 100 < campaign.holdout_percent


_FAIL = """
INSERT INTO loyalty_publication (campaign_id, contact_id, distribution_id, source_id, channel,
  tracking_id, metadata, is_only, state, failure_code, failure_message, api_user_id, at)
SELECT %s, t.contact_id, %s, t.source_id, %s, t.tracking_id, t.metadata::jsonb, false, 'failure',
  t.code, t.message, %s, %s
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
  WITH ORDINALITY AS t (contact_id, source_id, tracking_id, metadata, code, message, place)
ORDER BY t.place RETURNING id
"""


def keep_failures(
    campaign: Campaign, failures: Sequence[Published], terms: Terms, *, at: datetime
) -> list[int]:
    """Put refusals on record, and tell who listens; returns the ids of their publications."""
    distribution_id = terms.distribution.pk if terms.distribution else None
    found = sql.lists(
        _FAIL,
        [
            *(campaign.pk, distribution_id, terms.channel, terms.api_user_id, at),
            [one.given_to for one in failures],
            [one.wish.source_id for one in failures],
            [one.wish.tracking_id for one in failures],
            [_json(one.wish.metadata) for one in failures],
            [one.problem[:60] for one in failures],
            [one.message[:500] for one in failures],
        ],
    )
    ids = [publication_id for (publication_id,) in found]
    publication_notices.tell_failures(campaign, failures, ids, terms, at=at)
    return ids


def _apart(answers: Sequence[Published]) -> tuple[list[Published], list[Published]]:
    """Those who come first with their source id, and those who repeat one."""
    seen: set[str] = set()
    first: list[Published] = []
    twins: list[Published] = []
    for one in answers:
        (twins if one.wish.source_id in seen else first).append(one)
        if one.wish.source_id is not None:
            seen.add(one.wish.source_id)
    return first, twins


def _follow(answers: Sequence[Published], twins: Sequence[Published]) -> None:
    """Who repeats a source id gets what became of the first."""
    first = {one.wish.source_id: one for one in answers}
    for twin in twins:
        known = first[twin.wish.source_id]
        twin.publication_id, twin.voucher_id = known.publication_id, known.voucher_id
        twin.code, twin.amount_minor = known.code, known.amount_minor
        twin.given_to, twin.expires_at = known.given_to, known.expires_at
        twin.problem, twin.message = known.problem, known.message


def _open(answers: Iterable[Published]) -> list[Published]:
    """Those about which nothing is decided yet."""
    return [one for one in answers if one.publication_id is None and not one.problem]


def _refuse(answers: Iterable[Published], problem: str, message: str) -> None:
    for one in answers:
        one.problem, one.message = problem, message


_KNOWN = """
SELECT p.source_id, p.id, p.contact_id, p.voucher_id, v.code, v.initial_minor,
  least(v.expires_at, c.ends_at) AS expires_at
FROM loyalty_publication p JOIN loyalty_voucher v ON v.id = p.voucher_id
JOIN loyalty_campaign c ON c.id = p.campaign_id
WHERE p.source_id = ANY(%s) AND p.state = 'success'
"""


def _find_known(answers: list[Published]) -> None:
    """What was published for these source ids before."""
    named = [one.wish.source_id for one in answers if one.wish.source_id]
    found = {row["source_id"]: row for row in sql.rows(_KNOWN, [named])} if named else {}
    for one in answers:
        if one.wish.source_id in found:
            _take_over(one, found[one.wish.source_id])
            one.given_to = found[one.wish.source_id]["contact_id"]


def _take_over(answer: Published, row: Mapping[str, Any]) -> None:
    answer.publication_id, answer.voucher_id = row["id"], row["voucher_id"]
    answer.code, answer.amount_minor = row["code"], row["initial_minor"]
    answer.expires_at = row["expires_at"]
    answer.problem = answer.message = ""


_HOLD = """
SELECT id FROM contacts_contact WHERE id = ANY(%s) AND erased_at IS NULL ORDER BY id FOR KEY SHARE
"""


def _find_contacts(answers: list[Published]) -> None:
    """Who stands for each contact; until the transaction ends none of them is merged or erased."""
    moved = survivors_of({one.contact_id for one in answers})
    for one in answers:
        one.given_to = moved.get(one.contact_id, one.contact_id)
    held = {row[0] for row in sql.lists(_HOLD, [sorted({one.given_to for one in answers})])}
    # Merged between the two statements.
    late = survivors_of({one.given_to for one in answers} - held)
    if late:
        held |= {row[0] for row in sql.lists(_HOLD, [sorted(set(late.values()))])}
    for one in answers:
        one.given_to = late.get(one.given_to, one.given_to)
        if one.given_to not in held:
            one.problem, one.message = CONTACT_UNKNOWN, _("There is no such contact.")


# Each contact is looked up by itself (OFFSET) and by its own index, only (`+ 0`, `|| ''`): while
# a campaign is being given away the server believes it has hardly a publication, and would read all
# of them for each portion, more with each: 18 of the 32 seconds that a hundred thousand took.
_JOINED = """
SELECT asked.id AS contact_id, p.id, p.voucher_id, v.code, v.initial_minor,
  least(v.expires_at, c.ends_at) AS expires_at
FROM unnest(%s::bigint[]) AS asked (id)
CROSS JOIN LATERAL (
  SELECT p.id, p.voucher_id, p.campaign_id FROM loyalty_publication p
  WHERE p.contact_id = asked.id AND p.campaign_id + 0 = %s AND p.state || '' = 'success'
  ORDER BY p.id + 0 LIMIT 1 OFFSET 0) p
JOIN loyalty_voucher v ON v.id = p.voucher_id
JOIN loyalty_campaign c ON c.id = p.campaign_id
"""


def _find_joined(campaign: Campaign, answers: list[Published]) -> None:
    """Who has a code of the campaign; of two wishes for the same contact the first counts."""
    ids = sorted({one.given_to for one in answers})
    found = {row["contact_id"]: row for row in sql.rows(_JOINED, [ids, campaign.pk])}
    seen: set[int] = set()
    for one in answers:
        if row := found.get(one.given_to):
            _take_over(one, row)
        elif one.given_to not in seen:
            seen.add(one.given_to)
            continue
        one.problem = JOINED_ALREADY
        one.message = _("The contact has a code of “%(name)s” already.") % {"name": campaign.name}


def _refuse_blocked(answers: list[Published], at: datetime) -> None:
    """Who is blocked as a cheat gets nothing; the answer does not say why, as he may read it."""
    blocked = suspicions.blocked_contacts({one.given_to for one in answers}, at=at)
    refused = [one for one in answers if one.given_to in blocked]
    _refuse(refused, BLOCKED, _("This is not possible at present. Ask the shop."))


def _set_aside(campaign: Campaign, answers: list[Published], at: datetime) -> None:
    chosen = [one for one in answers if is_set_aside(campaign, one.given_to)]
    if not chosen:
        return
    message = _("The contact is one of those who get nothing, for comparison.")
    _refuse(chosen, HELD_OUT, message)
    rows = [
        Holdout(campaign_id=campaign.pk, contact_id=contact_id, at=at)
        for contact_id in sorted({one.given_to for one in chosen})
    ]
    Holdout.objects.bulk_create(rows, ignore_conflicts=True, batch_size=10_000)


_TAKE = """
SELECT id, code, initial_minor, least(expires_at, %s) AS expires_at FROM loyalty_voucher
WHERE campaign_id = %s AND published_at IS NULL AND is_enabled AND redeemed_count = 0
  AND balance_minor > 0 AND (expires_at IS NULL OR expires_at > %s) {only}
ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""


def _take_codes(
    campaign: Campaign, answers: list[Published], voucher: Voucher | None, at: datetime
) -> None:
    """A free code for each; who gets none has its problem."""
    if not answers:
        return
    until = validity.expiry_at_publication(campaign, at=at)
    found = _take(campaign, len(answers), until, voucher, at)
    missing = len(answers) - len(found)
    if missing and voucher is None and _refill_at_once(campaign, missing, at):
        found += _take(campaign, missing, until, voucher, at)
    for one, row in zip(answers, found, strict=False):
        one.voucher_id, one.code = row["id"], row["code"]
        one.amount_minor, one.expires_at = row["initial_minor"], row["expires_at"]
    if voucher is not None:
        message = _("The code “%(code)s” is given away already, used, disabled or expired.")
        _refuse(answers[len(found) :], ALREADY_PUBLISHED, message % {"code": voucher.code})
    else:
        message = _("The campaign “%(name)s” has no code left.") % {"name": campaign.name}
        _refuse(answers[len(found) :], NONE_SUITABLE, message)


def _take(
    campaign: Campaign, count: int, until: datetime | None, voucher: Voucher | None, at: datetime
) -> list[dict[str, Any]]:
    if voucher is None:
        return sql.rows(_TAKE.format(only=""), [until, campaign.pk, at, count])
    # Not passed over where somebody else holds it: whoever is second waits, and finds it taken.
    statement = _TAKE.format(only="AND id = %s").replace("SKIP LOCKED", "")
    return sql.rows(statement, [until, campaign.pk, at, voucher.pk, count])


def _refill_at_once(campaign: Campaign, missing: int, at: datetime) -> bool:
    """Make what is missing where the campaign never runs dry; whether it did."""
    if not campaign.refill or campaign.is_static:
        return False
    # Not more than there is room for: counted anew, as others may be making some.
    room = codes.room_left(Campaign.objects.get(pk=campaign.pk))
    count = min(max(missing, min(campaign.refill_count, _REFILL_AT_ONCE)), room)
    if not count:
        return False
    try:
        codes.make_codes(campaign, count, kind=CodeBatch.Kind.REFILL, actor=SYSTEM, at=at)
    except CodesExhausted:
        return False
    return True


_WRITE = """
WITH wanted AS (
  SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])
    AS t (voucher_id, contact_id, source_id, tracking_id, metadata)
), written AS (
  INSERT INTO loyalty_publication (campaign_id, voucher_id, contact_id, distribution_id, source_id,
    channel, tracking_id, metadata, is_only, state, failure_code, failure_message, api_user_id, at)
  SELECT %s, voucher_id, contact_id, %s, source_id, %s, tracking_id, metadata::jsonb, %s, 'success',
    '', '', %s, %s
  FROM wanted ORDER BY contact_id, voucher_id
  ON CONFLICT DO NOTHING
  RETURNING id, voucher_id, contact_id
), published AS (
  UPDATE loyalty_voucher v SET holder_id = w.contact_id, published_at = %s,
    expires_at = least(v.expires_at, %s)
  FROM written w WHERE v.id = w.voucher_id
)
SELECT id, voucher_id FROM written
"""


def _write(
    campaign: Campaign, answers: list[Published], terms: Terms, *, is_only: bool, at: datetime
) -> None:
    """Publish the codes that were taken; who lost a race gets what the winner wrote."""
    taken = [one for one in answers if one.voucher_id is not None and one.publication_id is None]
    if not taken:
        return
    until = validity.expiry_at_publication(campaign, at=at)
    written = {
        voucher_id: publication_id
        for publication_id, voucher_id in sql.lists(
            _WRITE,
            [
                [one.voucher_id for one in taken],
                [one.given_to for one in taken],
                [one.wish.source_id for one in taken],
                [one.wish.tracking_id for one in taken],
                [_json(one.wish.metadata) for one in taken],
                *(campaign.pk, terms.distribution.pk if terms.distribution else None),
                *(terms.channel, is_only, terms.api_user_id, at, at, until),
            ],
        )
    }
    lost = []
    for one in taken:
        one.publication_id = written.get(one.voucher_id or 0)
        one.is_new = one.publication_id is not None
        if campaign.ends_at is not None:
            ends = [at for at in (one.expires_at, campaign.ends_at) if at is not None]
            one.expires_at = min(ends)
        if not one.is_new:
            one.voucher_id, one.code = None, ""
            lost.append(one)
    if lost:
        _find_known(lost)
        if is_only:
            _find_joined(campaign, _open(lost))
        _refuse(_open(lost), NONE_SUITABLE, _("Somebody else was faster. Try again."))


def _judge(
    campaign: Campaign,
    terms: Terms,
    answers: list[Published],
    voucher: Voucher | None,
    at: datetime,
) -> None:
    """Ask the validation rules of the campaign and the distribution, once for all contacts."""
    asked = rules.rules_for(campaign=campaign, voucher=voucher, distribution=terms.distribution)
    if not asked or not answers:
        return
    refused = rules.judge(
        asked,
        contact_ids={one.given_to for one in answers},
        voucher=voucher,
        at=at,
        purpose=rules.Purpose.PUBLICATION,
    )
    for one in answers:
        if found := refused.get(one.given_to):
            one.problem, one.message = found.key, found.message


def _look_at_pool(campaign: Campaign, given: list[Published]) -> None:
    """Have the pool filled where it runs low."""
    if not campaign.refill or campaign.is_static or not given:
        return
    if codes.pool_count(campaign, campaign.refill_below) < campaign.refill_below:
        codes.wake_refill()


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False)
