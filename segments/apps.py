from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SegmentsConfig(AppConfig):
    """Criteria and who satisfies them."""

    name = "segments"
    verbose_name = _("Segments")

    def ready(self) -> None:
        # Long work is known by the kinds that this module registers.
        from segments import jobs  # noqa: F401
