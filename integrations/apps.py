from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IntegrationsConfig(AppConfig):
    """The post office: what comes in and goes out."""

    name = "integrations"
    verbose_name = _("Integrations")
