"""Templates to begin with, so that nobody begins with an empty page.

Each is complete and can be sent as it is. One whose gaps nobody fills in this workspace is not
offered.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from integrations.models import Template
from integrations.rendering import faults_of
from integrations.template_languages import read_language
from integrations.template_parts import Parts
from integrations.template_variables import known_paths

Channel = Template.Channel
_ACCENT = "#4f46e5"


@dataclass(frozen=True, slots=True)
class Starter:
    """A template to begin with: what it is for, and its parts."""

    key: str
    channel: str
    name: str
    about: str
    icon: str
    parts: Parts
    language: str = ""


def starters() -> list[Starter]:
    """Those that this workspace can send, in the language of whoever looks; empty ones last."""
    known = known_paths()
    can_be_left = ("unsubscribe_url",) in known
    return [
        one
        for one in _all(can_be_left=can_be_left)
        if not any(faults_of(name, source, known) for name, source in one.parts.items())
    ]


def starter_of(key: str) -> Starter | None:
    """The one of this key; None where it is not offered."""
    return next((one for one in starters() if one.key == key), None)


def _all(*, can_be_left: bool) -> Iterator[Starter]:
    language = read_language(get_language() or "")

    def mail(key: str, icon: str, name: str, about: str, subject: str, *blocks: str) -> Starter:
        parts = {"subject": subject, "mjml": _page(blocks, can_be_left=can_be_left)}
        return Starter(key, Channel.EMAIL, name, about, icon, parts, language)

    def push(key: str, icon: str, name: str, about: str, title: str, text: str) -> Starter:
        parts = {"subject": title, "text": text, "link": "https://www.example.com/"}
        return Starter(key, Channel.PUSH, name, about, icon, parts, language)

    hello = _("Hello {{ contact.first_name | default: 'there' }},")
    yield mail(
        *("welcome", "waving_hand", _("Welcome"), _("The first message after somebody joined.")),
        _("Welcome, {{ contact.first_name | default: 'good to have you here' }}"),
        *(_heading(_("Good to have you here")), _text(hello)),
        _text(_("thank you for joining us. Here is where to begin:")),
        _text(_("Look around in the shop, and tell us what you like – we listen.")),
        _button(_("Visit the shop")),
    )
    yield mail(
        *("follow-up", "schedule_send", _("Follow-up")),
        _("For those who did not open or click the first message."),
        _("Did you see this, {{ contact.first_name | default: 'by any chance' }}?"),
        *(_heading(_("In case you missed it")), _text(hello)),
        _text(_("a few days ago we sent you something that we think you would like.")),
        _button(_("Have a look")),
    )
    yield mail(
        *("birthday", "cake", _("Birthday"), _("On the day itself, or a few days before.")),
        _("Happy birthday, {{ contact.first_name | default: 'dear customer' }}!"),
        _heading(_("Happy birthday!")),
        _text(hello),
        _text(_("all the best from all of us. Treat yourself today: this one is on us.")),
        _button(_("Choose your present")),
    )
    yield mail(
        *("card", "card_giftcard", _("Gift card"), _("Sent with the code of a card.")),
        _("{{ contact.first_name | default: 'Hello' }}, a card for you: {{ voucher.worth }}"),
        *(_heading(_("A present for you")), _text(hello)),
        _text(_("here is your gift card worth <b>{{ voucher.worth }}</b>. Use this code:")),
        _code("{{ voucher.code }}"),
        _text(
            "{% if voucher.expires_at != '' %}"
            + _("It is valid until {{ voucher.expires_at | date: '%d.%m.%Y' }}.")
            + "{% endif %}"
        ),
        _button(_("Use it now")),
    )
    yield push(
        *("thank-you-push", "volunteer_activism", _("Thank you"), _("After a purchase.")),
        _("Thank you, {{ contact.first_name | default: 'friend' }}!"),
        _("Your order is on its way to you. We hope you will like it."),
    )
    yield push(
        *("reminder-push", "notifications_active", _("Reminder")),
        _("A short word with a link."),
        _("Something waits for you"),
        _("{{ contact.first_name | default: 'Hello' }}, have a look before it is gone."),
    )
    yield Starter(
        *("letter", Channel.EMAIL, _("Plain letter"), _("Words only, as one person writes.")),
        *("subject", {"subject": "", "text": f"{hello}\n\n"}, language),
    )
    yield Starter(
        *("empty", Channel.EMAIL, _("Empty e-mail"), _("MJML, HTML or text of your own.")),
        *("draft", {"subject": "", "html": ""}, language),
    )
    yield Starter(
        *("empty-push", Channel.PUSH, _("Empty push message"), _("Title, words and a link.")),
        *("notifications", {"subject": "", "text": ""}, language),
    )


def _page(blocks: tuple[str, ...], *, can_be_left: bool) -> str:
    body = "\n".join(f"        {block}" for block in blocks)
    leave = ""
    if can_be_left:
        words = escape(_("Unsubscribe"))
        link = f' · <a href="{{{{ unsubscribe_url }}}}" style="color:#6b7280">{words}</a>'
        # Distributions know of no such page.
        leave = f"{{% if unsubscribe_url %}}{link}{{% endif %}}"
    why = escape(_("You get this because you are a customer of ours."))
    return f"""<mjml>
  <mj-head>
    <mj-attributes>
      <mj-all font-family="Helvetica, Arial, sans-serif" />
      <mj-text font-size="16px" line-height="1.6" color="#1f2937" padding="8px 32px" />
      <mj-button background-color="{_ACCENT}" color="#ffffff" border-radius="8px" font-size="16px"
        font-weight="bold" inner-padding="14px 28px" padding="16px 32px" align="left" />
    </mj-attributes>
    <mj-style>
      @media (prefers-color-scheme: dark) {{
        body, .around {{ background: #030712 !important; }}
        .page, .page > table {{ background: #111827 !important; }}
        .page div {{ color: #f3f4f6 !important; }}
        .code {{ background: #312e81 !important; }}
      }}
    </mj-style>
  </mj-head>
  <mj-body background-color="#f3f4f6" css-class="around">
    <mj-section padding="12px 0"></mj-section>
    <mj-section background-color="#ffffff" border-radius="12px" padding="24px 0" css-class="page">
      <mj-column>
{body}
      </mj-column>
    </mj-section>
    <mj-section padding="16px 0 32px">
      <mj-column>
        <mj-text font-size="13px" color="#6b7280" align="center">{why}{leave}</mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""


def _heading(words: str) -> str:
    return (
        '<mj-text font-size="26px" font-weight="bold" line-height="1.3">'
        f'<h1 style="margin:0;font-size:26px">{words}</h1></mj-text>'
    )


def _text(words: str) -> str:
    return f"<mj-text>{words}</mj-text>"


def _code(words: str) -> str:
    return (
        '<mj-text css-class="code" font-size="24px" font-weight="bold" letter-spacing="2px"'
        ' align="center" container-background-color="#eef2ff" padding="20px 32px">'
        f"{words}</mj-text>"
    )


def _button(words: str) -> str:
    return f'<mj-button href="https://www.example.com/">{words}</mj-button>'
