"""Rules by which members earn points: made, changed, tried on what happened lately.

Which events the follower of `loyalty.earning` is handed follows the rules that are on, in the
transaction that changes them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import OperationalError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from psycopg.errors import QueryCanceled

from contacts.event_uses import EventUse, register_event_use
from contacts.followed_events import watch
from contacts.models import EventDefinition
from contacts.orders import Orders
from loyalty.errors import EarnRuleInUse, EarnRuleInvalid, EarnRuleUnknown
from loyalty.models import EarnRule, PointsPosting
from workspace import access, audit, locks, sql
from workspace.access import Actor
from workspace.admin.pictures import number
from workspace.errors import Problem

FOLLOWER = "earn_rules"
# An amount that large is none: somebody sent a number of a card, or a fault.
UNIT_LIMIT = 10**12
PREVIEW_DAYS = 30
PREVIEW_SECONDS = 3.0
CHANGEABLE = (
    *("key", "name", "event_name", "points_per_event", "points_per_unit", "amount_property"),
    *("daily_limit", "expires_after_days", "starts_at", "ends_at", "is_enabled"),
)
_LOCK = "loyalty earn rules"
_POINTS_LIMIT = 10**6
_DAYS_LIMIT = 36_500
# Exactly what `loyalty.earning` does, for all events of some days at once.
_PREVIEW = """
WITH found AS (
  SELECT e.contact_id, (e.occurred_at AT TIME ZONE %s)::date AS day, {amount} AS amount
  FROM contacts_event e JOIN loyalty_member m ON m.contact_id = e.contact_id
    AND m.joined_at <= e.occurred_at AND (m.left_at IS NULL OR e.occurred_at < m.left_at)
  WHERE e.definition_id = %s AND e.occurred_at > %s AND e.occurred_at <= %s
    AND (%s::timestamptz IS NULL OR e.occurred_at >= %s)
    AND (%s::timestamptz IS NULL OR e.occurred_at < %s)
), days AS (
  SELECT contact_id, count(*) AS events, least(%s, sum(%s + CASE
    WHEN amount >= 0 AND amount < %s THEN floor(floor(amount) * %s::numeric) ELSE 0 END)) AS points
  FROM found GROUP BY contact_id, day
)
SELECT coalesce(sum(events), 0) AS events, count(DISTINCT contact_id) AS members,
  coalesce(sum(points), 0) AS points
FROM days
"""


@dataclass(frozen=True, slots=True)
class RulePreview:
    """What a rule would have given for the events of some days; all None where it took too long.

    `event_count` are those of members.
    """

    since: datetime
    event_count: int | None
    member_count: int | None
    points: int | None


def get_rule(key: str) -> EarnRule:
    """The rule of this key. Raises EarnRuleUnknown."""
    found = EarnRule.objects.filter(key=key).first()
    if found is None:
        raise EarnRuleUnknown(_("There is no earn rule “%(key)s”.") % {"key": key[:63]})
    return found


def create_rule(*, values: Mapping[str, Any], actor: Actor, at: datetime) -> EarnRule:
    """Make a rule of what is given, by the names of CHANGEABLE.

    Raises NotAllowed, and EarnRuleInvalid with every fault.
    """
    access.require(actor, "loyalty.add_earnrule")
    return _save(EarnRule(), values, "earn_rule.created", actor=actor, at=at)


@transaction.atomic
def change_rule(
    rule: EarnRule, *, values: Mapping[str, Any], actor: Actor, at: datetime
) -> EarnRule:
    """Change what is named; what was earned stays. Raises as `create_rule`, and EarnRuleUnknown."""
    access.require(actor, "loyalty.change_earnrule")
    held = _held(rule)
    return _save(held, {**values, "key": held.key}, "earn_rule.changed", actor=actor, at=at)


@transaction.atomic
def delete_rule(rule: EarnRule, *, actor: Actor, at: datetime) -> None:
    """Delete a rule by which nobody earned anything.

    Raises NotAllowed, EarnRuleUnknown, and EarnRuleInUse where the ledger names it.
    """
    access.require(actor, "loyalty.delete_earnrule")
    held = _held(rule)
    if PointsPosting.objects.filter(rule_id=held.pk).exists():
        message = _("Points were earned by “%(name)s”: switch it off instead.")
        raise EarnRuleInUse(message % {"name": held.name})
    audit.record(actor=actor, action="earn_rule.deleted", subject=held, at=at)
    held.delete()
    watch_events()


def watch_events() -> None:
    """Be handed the events of the rules that are on, from now on."""
    enabled = EarnRule.objects.filter(is_enabled=True)
    watch(FOLLOWER, set(enabled.values_list("event_name", flat=True)))


def in_words(rule: EarnRule) -> str:
    """What the rule does, in sentences."""
    gives = []
    if rule.points_per_event:
        gives.append(_points(rule.points_per_event))
    if rule.points_per_unit:
        words = {
            "points": _points(rule.points_per_unit),
            "property": rule.amount_property,
        }
        gives.append(_("%(points)s for each whole unit of “%(property)s”") % words)
    words = {"event": rule.event_name, "points": _(" and ").join(gives)}
    said = [_("For each event “%(event)s” a member gets %(points)s.") % words]
    if rule.daily_limit is not None:
        said.append(_("At most %(points)s a day.") % {"points": _points(rule.daily_limit)})
    if rule.expires_after_days is not None:
        days = ngettext("%(count)d day", "%(count)d days", rule.expires_after_days)
        words = {"days": days % {"count": rule.expires_after_days}}
        said.append(_("What is not spent expires after %(days)s.") % words)
    else:
        said.append(_("The points do not expire."))
    return " ".join(said)


def preview_rule(rule: EarnRule, *, at: datetime) -> RulePreview:
    """What the rule, saved or not, would have given in the last thirty days.

    Limits count as if nothing had been given. Reads only, for three seconds at most.
    """
    since = at - timedelta(days=PREVIEW_DAYS)
    known = EventDefinition.objects.filter(name=rule.event_name).values_list("pk", flat=True)
    event_id = known.first()
    if event_id is None:
        return RulePreview(since, 0, 0, 0)
    amount, params = "0", list[Any]()
    if rule.points_per_unit:
        amount, params = Orders(
            rule.event_name, rule.amount_property, event_id, is_default=False
        ).amount_sql()
    values = [
        *(settings.TIME_ZONE, *params, event_id, since, at),
        *(rule.starts_at, rule.starts_at, rule.ends_at, rule.ends_at),
        *(rule.daily_limit, rule.points_per_event, UNIT_LIMIT, rule.points_per_unit),
    ]
    try:
        with sql.local_settings({"statement_timeout": str(int(PREVIEW_SECONDS * 1000))}):
            [row] = sql.rows(_PREVIEW.format(amount=amount), values)
            # So that the limit ends here, also inside a transaction of the caller's.
            transaction.set_rollback(True)
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        return RulePreview(since, None, None, None)
    return RulePreview(since, int(row["events"]), row["members"], int(row["points"]))


def register() -> None:
    """Have the rules told of beside the events that they are on. May be called again."""
    register_event_use("earn_rule", gettext_lazy("Earn rule"), _uses)


@transaction.atomic
def _save(
    rule: EarnRule, values: Mapping[str, Any], action: str, *, actor: Actor, at: datetime
) -> EarnRule:
    locks.lock(_LOCK)
    before = {name: getattr(rule, name) for name in CHANGEABLE} if rule.pk else {}
    for name in CHANGEABLE:
        if name in values:
            setattr(rule, name, values[name])
    if problems := _problems(rule):
        raise EarnRuleInvalid(problems[0].message, problems=problems)
    after = {name: getattr(rule, name) for name in CHANGEABLE}
    if changes := audit.difference(before, after):
        rule.save()
        audit.record(actor=actor, action=action, subject=rule, changes=changes, at=at)
        watch_events()
    return rule


def _problems(rule: EarnRule) -> list[Problem]:
    found = []
    rule.name, rule.event_name = rule.name.strip(), rule.event_name.strip()
    rule.amount_property = rule.amount_property.strip()
    try:
        rule.full_clean(validate_constraints=False)
    except ValidationError as error:
        for path, messages in error.message_dict.items():
            found += [Problem(path, "invalid", message) for message in messages]
    if found:
        return found
    for path in ("name", "event_name", "amount_property"):
        if "\0" in getattr(rule, path):
            found.append(Problem(path, "invalid", _("A name contains no NUL character.")))
    if not rule.points_per_event and not rule.points_per_unit:
        message = _("The rule gives nothing: say the points for each event, or for each unit.")
        found.append(Problem("points_per_event", "missing", message))
    if rule.points_per_unit < 0:
        message = _("Points for each unit are not negative.")
        found.append(Problem("points_per_unit", "out_of_range", message))
    if rule.points_per_event > _POINTS_LIMIT or rule.points_per_unit > _POINTS_LIMIT:
        message = _("A rule gives a million points at most.")
        found.append(Problem("points_per_event", "out_of_range", message))
    if rule.points_per_unit and not all(rule.amount_property.split(".")):
        message = _("Name the property with the amount, such as “amount” or “total.gross”.")
        found.append(Problem("amount_property", "missing", message))
    for path in ("daily_limit", "expires_after_days"):
        if getattr(rule, path) == 0:
            message = _("Leave it empty for none: 0 would let the rule give nothing.")
            found.append(Problem(path, "out_of_range", message))
    if (rule.expires_after_days or 0) > _DAYS_LIMIT:
        message = _("Points expire after a hundred years at most: leave it empty for never.")
        found.append(Problem("expires_after_days", "out_of_range", message))
    if rule.starts_at and rule.ends_at and rule.ends_at <= rule.starts_at:
        message = _("The rule ends before it begins.")
        found.append(Problem("ends_at", "before_start", message))
    return found


def _held(rule: EarnRule) -> EarnRule:
    locks.lock(_LOCK)
    held = EarnRule.objects.select_for_update().filter(pk=rule.pk).first()
    if held is None:
        raise EarnRuleUnknown(_("There is no earn rule “%(key)s”.") % {"key": rule.key})
    return held


def _uses(names: Collection[str], actor: Actor) -> dict[str, list[EventUse]]:
    found: dict[str, list[EventUse]] = {}
    may_look = actor.may("loyalty.view_earnrule")
    for rule in EarnRule.objects.filter(event_name__in=names).order_by("name", "pk"):
        use = EventUse(_("an earn rule"), is_hidden=True)
        if may_look:
            url = reverse("admin:loyalty_earnrule_change", args=[rule.pk])
            state = _("in force") if rule.is_enabled else _("switched off")
            use = EventUse(rule.name, url, state)
        found.setdefault(rule.event_name, []).append(use)
    return found


def _points(count: int | Decimal) -> str:
    words = ngettext("%(count)s point", "%(count)s points", 1 if count == 1 else 2)
    return words % {"count": number(count.normalize() if isinstance(count, Decimal) else count)}
