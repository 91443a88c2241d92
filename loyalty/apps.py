from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from loyalty import facts


class LoyaltyConfig(AppConfig):
    """Members, points, rewards."""

    name = "loyalty"
    verbose_name = _("Loyalty")

    def ready(self) -> None:
        facts.register()
