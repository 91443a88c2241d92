"""What a distribution tells contacts, a webhook or a connected system of the cards it gave."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import announcements
from integrations.errors import TemplateFailed
from integrations.outbox import Message
from integrations.template_variables import Variable, contact_values, register_variables
from integrations.templates import mentions, render
from loyalty.gift_cards.publication_notices import SUCCEEDED, told_of
from loyalty.gift_cards.publishing import Published, Terms
from loyalty.models import Campaign, Distribution
from loyalty.money import money, to_decimal
from loyalty.wallets.wallet import wallet_urls
from workspace.exactjson import exact_dumps

Channel = Distribution.Channel
_WALLET = "wallet_url"
# Systems take events of a few ten kilobytes at most; the code must not be lost for an essay.
_TRIGGER_LIMIT = 8_000


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
    if distribution.channel == Channel.VENDOR:
        return _events(distribution, given, at)
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


def _events(
    distribution: Distribution, given: Sequence[tuple[Task, Published]], at: datetime
) -> tuple[list[Message], dict[int, str]]:
    """What the connected system hears of any publication, and what triggered this one besides.

    To a contact whom it does not know nothing can be sent: the card is given all the same.
    """
    connection = distribution.connection
    assert connection is not None
    terms = Terms(channel=distribution.channel, distribution=distribution)
    told = told_of(distribution.campaign, [one for _task, one in given], terms, at=at)
    known = announcements.user_ids(connection, [one.given_to for _task, one in given])
    messages, failures = [], {}
    for (task, one), data in zip(given, told, strict=True):
        if one.given_to not in known:
            task.is_only_without_address = True
            message = _("The card was given, but “%(name)s” knows the contact by no id.")
            failures[task.id] = message % {"name": connection.name}
        payload = {
            "id": _key(task),
            "type": SUCCEEDED,
            "created_at": at.isoformat(),
            "user_id": known.get(one.given_to),
            "data": {
                **data,
                "distribution": {"key": distribution.key, "name": distribution.name},
                "trigger": _trigger_of(distribution, task),
            },
        }
        order_key = announcements.order_key_of(one.given_to)
        messages.append(_message(distribution, task, one, SUCCEEDED, payload, order_key=order_key))
    return messages, failures


def _trigger_of(distribution: Distribution, task: Task) -> dict[str, Any]:
    """What triggered it; without its details where these are so large that they fill a message."""
    whole = {"kind": distribution.trigger, **task.context}
    if len(exact_dumps(whole).encode()) <= _TRIGGER_LIMIT:
        return whole
    event = task.context.get("event") or {}
    return {"kind": distribution.trigger, "event": {"name": event.get("name")}}


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
    distribution: Distribution,
    task: Task,
    one: Published,
    kind: str,
    payload: dict[str, Any],
    *,
    order_key: str = "",
) -> Message:
    assert distribution.connection_id is not None
    return Message(
        key=_key(task),
        connection_id=distribution.connection_id,
        kind=kind,
        payload=payload,
        contact_id=one.given_to,
        subject=f"distribution:{distribution.pk}",
        order_key=order_key,
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
