"""Links to wallets: what makes them worthless."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class WalletLink(models.Model):
    """How often the links to a contact's wallet were withdrawn; without a row never.

    Links name this number: those with an older one lead nowhere. By the contact's number and not
    by a foreign key: the number outlives a merge, and so do its links.
    """

    contact_id = models.BigIntegerField(primary_key=True)
    version = models.PositiveIntegerField(default=1)
    withdrawn_at = models.DateTimeField()

    class Meta:
        verbose_name = _("link to a wallet")
        verbose_name_plural = _("links to wallets")

    def __str__(self) -> str:
        return f"{self.contact_id} #{self.version}"
