"""The screens about segments, and what segments add to the screens about contacts."""

from segments.admin import (  # noqa: F401  # They register screens.
    action_list,
    export_schedules,
    exporting,
    imported_panel,
    on_contacts,
    rule_events,
    saved_criteria,
    segments,
)
