"""What the pages of a mechanism show: how it goes, who may have it, whether one contact may."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts.admin.finding import found_ids
from contacts.models import Contact
from loyalty.admin.mechanism_badges import claim_badge, unusable_segments
from loyalty.admin.mechanism_forms import MechanismForm
from loyalty.models import ChallengeProgress, Claim, Mechanism, Member
from loyalty.rewards.challenges import progress_of, threshold_of
from loyalty.rewards.eligibility import count_by_reason, judge
from loyalty.rewards.mechanism_uses import effect_of
from loyalty.rewards.mechanisms import known_mechanisms
from loyalty.rewards.restrictions import (
    WORDS,
    Reason,
    Terms,
    gates_of,
    left_of,
    terms_of,
    terms_with,
    with_restrictions,
)
from segments.lifecycle import known_segments
from segments.masks import Mask
from segments.models import Segment
from workspace import sql
from workspace.access import Actor
from workspace.admin.pictures import badge, chart, number

_DAYS = 30
_SUGGESTED = 10
_LOOK_LIMIT = {"statement_timeout": "3s"}
_BY_DAY = """
SELECT d.day::date AS day, count(c.id) AS claimed,
  count(c.id) FILTER (WHERE c.state = 'revoked') AS revoked
FROM generate_series(%(since)s::date, %(until)s::date, interval '1 day') AS d (day)
LEFT JOIN loyalty_claim c ON c.mechanism_id = %(id)s AND c.at >= d.day AT TIME ZONE %(zone)s
  AND c.at < (d.day + interval '1 day') AT TIME ZONE %(zone)s
GROUP BY 1 ORDER BY 1
"""


class ContactQuestion(forms.Form):
    """Who is meant: an external id, an e-mail address, a number, or the beginning of a name."""

    contact = forms.CharField(
        label=gettext_lazy("Contact"),
        max_length=320,
        widget=UnfoldAdminTextInputWidget(
            attrs={
                "placeholder": gettext_lazy("E-mail, last name, external id or #number"),
                "type": "search",
            }
        ),
    )


def audience_context(terms: Terms, *, at: datetime) -> dict[str, Any]:
    """Who may have it now, and why the others may not; not counted where that takes too long."""
    # What a draft would do once it is active.
    if terms.closed == Reason.NOT_ACTIVE:
        terms = replace(terms, closed=None)
    try:
        with sql.local_settings(_LOOK_LIMIT):
            counted = count_by_reason(terms, at=at)
    except OperationalError:
        return {"audience": None}
    total = sum(counted.values())
    rows = [
        (WORDS[reason], number(counted[reason]), _share(counted[reason], total))
        for reason in Reason
        if counted[reason]
    ]
    may = counted[""]
    return {
        "audience": number(may),
        "audience_share": _share(may, total),
        "members": number(total),
        "others": rows,
    }


def overview_context(mechanism: Mechanism, actor: Actor, *, at: datetime) -> dict[str, Any]:
    """How a mechanism goes: figures, claims over time, whom it is for."""
    terms, left = terms_of(mechanism, at=at), left_of(mechanism)
    return {
        "claimed": number(mechanism.claimed_count),
        "left": None if left is None else number(left),
        "stock": None if mechanism.stock is None else number(mechanism.stock),
        "left_share": _share(left, mechanism.stock) if mechanism.stock else 0,
        "claims_chart": _claims_chart(mechanism, at=at),
        "facts": _facts(mechanism),
        "segment_rows": _segment_rows(mechanism, actor, at=at),
        "rewards": _rewards(mechanism),
        "goal": _goal(mechanism),
        "tier_count": _tier_count(mechanism),
        **audience_context(terms, at=at),
    }


def try_context(request: HttpRequest, mechanism: Mechanism, *, at: datetime) -> dict[str, Any]:
    """The question who is meant and, where one was asked, whether this contact may have it."""
    asked = request.GET.get("contact", "").strip()
    form = ContactQuestion({"contact": asked} if asked else None)
    context: dict[str, Any] = {"form": form}
    if not asked:
        return context
    people = list(Contact.objects.filter(pk__in=found_ids(asked), erased_at=None)[: _SUGGESTED + 1])
    if not people:
        form.add_error("contact", _("There is no contact “%(name)s”.") % {"name": asked})
        return context
    if len(people) > 1:
        return {**context, "suggested": people[:_SUGGESTED]}
    (contact,) = people
    (found,) = judge(contact.pk, [mechanism], at=at)
    member = Member.objects.filter(contact_id=contact.pk, left_at=None).first()
    claims = Claim.objects.filter(contact_id=contact.pk, mechanism=mechanism)
    progress = None
    if mechanism.kind == Mechanism.Kind.CHALLENGE:
        (progress,) = progress_of(contact.pk, [mechanism], at=at)
    context.update(
        contact=contact,
        found=found,
        verdict=badge(_("may have it"), "good", "check")
        if found.eligible
        else badge(_("may not have it"), "bad", "close"),
        why="" if found.eligible else str(WORDS[Reason(found.reason)]),
        member=member,
        points=number(member.points) if member else "",
        claims=[(claim, claim_badge(claim)) for claim in claims[:20]],
        progress=progress_row(progress) if progress else None,
    )
    return context


def progress_row(progress: Any) -> dict[str, Any]:
    """How far somebody is, for a bar: the words and the share in percent."""
    words = {"value": _plain(progress.value), "goal": _plain(progress.threshold)}
    return {
        "progress": progress,
        "text": _("%(value)s of %(goal)s") % words,
        "percent": round(progress.share * 100),
    }


def _plain(value: Any) -> str:
    return number(value.normalize() + 0)


def _share(part: int | None, total: int | None) -> int:
    return round(100 * (part or 0) / total) if total else 0


def _claims_chart(mechanism: Mechanism, *, at: datetime) -> dict[str, Any] | None:
    if not mechanism.claims.exists():
        return None
    today = timezone.localtime(at).date()
    words = {
        "id": mechanism.pk,
        "since": today - timedelta(days=_DAYS - 1),
        "until": today,
        "zone": settings.TIME_ZONE,
    }
    rows = sql.rows(_BY_DAY, words)
    return chart(
        [date_format(row["day"], "j M") for row in rows],
        [
            (_("kept"), [row["claimed"] - row["revoked"] for row in rows], "primary"),
            (_("taken back"), [row["revoked"] for row in rows], "warning"),
        ],
        kind="bar",
        axis=_("Day"),
        is_stacked=True,
    )


def _facts(mechanism: Mechanism) -> list[tuple[str, str]]:
    """Its settings in words; what is not said is left out."""
    period = mechanism.get_period_display()
    moments = [
        (label, date_format(timezone.localtime(value), "DATETIME_FORMAT") if value else "")
        for label, value in ((_("From"), mechanism.starts_at), (_("Until"), mechanism.ends_at))
    ]
    limit = mechanism.period_limit
    found = [
        (_("Cost in points"), number(mechanism.cost_points) if mechanism.cost_points else ""),
        (_("For each member at most"), number(most) if (most := mechanism.member_limit) else ""),
        (_("For each member and %(period)s") % {"period": period}, number(limit) if limit else ""),
        *moments,
        (_("For others"), _("hidden") if mechanism.hide_restricted else _("shown")),
        (_("Message for others"), mechanism.restricted_message),
        (_("How one gets it"), mechanism.settings.get("instructions", "")),
    ]
    return [(label, value) for label, value in found if value]


def _segment_rows(
    mechanism: Mechanism, actor: Actor, *, at: datetime
) -> list[tuple[str, str, SafeString | None, str]]:
    """Its segments and lists: the name, the address, what is wrong with it and what follows."""
    mask, bad = Mask(actor), list(unusable_segments(mechanism, at=at))
    rows = []
    for segment in dict.fromkeys((*mechanism.segments.all(), *mechanism.lists.all())):
        is_hidden = mask.hides(segment.key)
        name = _("one that you may not see") if is_hidden else segment.name
        url = "" if is_hidden else reverse("admin:segments_segment_change", args=[segment.pk])
        mark = None
        if segment in bad:
            is_active = segment.status == "active"
            word = _("not calculated") if is_active else segment.get_status_display()
            mark = badge(word, "warning", "warning")
        rows.append((name, url, mark, effect_of(mechanism, segment) if mark else ""))
    return rows


def _rewards(mechanism: Mechanism) -> Sequence[Mechanism]:
    if mechanism.kind != Mechanism.Kind.REWARD_CATEGORY:
        return ()
    living = mechanism.rewards.exclude(status=Mechanism.Status.ARCHIVED)
    return list(living.order_by("name", "pk")[:200])


def _goal(mechanism: Mechanism) -> dict[str, Any] | None:
    """Of a challenge, what it asks for and how many are on the way."""
    if mechanism.kind != Mechanism.Kind.CHALLENGE:
        return None
    told = mechanism.settings
    words = {"event": told["event"], "property": told["property"]}
    counted = (
        _("events “%(event)s”") if told["measure"] == "count" else _("%(property)s in “%(event)s”")
    )
    rows = ChallengeProgress.objects.filter(mechanism=mechanism)
    return {
        "goal": _plain(threshold_of(mechanism)),
        "counted": counted % words,
        "period": dict(Mechanism.Period.choices).get(told["period"], _("all time")),
        "bonus": number(told.get("bonus_points") or 0),
        "reached": number(rows.filter(reached_at__isnull=False).count()),
        "begun": number(rows.filter(reached_at=None).count()),
    }


def _tier_count(mechanism: Mechanism) -> str:
    if mechanism.kind != Mechanism.Kind.TIER:
        return ""
    return number(Member.objects.filter(tier=mechanism.key, left_at=None).count())


def terms_of_form(form: MechanismForm, *, at: datetime) -> Terms:
    """What a form that is being written would demand; what is wrong in it is passed over."""
    form.is_valid()
    given, saved = form.cleaned_data, form.mechanism
    block = Mechanism(kind=form.kind, pk=saved.pk if saved else None)
    for name in ("segment_match", "stock", "member_limit", "period_limit", "period", "cost_points"):
        if given.get(name) not in (None, ""):
            setattr(block, name, given[name])
    for name in ("starts_at", "ends_at"):
        setattr(block, name, given.get(name))
    block.claimed_count = saved.claimed_count if saved else 0
    block.settings = {"assigned_only": given.get("assigned_only", False)}
    chosen = {name: _chosen(form, name) for name in ("segments", "lists")}
    gates = list(gates_of(block, chosen["segments"], chosen["lists"], at=at))
    if key := given.get("category"):
        known = known_mechanisms(form.actor).filter(key=key)
        for category in with_restrictions(known):
            gates = [*terms_of(category, at=at).gates, *gates]
    return terms_with(block, gates, at=at)


def _chosen(form: MechanismForm, name: str) -> list[Segment]:
    """The segments that the form names, and those that it keeps without showing them."""
    keys = form.cleaned_data.get(name, [])
    found = list(known_segments(form.actor).filter(key__in=keys))
    if form.mechanism is not None:
        mask = Mask(form.actor)
        found += [one for one in getattr(form.mechanism, name).all() if mask.hides(one.key)]
    return found
