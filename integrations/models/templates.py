"""Messages with gaps."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import KeyField


class Template(models.Model):
    """A message with gaps, in Liquid: `{{ contact.first_name }}`, `{{ voucher.code }}`.

    An e-mail has a subject, a text and HTML, which is written as HTML or, where there is `mjml`,
    in that. A push message has its title in `subject`, its words in `text`, and opens `link`.
    `language` is that of its words; other languages are its variants.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", _("e-mail")
        PUSH = "push", _("push message")

    id = models.AutoField(primary_key=True)
    key = KeyField()
    name = models.CharField(_("name"), max_length=200)
    channel = models.CharField(_("channel"), max_length=10, choices=Channel, default=Channel.EMAIL)
    subject = models.CharField(_("subject"), max_length=300, blank=True, default="")
    text = models.TextField(_("text"), blank=True, default="")
    html = models.TextField(_("HTML"), blank=True, default="")
    mjml = models.TextField("MJML", blank=True, default="", db_default="")
    link = models.CharField(_("opens"), max_length=2000, blank=True, default="", db_default="")
    icon = models.CharField(_("icon"), max_length=2000, blank=True, default="", db_default="")
    language = models.CharField(_("language"), max_length=35, blank=True, default="", db_default="")
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class TemplateVariant(models.Model):
    """The words of a template in another language; what is empty is as in the template."""

    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="variants")
    language = models.CharField(_("language"), max_length=35)
    subject = models.CharField(_("subject"), max_length=300, blank=True, default="")
    text = models.TextField(_("text"), blank=True, default="")
    html = models.TextField(_("HTML"), blank=True, default="")
    mjml = models.TextField("MJML", blank=True, default="")
    link = models.CharField(_("opens"), max_length=2000, blank=True, default="")

    class Meta:
        verbose_name = _("translation")
        verbose_name_plural = _("translations")
        ordering = ["language"]
        constraints = [
            models.UniqueConstraint(
                fields=["template", "language"], name="integrations_templatevariant_once"
            ),
            models.CheckConstraint(
                condition=~Q(language=""), name="integrations_templatevariant_has_language"
            ),
        ]

    def __str__(self) -> str:
        return self.language
