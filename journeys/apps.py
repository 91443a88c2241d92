from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JourneysConfig(AppConfig):
    """What is sent to whom, and when."""

    name = "journeys"
    verbose_name = _("Journeys")
