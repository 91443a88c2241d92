"""Words with a colour for messages."""

from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from journeys.models import Lane, Message
from workspace.admin.pictures import badge

State = Message.State
_TONES = {
    State.PLANNED: ("neutral", "schedule"),
    State.QUEUED: ("info", "send"),
    State.SENT: ("good", "check"),
    State.FAILED: ("bad", "error"),
    State.LEFT_OUT: ("warning", "block"),
}
CHANNEL_ICONS = {
    Message.Channel.EMAIL: "mail",
    Message.Channel.PUSH: "notifications",
    Message.Channel.WEBHOOK: "webhook",
    Message.Channel.VENDOR: "sync_alt",
}


def message_badge(message: Message) -> SafeString:
    """What became of it; of one that was left out, why."""
    state = State(message.state)
    if state == State.LEFT_OUT:
        return badge(message.get_reason_display(), *_TONES[state])
    return badge(state.label, *_TONES[state])


def message_badges(message: Message) -> SafeString:
    """The same, with whether it belongs to a test and what its receiver did."""
    parts = [message_badge(message)]
    if message.lane == Lane.TEST:
        parts.append(badge(_("test"), "info", "science"))
    for at, words, tone, icon in (
        (message.opened_at, _("opened"), "good", "drafts"),
        (message.clicked_at, _("clicked"), "good", "ads_click"),
        (message.bounced_at, _("came back"), "bad", "undo"),
        (message.complained_at, _("complained"), "bad", "report"),
        (message.unsubscribed_at, _("unsubscribed"), "warning", "unsubscribe"),
    ):
        if at is not None:
            parts.append(badge(words, tone, icon))
    return format_html_join(" ", "{}", ((part,) for part in parts))
