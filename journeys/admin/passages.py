"""Passages on the screen: a vertical line of steps, each with its cause, time and data."""

from collections.abc import Sequence
from typing import Any

from journeys.explaining import Standing, Step
from journeys.models import Message
from workspace.admin.pictures import badge
from workspace.exactjson import exact_dumps

_ICONS = {
    "entered": "login",
    "passed": "arrow_downward",
    "event": "bolt",
    "timeout": "timer",
    "result": "reply",
    "exit": "logout",
    "stopped": "stop_circle",
    "failed": "error",
    "back": "undo",
}
_TONES = {"event": "good", "timeout": "warning", "failed": "bad", "exit": "warning"}
_MESSAGES = {"sent": "good", "failed": "bad", "left_out": "warning"}


def passage_row(steps: Sequence[Step], standing: Standing) -> dict[str, Any]:
    """What the template of a passage shows."""
    return {
        "steps": [
            {
                "step": step,
                "icon": _ICONS.get(step.cause, "circle"),
                "tone": _TONES.get(step.cause, "neutral"),
                "data": exact_dumps(step.data, indent=2) if step.data else "",
                "messages": [(message, message_badge(message)) for message in step.messages],
            }
            for step in steps
        ],
        "standing": standing,
    }


def message_badge(message: Message) -> Any:
    """The state of a message, and what the receiver did."""
    text = f"{message.get_channel_display()}: {message.get_state_display()}"
    if message.reason:
        text = f"{text} ({message.get_reason_display()})"
    return badge(text, _MESSAGES.get(message.state, "info"))
