from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SegmentsConfig(AppConfig):
    """Criteria and who satisfies them."""

    name = "segments"
    verbose_name = _("Segments")

    def ready(self) -> None:
        # Here, because they need the models. Long work is known by what `jobs` registers.
        from contacts.definitions import register_uses
        from contacts.extensions import register_eraser
        from segments import definition_uses, exports, jobs, membership  # noqa: F401
        from workspace import retention

        register_eraser("segments", membership.forget_contacts)
        register_uses("segments", definition_uses.segments_naming)
        retention.register("exports", exports.purge_exports)
