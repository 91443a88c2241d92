from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LoyaltyConfig(AppConfig):
    """Members, points, rewards."""

    name = "loyalty"
    verbose_name = _("Loyalty")
