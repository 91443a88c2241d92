from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from workspace import encryption


class IntegrationsConfig(AppConfig):
    """The post office: what comes in and goes out."""

    name = "integrations"
    verbose_name = _("Integrations")

    def ready(self) -> None:
        encryption.register_column("integrations.WriteKey", "sealed")
        encryption.register_column("integrations.Source", "signing_secret")
