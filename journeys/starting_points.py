"""What a new journey may begin with: drawings of what most shops do first.

They name nothing of the workspace: the segment, the templates and the events are left open, and
the list of faults leads through what is still to be chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

_Node = tuple[str, str, str | Promise, dict[str, Any]]
_Way = tuple[str, str] | tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """A drawing to begin with: its activities, and the ways between them."""

    key: str
    icon: str
    title: str | Promise
    description: str | Promise
    nodes: Sequence[_Node] = ()
    ways: Sequence[_Way] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def drawing(self) -> dict[str, Any]:
        """The drawing as a document, its labels in the language that is active."""
        return {
            "nodes": [
                {"id": node, "kind": kind, "label": gettext(str(label)), "config": dict(config)}
                for node, kind, label, config in self.nodes
            ],
            "edges": [
                {
                    "from": way[0],
                    **({"outcome": way[2]} if len(way) > 2 else {}),
                    "to": way[1],
                }
                for way in self.ways
            ],
        }


_DAY = {"amount": 1, "unit": "day"}
_THREE_DAYS = {"amount": 3, "unit": "day"}
_EVERY_DAY = {"every": _DAY}

STARTING_POINTS: Sequence[StartingPoint] = (
    StartingPoint(
        "blank", "note_add", _("Blank"), _("An empty canvas: begin with how contacts enter.")
    ),
    StartingPoint(
        "reactions",
        "forum",
        _("Messages that follow reactions"),
        _(
            "An e-mail and a push message to a segment. Who opens neither within a day gets a"
            " follow-up; who buys is thanked with a push message."
        ),
        nodes=(
            ("start", "read_segment", _("Everybody in the segment"), {}),
            ("first", "message", _("First message"), {}),
            (
                "push_opened",
                "reaction",
                _("Push opened"),
                {"to": "first", "reaction": "push_opened"},
            ),
            (
                "email_opened",
                "reaction",
                _("E-mail opened"),
                {
                    "to": "first",
                    "reaction": "email_opened",
                    "timeout": _DAY,
                    "timeout_path": True,
                },
            ),
            ("follow_up", "message", _("Follow-up"), {}),
            ("bought", "event", _("Purchase"), {}),
            ("thanks", "message", _("Thank you"), {}),
        ),
        ways=(
            ("start", "first"),
            ("first", "push_opened"),
            ("first", "email_opened"),
            ("email_opened", "follow_up", "timeout"),
            ("push_opened", "bought"),
            ("email_opened", "bought"),
            ("follow_up", "bought"),
            ("bought", "thanks"),
        ),
    ),
    StartingPoint(
        "welcome",
        "waving_hand",
        _("Welcome series"),
        _("Who signs up is welcomed, hears more after some days, and gets a gift card."),
        nodes=(
            ("signed_up", "event_entry", _("Signed up"), {}),
            ("welcome", "message", _("Welcome"), {}),
            ("some_days", "wait", _("Three days"), {"duration": _THREE_DAYS}),
            ("more", "message", _("What we are good at"), {}),
            (
                "opened",
                "reaction",
                _("Opened"),
                {
                    "to": "more",
                    "reaction": "email_opened",
                    "timeout": _THREE_DAYS,
                    "timeout_path": True,
                },
            ),
            ("card", "voucher", _("Gift card"), {}),
            ("with_card", "message", _("A card for you"), {}),
            ("reminder", "message", _("Reminder"), {}),
        ),
        ways=(
            ("signed_up", "welcome"),
            ("welcome", "some_days"),
            ("some_days", "more"),
            ("more", "opened"),
            ("opened", "card"),
            ("card", "with_card"),
            ("opened", "reminder", "timeout"),
        ),
        settings={"re_entry": "never"},
    ),
    StartingPoint(
        "birthday",
        "cake",
        _("Birthday"),
        _(
            "Every day it reads the segment of those who have their birthday, gives each a gift"
            " card and sends it at nine in the morning where the contact lives."
        ),
        nodes=(
            (
                "birthdays",
                "read_segment",
                _("Birthday today"),
                {"schedule": _EVERY_DAY, "only_new": True},
            ),
            (
                "morning",
                "wait",
                _("Nine in the morning"),
                {"until": {"time": "09:00", "zone": "contact"}},
            ),
            ("card", "voucher", _("Gift card"), {}),
            ("wishes", "message", _("Happy birthday"), {}),
        ),
        ways=(("birthdays", "morning"), ("morning", "card"), ("card", "wishes")),
        settings={"re_entry": {"after": {"amount": 300, "unit": "day"}}},
    ),
    StartingPoint(
        "win_back",
        "undo",
        _("Win back"),
        _(
            "Who has not bought for long enters by himself. One in ten gets nothing, so that you"
            " see what the messages do."
        ),
        nodes=(
            ("lapsed", "segment_entry", _("Has not bought for long"), {"on": "entered"}),
            (
                "control",
                "split",
                _("Control group"),
                {"paths": [{"name": "a", "percent": 90}, {"name": "holdout", "percent": 10}]},
            ),
            ("miss_you", "message", _("We miss you"), {}),
            (
                "bought",
                "event",
                _("Bought again"),
                {"timeout": {"amount": 1, "unit": "week"}, "timeout_path": True},
            ),
            ("card", "voucher", _("Gift card"), {}),
            ("with_card", "message", _("A card for you"), {}),
        ),
        ways=(
            ("lapsed", "control"),
            ("control", "miss_you", "a"),
            ("miss_you", "bought"),
            ("bought", "card", "timeout"),
            ("card", "with_card"),
        ),
        settings={"re_entry": {"after": {"amount": 13, "unit": "week"}}},
    ),
)


def find_starting_point(key: str) -> StartingPoint:
    """The one of this key; the blank one where there is none."""
    return next((one for one in STARTING_POINTS if one.key == key), STARTING_POINTS[0])
