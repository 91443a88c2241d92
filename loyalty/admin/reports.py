"""Reports on the screen: how campaigns stand, what is owed, what cards brought about."""

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty.admin.campaign_panels import CampaignPanel, register_campaign_panel
from loyalty.models import Campaign
from loyalty.money import money, to_decimal
from loyalty.reports.attribution import Attribution, Step, attribute, trigger_of
from loyalty.reports.figures import CampaignFigures, course_of, figures_of
from loyalty.reports.known import reported_campaigns
from loyalty.reports.liability import Liability, liability
from segments.export_files import neutralised
from workspace.access import actor_of
from workspace.admin.pictures import chart, number

_DAYS = (7, 30, 90, 365)
_COURSE_DAYS = 30
_WINDOWS = (7, 14, 30, 60, 90)
_TABS: tuple[tuple[str, Any], ...] = (
    ("campaigns", gettext_lazy("Campaigns")),
    ("liability", gettext_lazy("Liability and breakage")),
    ("attribution", gettext_lazy("Attribution")),
)
_DUE = {
    "30": gettext_lazy("within 30 days"),
    "90": gettext_lazy("within 90 days"),
    "365": gettext_lazy("within a year"),
    "later": gettext_lazy("later"),
    "open": gettext_lazy("no end"),
}


def campaigns_page(request: HttpRequest) -> HttpResponse:
    """All campaigns that the person may know of, with their numbers."""
    actor, now = actor_of(request), timezone.now()
    campaigns = list(reported_campaigns(actor))
    figures = figures_of([one.pk for one in campaigns], at=now)
    rows = [(one, figures[one.pk]) for one in campaigns]
    if request.GET.get("format") == "csv":
        return _csv("campaigns", _campaign_lines(rows))
    context = _context(request, "campaigns", _("Reports"))
    context["rows"] = [
        {
            "campaign": one,
            "figures": found,
            "published": number(found.published),
            "left": number(found.unpublished),
            "redemptions": number(found.redemptions - found.rolled_back),
            "redeemed": money(found.redeemed_minor, one.currency),
            "outstanding": money(found.outstanding_minor, one.currency),
            "expired": money(found.expired_minor, one.currency),
            "bar": money_bar(found),
            "attribution": f"{reverse('loyalty_attribution')}?campaign={one.key}",
        }
        for one, found in rows
    ]
    return TemplateResponse(request, "loyalty/report_campaigns.html", context)


def liability_page(request: HttpRequest) -> HttpResponse:
    """What is owed on cards, month by month, and what of it will not be asked for."""
    actor, now = actor_of(request), timezone.now()
    campaigns = list(reported_campaigns(actor))
    chosen, missing = _chosen(request, campaigns)
    found = liability([one.pk for one in ([chosen] if chosen else campaigns)], at=now)
    if request.GET.get("format") == "csv":
        return _csv("liability", _liability_lines(found))
    context = _context(request, "liability", _("Liability and breakage"))
    context.update(
        campaigns=campaigns,
        chosen=chosen,
        missing=missing,
        currencies=[_owed(one) for one in found],
        as_of=now,
    )
    return TemplateResponse(request, "loyalty/report_liability.html", context)


def attribution_page(request: HttpRequest) -> HttpResponse:
    """From what earns a card to the next order, beside those who were set aside."""
    actor, now = actor_of(request), timezone.now()
    campaigns = list(reported_campaigns(actor))
    chosen, missing = _chosen(request, campaigns)
    if chosen is None and campaigns and not missing:
        chosen = max(campaigns, key=lambda one: one.pk)
    context = _context(request, "attribution", _("Attribution"))
    context.update(campaigns=campaigns, chosen=chosen, missing=missing, windows=_WINDOWS)
    if chosen is not None:
        days = _number_of(request, "days", 365, 1, 3650)
        window = _number_of(request, "window", 30, 1, 365)
        trigger = request.GET.get("trigger", trigger_of(chosen))[:200].strip()
        found = attribute(
            chosen,
            since=now - timedelta(days=days),
            until=now,
            window_days=window,
            trigger=trigger,
        )
        if request.GET.get("format") == "csv":
            return _csv("attribution", _attribution_lines(found))
        context.update(_attributed(found, chosen), days=days, window=window, periods=_DAYS)
    return TemplateResponse(request, "loyalty/report_attribution.html", context)


def course_chart(campaign: Campaign, *, days: int, at: datetime) -> dict[str, Any] | None:
    """What a campaign published and redeemed on each of the last days; None without anything."""
    last = timezone.localdate(at, ZoneInfo(settings.TIME_ZONE))
    course = course_of(campaign.pk, first=last - timedelta(days=days - 1), last=last)
    if not any(one.published or one.redeemed for one in course):
        return None
    return chart(
        [date_format(one.day, "j M") for one in course],
        [
            (_("Published"), [one.published for one in course], "primary"),
            (_("Redeemed"), [one.redeemed for one in course], "good"),
        ],
        kind="bar",
    )


def _course_panel(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """What the page of a campaign shows of its last days, and the ways to its reports."""
    now = timezone.now()
    return {
        "bar": money_bar(figures_of([campaign.pk], at=now)[campaign.pk]),
        "chart": course_chart(campaign, days=_COURSE_DAYS, at=now),
        "attribution": f"{reverse('loyalty_attribution')}?campaign={campaign.key}",
        "liability": f"{reverse('loyalty_liability')}?campaign={campaign.key}",
    }


register_campaign_panel(
    CampaignPanel(
        "course",
        gettext_lazy("The last 30 days"),
        "loyalty/campaign_course.html",
        _course_panel,
        10,
    )
)


def _context(request: HttpRequest, current: str, title: str) -> dict[str, Any]:
    request.current_app = admin.site.name
    tabs = [
        {"title": label, "url": reverse(f"loyalty_{slug}"), "is_current": slug == current}
        for slug, label in _TABS
    ]
    return {
        **admin.site.each_context(request),
        "title": title,
        "content_title": title,
        "thing_tabs": tabs,
    }


def _chosen(request: HttpRequest, campaigns: Sequence[Campaign]) -> tuple[Campaign | None, str]:
    """The campaign of the address; else the sentence why there is none."""
    key = request.GET.get("campaign", "").strip()
    found = next((one for one in campaigns if one.key == key), None)
    if key and found is None:
        return None, _("There is no campaign “%(key)s”.") % {"key": key[:63]}
    return found, ""


def _number_of(request: HttpRequest, name: str, default: int, least: int, most: int) -> int:
    text = request.GET.get(name, "")
    return min(max(int(text), least), most) if text.isdecimal() and len(text) < 6 else default


def money_bar(found: CampaignFigures) -> list[dict[str, Any]]:
    """Where the money of published cards is, as parts of a bar: redeemed, outstanding, expired."""
    parts = [
        ("good", _("Redeemed"), found.redeemed_minor),
        ("primary", _("Outstanding"), found.outstanding_minor),
        ("neutral", _("Expired"), found.expired_minor),
    ]
    total = sum(max(amount, 0) for _tone, _name, amount in parts)
    if not total:
        return []
    return [
        {
            "tone": tone,
            "name": name,
            "width": f"{100 * max(amount, 0) / total:.2f}",
            "percent": _percent(max(amount, 0) / total),
        }
        for tone, name, amount in parts
        if amount > 0
    ]


def _owed(one: Liability) -> dict[str, Any]:
    unit = one.currency
    labels = [date_format(line.month, "M Y") for line in one.months]
    breakage = one.breakage
    expected = one.expected_breakage_minor
    return {
        "currency": unit,
        "owed": money(one.owed_minor, unit),
        "breakage": _("none yet") if breakage.share is None else _percent(breakage.share),
        "breakage_note": _("%(unused)s of %(given)s on %(count)s cards that are over")
        % {
            "unused": money(breakage.unused_minor, unit),
            "given": money(breakage.given_minor, unit),
            "count": number(breakage.card_count),
        },
        "expected": "–" if expected is None else money(expected, unit),
        "dues": [
            (str(_DUE[due.until]), number(due.card_count), money(due.amount_minor, unit))
            for due in one.dues
        ],
        "chart": chart(
            labels,
            [
                (
                    _("Owed at the end of the month"),
                    [float(to_decimal(line.closing, unit)) for line in one.months],
                    "primary",
                )
            ],
        ),
        "months": [
            {
                "month": date_format(line.month, "F Y"),
                "opening": money(line.opening, unit),
                "published": money(line.published, unit),
                "changed": money(line.added - line.removed, unit),
                "redeemed": money(line.redeemed, unit),
                "expired": money(line.expired, unit),
                "closing": money(line.closing, unit),
            }
            for line in reversed(one.months)
        ],
    }


def _attributed(found: Attribution, campaign: Campaign) -> dict[str, Any]:
    steps = [_step(step, found, campaign) for step in found.steps]
    most = max((step.contacts for step in found.steps), default=0) or 1
    for shown, step in zip(steps, found.steps, strict=True):
        shown["width"] = f"{100 * step.contacts / most:.2f}"
    groups = [
        {
            "name": name,
            "reached": number(group.reached),
            "ordered": number(group.ordered),
            "share": _percent(group.share) if group.reached else "–",
            "amount": number_format(group.amount, decimal_pos=2, force_grouping=True),
            "each": number_format(group.amount_each, decimal_pos=2, force_grouping=True),
        }
        for name, group in (
            (_("Got a card"), found.with_card),
            (_("Set aside"), found.set_aside),
        )
    ]
    return {
        "steps": steps,
        "groups": groups,
        "verdict": _verdict(found),
        "trigger": found.trigger,
        "rate": found.rate,
        "csv": "format=csv",
    }


def _step(step: Step, found: Attribution, campaign: Campaign) -> dict[str, Any]:
    names = {
        "earned": _("did “%(event)s” before") % {"event": found.trigger},
        "given": _("got a card"),
        "redeemed": _("redeemed it"),
        "returned": _("ordered again afterwards"),
    }
    told = ""
    if step.amount_minor is not None:
        told = _("%(money)s paid by cards") % {"money": money(step.amount_minor, campaign.currency)}
    elif step.amount is not None:
        amount = number_format(step.amount, decimal_pos=2, force_grouping=True)
        told = _("for %(amount)s") % {"amount": amount}
    return {
        "key": step.key,
        "name": names[step.key],
        "contacts": number(step.contacts),
        "share": "" if step.share is None else _percent(step.share),
        "told": told,
    }


def _verdict(found: Attribution) -> tuple[str, str]:
    """What the comparison says, in a sentence, and its tone."""
    between = found.difference
    if between is None:
        if not found.set_aside.reached:
            return "neutral", _(
                "Nobody was set aside, or not long enough ago: what the cards caused cannot be"
                " told from what would have happened anyway. Let the campaign set aside 10 per"
                " cent of those whom distributions reach."
            )
        return "neutral", _("Nobody with a card was reached long enough ago.")
    words = {
        "difference": number_format(100 * between.difference, decimal_pos=1),
        "low": number_format(100 * between.low, decimal_pos=1),
        "high": number_format(100 * between.high, decimal_pos=1),
        "days": found.window_days,
    }
    if not between.is_certain:
        return "warning", _(
            "Within %(days)d days the share of those who ordered differs by %(difference)s"
            " percentage points; between %(low)s and %(high)s with 95 %% certainty, so it may be"
            " chance."
        ) % words
    if between.difference > 0:
        return "good", _(
            "Cards brought %(difference)s percentage points more contacts to an order within"
            " %(days)d days: between %(low)s and %(high)s with 95 %% certainty."
        ) % words
    return "bad", _(
        "Who got a card ordered less often than who was set aside, by %(difference)s percentage"
        " points within %(days)d days: between %(low)s and %(high)s with 95 %% certainty."
    ) % words


def _percent(share: float) -> str:
    return number_format(100 * share, decimal_pos=1) + "\N{NO-BREAK SPACE}%"


def _csv(name: str, lines: Iterable[Sequence[Any]]) -> HttpResponse:
    today = timezone.localdate().isoformat()
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{today}.csv"'},
    )
    writer = csv.writer(response, lineterminator="\r\n")
    writer.writerows(
        [neutralised(value) if isinstance(value, str) else value for value in line]
        for line in lines
    )
    return response


def _campaign_lines(rows: Iterable[tuple[Campaign, CampaignFigures]]) -> Iterable[Sequence[Any]]:
    counts = (
        *("codes", "unpublished", "published", "used", "used_up", "expired", "disabled"),
        *("held_out", "redemptions", "rolled_back", "refused"),
    )
    amounts = (
        *("published_minor", "added_minor", "removed_minor", "redeemed_minor"),
        *("rolled_back_minor", "expired_minor", "outstanding_minor"),
    )
    names = [name.removesuffix("_minor") for name in amounts]
    yield ["key", "name", "status", "currency", *counts, *(f"amount_{name}" for name in names)]
    for one, found in rows:
        yield [
            *(one.key, one.name, one.status, one.currency),
            *(getattr(found, name) for name in counts),
            *(to_decimal(getattr(found, name), one.currency) for name in amounts),
        ]


def _liability_lines(found: Iterable[Liability]) -> Iterable[Sequence[Any]]:
    names = ("opening", "published", "added", "removed", "redeemed", "expired", "closing")
    yield ["currency", "month", *names]
    for one in found:
        for line in one.months:
            amounts = (to_decimal(getattr(line, name), one.currency) for name in names)
            yield [one.currency, line.month.isoformat()[:7], *amounts]


def _attribution_lines(found: Attribution) -> Iterable[Sequence[Any]]:
    yield ["step", "contacts", "share", "amount_minor", "amount"]
    for step in found.steps:
        share = "" if step.share is None else f"{step.share:.6f}"
        yield [step.key, step.contacts, share, step.amount_minor, step.amount]
    yield []
    yield ["group", "reached", "ordered", "share", "amount"]
    for name, group in (("with_card", found.with_card), ("set_aside", found.set_aside)):
        yield [name, group.reached, group.ordered, f"{group.share:.6f}", group.amount]
