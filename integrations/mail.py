"""The connection over which e-mail is sent: one, by the mail server of the settings."""

from django.utils.translation import gettext as _

from integrations.connectors.mail import CONNECTOR
from integrations.models import Connection
from integrations.registry import register

KIND = Connection.Kind.EMAIL


def mail_connection() -> Connection:
    """The connection for e-mail; it is made when it is needed for the first time."""
    found = Connection.objects.filter(kind=KIND).order_by("pk").first()
    if found is None:
        # Two who make it at once find the same name.
        found, _made = Connection.objects.get_or_create(kind=KIND, name=_("E-mail"))
    return found


def register_mail() -> None:
    """Have e-mails sent. May be called again."""
    register(KIND, CONNECTOR)
