from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SegmentsConfig(AppConfig):
    """Criteria and who satisfies them."""

    name = "segments"
    verbose_name = _("Segments")
