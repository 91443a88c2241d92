"""What a distribution tells contacts, or a webhook, of the cards that it gave."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.errors import TemplateFailed
from integrations.outbox import Message
from integrations.template_variables import Variable, contact_values, register_variables
from integrations.templates import mentions, render
from loyalty.gift_cards.publication_notices import SUCCEEDED
from loyalty.gift_cards.publishing import Published
from loyalty.models import Campaign, Distribution
from loyalty.money import money, to_decimal
from loyalty.wallets.wallet import wallet_urls

Channel = Distribution.Channel
_WALLET = "wallet_url"


@dataclass(slots=True)
class Task:
    """A contact whom a distribution has to reach; `context` is what triggered it.

    `is_only_without_address` once it is known that there is a card, and nowhere to send it.
    """

    id: int
    contact_id: int
    context: Mapping[str, Any]
    is_only_without_address: bool = False


def messages_for(
    distribution: Distribution, given: Sequence[tuple[Task, Published]], *, at: datetime
) -> tuple[list[Message], dict[int, str]]:
    """The messages for these cards, and by task what stands against one.

    The key is the task's, so that whoever tries again sends nothing twice.
    """
    if distribution.channel == Channel.NONE or distribution.connection_id is None:
        return [], {}
    if distribution.channel == Channel.WEBHOOK:
        return [_webhook_message(distribution, task, one, at) for task, one in given], {}
    return _mails(distribution, given)


def _mails(
    distribution: Distribution, given: Sequence[tuple[Task, Published]]
) -> tuple[list[Message], dict[int, str]]:
    people = contact_values([one.given_to for _task, one in given])
    messages, failures = [], {}
    template = distribution.template
    assert template is not None
    wallets = {}
    if mentions(template, _WALLET):
        wallets = wallet_urls(list(people))
    for task, one in given:
        person = people.get(one.given_to, {})
        values: dict[str, Any] = {
            "contact": person,
            _WALLET: wallets.get(one.given_to, ""),
            **values_of(distribution.campaign, one, task.context),
        }
        try:
            rendered = render(template, values)
        except TemplateFailed as failed:
            failures[task.id] = str(failed)
            continue
        if not person.get("email"):
            task.is_only_without_address = True
            failures[task.id] = _("The card was given, but the contact has no e-mail address.")
        payload = {
            "to": person.get("email", ""),
            "subject": rendered.subject,
            "text": rendered.text,
            "html": rendered.html,
            "headers": {},
        }
        messages.append(_message(distribution, task, one, "email", payload))
    return messages, failures


def _webhook_message(
    distribution: Distribution, task: Task, one: Published, at: datetime
) -> Message:
    """As what webhooks hear of publications, and what triggered it besides."""
    campaign = distribution.campaign
    data = {
        "code": one.code,
        "campaign": campaign.key,
        "campaign_name": campaign.name,
        "amount": one.amount_minor,
        "currency": campaign.currency,
        "publication_id": one.publication_id,
        "contact_id": one.given_to,
        "distribution": distribution.key,
        "expires_at": one.expires_at.isoformat() if one.expires_at else None,
        "metadata": dict(one.wish.metadata),
        "trigger": {"kind": distribution.trigger, **task.context},
    }
    payload = {
        "id": _key(task),
        "type": SUCCEEDED,
        "created_at": at.isoformat().replace("+00:00", "Z"),
        "data": data,
    }
    return _message(distribution, task, one, SUCCEEDED, payload)


def _message(
    distribution: Distribution, task: Task, one: Published, kind: str, payload: dict[str, Any]
) -> Message:
    assert distribution.connection_id is not None
    return Message(
        key=_key(task),
        connection_id=distribution.connection_id,
        kind=kind,
        payload=payload,
        contact_id=one.given_to,
        subject=f"distribution:{distribution.pk}",
    )


def _key(task: Task) -> str:
    return f"distribution-task:{task.id}"


def values_of(
    campaign: Campaign, one: Published, context: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What templates may say of a card and of what triggered it."""
    return {
        "voucher": {
            "code": one.code,
            "amount": str(to_decimal(one.amount_minor, campaign.currency)),
            "currency": campaign.currency,
            "worth": money(one.amount_minor, campaign.currency),
            "expires_at": one.expires_at.isoformat() if one.expires_at else "",
        },
        "campaign": {
            "key": campaign.key,
            "name": campaign.name,
            "description": campaign.description,
            "metadata": campaign.metadata,
        },
        "event": dict(context.get("event") or {}),
        "tier": dict(context.get("tier") or {}),
    }


def _variables() -> Iterable[Variable]:
    yield Variable("voucher.code", gettext_lazy("Code"), "GIFT-7K2M-9QXF")
    yield Variable("voucher.worth", gettext_lazy("Value, as people read it"), "25.00 USD")
    yield Variable("voucher.amount", gettext_lazy("Value"), "25.00")
    yield Variable("voucher.currency", gettext_lazy("Currency"), "USD")
    yield Variable("voucher.expires_at", gettext_lazy("Valid until"), "2027-03-02T12:00:00+00:00")
    yield Variable("campaign.key", gettext_lazy("Key"), "reviewers-25")
    yield Variable("campaign.name", gettext_lazy("Name"), "Thank you for your review")
    yield Variable("campaign.description", gettext_lazy("Description"), "A card for each review")
    yield Variable("campaign.metadata.*", gettext_lazy("Metadata"), {"season": "spring"})
    yield Variable(_WALLET, gettext_lazy("Wallet of the contact"), "https://shop.example/wallet/x/")
    yield Variable("event.name", gettext_lazy("Event that triggered it"), "review_left")
    yield Variable("event.occurred_at", gettext_lazy("When"), "2026-03-02T12:00:00+00:00")
    yield Variable("event.properties.*", gettext_lazy("What it says"), {"rating": 5})
    yield Variable("tier.before", gettext_lazy("Former tier"), "silver")
    yield Variable("tier.after", gettext_lazy("Present tier"), "gold")


def register() -> None:
    """Let templates say them. May be called again."""
    register_variables("loyalty", gettext_lazy("Card"), _variables)
