"""Planned messages that are due are written out and handed to the outbox, many at a time.

In one transaction a portion is taken, who may not be written to is left out with the reason, who
must not be disturbed now is put off, and the others' messages are filled and queued under a key of
their own. So each is queued once, whoever is killed.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, transaction
from django.utils.translation import gettext as _

from integrations import outbox, push
from integrations.digestion import passes
from integrations.errors import TemplateFailed
from integrations.mail import mail_connection
from integrations.models import Template
from integrations.push.errors import PushInvalid
from integrations.rendering import Rendered
from integrations.template_variables import contact_values
from integrations.templates import render
from journeys.messages import caps, permits, results, variables
from journeys.messages.links import Clicks, Holder, Links, links_of, track_html, track_text
from journeys.messages.permits import Case
from journeys.messages.quiet_hours import quiet_until_of
from journeys.models import JourneyVersion, Lane, Message
from workspace import sql
from workspace.exactjson import exact_loads

logger = logging.getLogger(__name__)

CHANNEL = "regulars_messages"
EVERY = timedelta(seconds=5)
PORTION = 500
AT_MOST_ONCE = "at_most_once"
_SUBJECT_LIMIT, _ERROR_LIMIT = 300, 500

# Whose row somebody else holds has its turn in the next round: so nobody waits for anybody. The
# contact is held because its messages are counted, and so that it is not erased meanwhile.
_TAKE = """
SELECT m.id, m.channel, m.contact_id, m.purpose, c.email, c.erased_at IS NOT NULL, p.is_control,
  m.lane = 0 AND j.state = 'stopped', m.version_id, m.lane, m.participant_id, m.node,
  m.template_id, m.due_at, c.time_zone, c.language, p.context::text, j.key, j.id
FROM journeys_message m
JOIN journeys_journey j ON j.id = m.journey_id
JOIN journeys_participant p ON p.id = m.participant_id
JOIN contacts_contact c ON c.id = m.contact_id
WHERE m.state = 'planned' AND m.due_at <= %s AND m.channel IN ('email', 'push') AND m.lane <> 2
  AND (m.lane = 1 OR m.journey_id <> ALL(%s))
ORDER BY m.due_at, m.id LIMIT %s FOR NO KEY UPDATE OF m, c SKIP LOCKED
"""
_LEAVE_OUT = """
UPDATE journeys_message m SET state = 'left_out', reason = g.reason, error = g.error
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS g (id, reason, error) WHERE m.id = g.id
"""
_PUT_OFF = """
UPDATE journeys_message m SET due_at = g.due_at
FROM unnest(%s::bigint[], %s::timestamptz[]) AS g (id, due_at) WHERE m.id = g.id
"""
_QUEUED = """
UPDATE journeys_message m SET state = 'queued', subject = g.subject, address = g.address,
  error = '', delivery_id = (SELECT d.id FROM integrations_delivery d WHERE d.key = g.key)
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS g (id, subject, address, key)
WHERE m.id = g.id
"""


@dataclass(frozen=True, slots=True)
class Planned:
    """A message that is due, with what is needed to write it."""

    case: Case
    version_id: int
    lane: int
    participant_id: int
    node: str
    template_id: int | None
    due_at: datetime
    time_zone: str
    language: str
    context: str
    journey_key: str
    journey_id: int

    @property
    def id(self) -> int:
        """That of the message."""
        return self.case.message_id

    @property
    def is_test(self) -> bool:
        """Whether it belongs to a test."""
        return self.lane == Lane.TEST


@dataclass(slots=True)
class Left:
    """Messages that are not sent: by id the reason, and what was the matter in words."""

    reasons: dict[int, Message.Reason]
    errors: dict[int, str]


def compose_due(at: datetime) -> bool:
    """Write out the next portion of messages due by an instant; true where there may be more.

    Several may run at a time: each takes others. What cannot be written for a fault of ours is
    found by making the portion smaller, and set aside as failed.
    """
    return _compose(at, PORTION)


def compose(template: Template, values: Mapping[str, Any], *, language: str) -> Rendered:
    """A message in the words that fit the receiver's language. Raises TemplateFailed."""
    return render(template, values, language)


def _compose(at: datetime, limit: int) -> bool:
    try:
        with transaction.atomic():
            return _compose_portion(at, limit)
    except OperationalError:
        raise
    except Exception as error:
        if passes(error):
            raise
        logger.exception("Messages of journeys could not be written out.")
        if limit > 1:
            return _compose(at, max(1, limit // 10))
        return _set_aside(at, error)


def _compose_portion(at: datetime, limit: int) -> bool:
    portion = _take(at, limit)
    if not portion:
        return False
    by_version = JourneyVersion.objects.in_bulk({one.version_id for one in portion})
    settings_of = {pk: version.settings for pk, version in by_version.items()}
    verdicts = permits.judge([one.case for one in portion])
    left = Left(dict(verdicts.left_out), {})
    put_off = {
        one.id: until
        for one in portion
        if one.id not in left.reasons
        and (until := _quiet_until(one, settings_of[one.version_id], at)) is not None
    }
    allowed = [one for one in portion if one.id not in left.reasons and one.id not in put_off]
    refused = _too_many(allowed, settings_of, at)
    left.reasons.update(dict.fromkeys(refused, Message.Reason.CAP))
    wanted = [one for one in allowed if one.id not in refused]
    _queue(wanted, settings_of, verdicts.devices, left, at)
    if put_off:
        sql.execute(_PUT_OFF, [list(put_off), list(put_off.values())])
    leave_out(left.reasons, left.errors, at=at)
    return len(portion) == limit


def leave_out(
    reasons: Mapping[int, Message.Reason], errors: Mapping[int, str], *, at: datetime
) -> None:
    """Say of messages that they are not sent, and why, to whom waits for what becomes of them."""
    if reasons:
        told = results.facts_of(list(reasons))
        results.hold_siblings(told)
        words = [errors.get(pk, "")[:_ERROR_LIMIT] for pk in reasons]
        sql.execute(_LEAVE_OUT, [list(reasons), [str(one) for one in reasons.values()], words])
        results.tell_of_results(told, at=at)


def _take(at: datetime, limit: int) -> list[Planned]:
    rows = sql.lists(_TAKE, [at, permits.paused_ids(), limit])
    return [Planned(Case(*row[:8]), *row[8:]) for row in rows]


def _quiet_until(one: Planned, given: Mapping[str, Any], at: datetime) -> datetime | None:
    """Until when the receiver must not be disturbed. Who tests does not wait."""
    return None if one.is_test else quiet_until_of(given, at, contact_zone=one.time_zone)


def _too_many(
    allowed: Sequence[Planned], settings_of: Mapping[int, Mapping[str, Any]], at: datetime
) -> set[int]:
    wishes = [
        caps.Wish(one.id, one.case.contact_id, one.case.channel, cap)
        for one in allowed
        if not one.is_test and (cap := caps.cap_of(settings_of[one.version_id])) is not None
    ]
    return caps.too_many(wishes, at=at)


def _queue(
    wanted: Sequence[Planned],
    settings_of: Mapping[int, Mapping[str, Any]],
    devices: Mapping[int, Sequence[push.Device]],
    left: Left,
    at: datetime,
) -> None:
    """Fill and queue messages; those whose template says no are left out."""
    if not wanted:
        return
    templates = Template.objects.in_bulk({one.template_id for one in wanted if one.template_id})
    people = contact_values([one.case.contact_id for one in wanted])
    connection_id = mail_connection().pk
    messages: list[outbox.Message] = []
    rows: list[tuple[int, str, str, str]] = []
    for one in wanted:
        template = templates.get(one.template_id or 0)
        if template is None or template.channel != one.case.channel:
            left.reasons[one.id] = Message.Reason.NO_TEMPLATE
            left.errors[one.id] = _("There is no such template for this channel any more.")
            continue
        try:
            links = links_of(Holder(one.id, one.case.contact_id, one.case.purpose))
            values = variables.values_of(people[one.case.contact_id], _context(one), links)
            rendered = compose(template, values, language=one.language)
            if one.case.channel == Message.Channel.EMAIL:
                made = [_mail(one, rendered, links, connection_id)]
            else:
                made = _pushes(one, rendered, devices, at)
        except (TemplateFailed, PushInvalid) as failed:
            left.reasons[one.id] = Message.Reason.NO_TEMPLATE
            left.errors[one.id] = str(failed)
            continue
        repeats = settings_of[one.version_id].get("delivery") != AT_MOST_ONCE
        messages += [replace(message, repeats=repeats) for message in made]
        address = one.case.email if one.case.channel == Message.Channel.EMAIL else ""
        rows.append((one.id, _subject(one, rendered)[:_SUBJECT_LIMIT], address, made[0].key))
    outbox.enqueue(messages, at=at)
    if rows:
        sql.execute(_QUEUED, [list(column) for column in zip(*rows, strict=True)])


def _context(one: Planned) -> Mapping[str, Any]:
    return {} if one.context == "{}" else exact_loads(one.context)


def _subject(one: Planned, rendered: Rendered) -> str:
    words = _("[Test] %(subject)s") if one.is_test else "%(subject)s"
    return words % {"subject": rendered.subject}


def _mail(one: Planned, rendered: Rendered, links: Links, connection_id: int) -> outbox.Message:
    """An e-mail whose links count, and which can be cancelled at one click (RFC 8058)."""
    html, clicks = rendered.html, Clicks(one.id, links)
    payload = {
        "to": one.case.email,
        "subject": _subject(one, rendered),
        "text": track_text(rendered.text, clicks),
        "html": track_html(html, clicks) if html.strip() else "",
        "headers": {
            "List-Unsubscribe": f"<{links.unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    }
    return outbox.Message(
        key=f"{permits.KEY}:{one.id}",
        connection_id=connection_id,
        kind="email",
        payload=payload,
        contact_id=one.case.contact_id,
        subject=_about(one),
    )


def _pushes(
    one: Planned,
    rendered: Rendered,
    devices: Mapping[int, Sequence[push.Device]],
    at: datetime,
) -> list[outbox.Message]:
    """A push message for each device of the contact."""
    payload = push.payload(
        title=_subject(one, rendered),
        body=rendered.text,
        url=rendered.link,
        icon=rendered.icon,
        at=at,
        message_id=one.id,
        contact_id=one.case.contact_id,
        about=results.about(one.participant_id, one.journey_key, one.node, is_test=one.is_test),
    )
    return [
        push.delivery(device, key=f"{permits.KEY}:{one.id}", payload=payload, subject=_about(one))
        for device in devices[one.case.contact_id]
    ]


def _about(one: Planned) -> str:
    """What its delivery is about: who may not know of the journey does not see it."""
    return f"journey:{one.journey_id}"


def _set_aside(at: datetime, error: Exception) -> bool:
    """The next message failed for a fault of ours; people look at it, the others go on."""
    with transaction.atomic():
        portion = _take(at, 1)
        ids = [one.id for one in portion]
        words = _("It could not be written, for a fault of ours (%(kind)s).")
        told = words % {"kind": type(error).__name__}
        facts = results.facts_of(ids)
        results.hold_siblings(facts)
        failed = Message.objects.filter(pk__in=ids)
        failed.update(state=Message.State.FAILED, error=told[:_ERROR_LIMIT])
        results.tell_of_results(facts, at=at)
    return bool(portion)
