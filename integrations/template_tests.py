"""A test of a template: sent at once, to the one who asks for it and nobody else."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from integrations.connector import Message
from integrations.connectors.mail import CONNECTOR
from integrations.errors import TemplateInvalid
from integrations.models import Template
from integrations.push import connections, payloads, trial
from integrations.template_previews import preview
from workspace import access, audit
from workspace.access import Actor
from workspace.models import AuditEntry, User


def send_test(
    template: Template,
    *,
    actor: Actor,
    at: datetime,
    contact_id: int | None = None,
    language: str = "",
) -> str:
    """Send an e-mail's template to the actor's own address, as a contact would get it.

    Without a contact there is an example in every gap. Returns the address. Raises TemplateInvalid
    where the account has none, TemplateFailed, and what the mail server refuses.
    """
    access.require(actor, "integrations.view_template")
    address = _address_of(actor)
    if not address:
        message = _("Your account has no e-mail address: write one under Staff, then try again.")
        raise TemplateInvalid(message)
    seen = preview(template, actor=actor, contact_id=contact_id, language=language)
    rendered = seen.rendered
    payload = {
        "to": address,
        "subject": _("[Test] %(subject)s") % {"subject": rendered.subject},
        "text": rendered.text,
        "html": rendered.html,
    }
    key = f"template-test:{template.pk}:{actor.name}:{at.isoformat()}"
    CONNECTOR.send(Message(key=key, kind="email", payload=payload, sent_at=at))
    audit.record(actor=actor, action="template.tested", subject=template, at=at)
    return address


def send_push_test(
    template: Template,
    *,
    subscription: Mapping[str, Any],
    actor: Actor,
    at: datetime,
    contact_id: int | None = None,
    language: str = "",
) -> None:
    """Send a push message's template to the browser that asks, as a contact would get it.

    Without a contact there is an example in every gap. Nothing of the browser is kept. Raises
    TemplateFailed, PushInvalid, PushUnavailable, SubscriptionInvalid, and what the push service
    refuses. Not within a transaction: the other side may take its time.
    """
    access.require(actor, "integrations.view_template")
    rendered = preview(template, actor=actor, contact_id=contact_id, language=language).rendered
    payload = payloads.payload(
        title=_("[Test] %(subject)s") % {"subject": rendered.subject},
        body=rendered.text,
        url=rendered.link,
        icon=rendered.icon,
        at=at,
    )
    connection = connections.web_push_connection(at=at)
    trial.send_once(connection, payload, recipient=subscription, at=at)
    audit.record(actor=actor, action="template.tested", subject=template, at=at)


def _address_of(actor: Actor) -> str:
    if actor.kind != AuditEntry.ActorKind.USER or actor.id is None:
        return ""
    return User.objects.filter(pk=actor.id).values_list("email", flat=True).first() or ""
