"""The e-mail as it was sent, for as long as its delivery is kept."""

from dataclasses import dataclass

from django.core.signing import BadSignature
from django.utils.translation import gettext as _

from integrations.models import Delivery
from journeys.errors import MessageUnknown
from journeys.messages.links import read_holder, untracked
from journeys.models import Message


@dataclass(frozen=True, slots=True)
class SentMail:
    """What was sent: empty where it is forgotten."""

    subject: str
    text: str
    html: str


def sent_mail(message: Message) -> SentMail | None:
    """What a message said, so that looking at it counts nothing; None once it is forgotten."""
    delivery = Delivery.objects.filter(pk=message.delivery_id or 0).first()
    if delivery is None or not ({"text", "html", "body"} & delivery.payload.keys()):
        return None
    payload = delivery.payload
    return SentMail(
        str(payload.get("subject") or payload.get("title") or ""),
        untracked(str(payload.get("text") or payload.get("body") or ""), message.pk, is_html=False),
        untracked(str(payload.get("html") or ""), message.pk, is_html=True),
    )


def html_for_receiver(token: str) -> str:
    """The HTML of the e-mail whose link it is. Raises MessageUnknown where there is none (more)."""
    try:
        holder = read_holder(token)
    except (BadSignature, ValueError) as error:
        raise MessageUnknown(_("This link leads nowhere.")) from error
    found = Message.objects.filter(pk=holder.message_id, channel=Message.Channel.EMAIL).first()
    delivery = found and Delivery.objects.filter(pk=found.delivery_id or 0).first()
    html = str(delivery.payload.get("html") or "") if delivery else ""
    if not html:
        raise MessageUnknown(_("This e-mail is not kept any more."))
    return html
