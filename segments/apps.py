from datetime import timedelta

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SegmentsConfig(AppConfig):
    """Criteria and who satisfies them."""

    name = "segments"
    verbose_name = _("Segments")

    def ready(self) -> None:
        # Here, because they need the models. Long work is known by what `jobs` registers.
        from contacts import touches
        from contacts.definitions import register_uses
        from contacts.extensions import register_eraser, register_merger
        from integrations.vendors import registry
        from integrations.vendors.importers import importing_kinds
        from integrations.vendors.list_keepers import list_keeping_kinds
        from segments import (
            action_runs,
            action_undo,
            actions,
            announcements,
            contact_lists,
            definition_uses,
            derivation,
            event_uses,
            export_schedules,
            exports,
            files,
            history,
            jobs,  # noqa: F401
            lifecycle,
            masks,
            membership,
            merging,
            rule_events,
            saved_criteria,
            schedule,
            thing_uses,
            timeline,
            uses,  # noqa: F401
        )
        from segments.audiences import audiences, mirroring
        from segments.audiences import members as audience_members
        from segments.imported import staging, syncing
        from segments.models import Export, ExportSchedule, SavedCriteria, Segment
        from segments.realtime import audit, clock, following
        from workspace import access, retention, traces, user_groups
        from workspace.rounds import register_round
        from workspace.user_groups import Entity

        timeline.register()
        announcements.register()
        audit.register()
        register_round(
            "follow",
            following.follow,
            channel=touches.CHANNEL,
            every=timedelta(seconds=1),
            place=30,
        )
        register_round("clock", clock.tick, channel=clock.CHANNEL, every=clock.EVERY, place=40)
        register_eraser("segments", membership.forget_contacts)
        register_eraser("segment_lists", contact_lists.forget_contacts)
        register_eraser("imported_segments", staging.forget_contacts)
        for kind in importing_kinds():
            for sync in syncing.SYNCS:
                registry.register_sync(kind, sync)
        for kind in list_keeping_kinds():
            registry.register_sync(kind, mirroring.AUDIENCES)
        audiences.register()
        register_eraser("audiences", audience_members.forget_contacts)
        register_eraser("segment_actions", actions.forget_contacts)
        register_merger("segments", merging.merge_memberships)
        register_merger("segment_lists", merging.merge_lists)
        register_merger("segment_actions", merging.merge_undoable_changes)
        register_uses("segments", definition_uses.segments_naming)
        register_uses("segment_actions", actions.actions_naming)
        history.on_calculated("actions", action_runs.follow_calculation)
        register_uses("saved_criteria", definition_uses.saved_criteria_naming)
        event_uses.register()
        thing_uses.register()
        rule_events.register()
        derivation.register()
        retention.register("exports", exports.purge_exports)
        retention.register("unmatched", files.purge_unmatched)
        retention.register("segment_actions", action_undo.purge_changes)
        user_groups.register_things(Entity.SEGMENT, Segment, list_filter="group")
        user_groups.register_things(Entity.SEGMENT, SavedCriteria)
        user_groups.register_things(Entity.EXPORT, Export, is_open=False)
        user_groups.register_things(Entity.EXPORT, ExportSchedule, is_open=False)
        access.register_subject("segment", lifecycle.known_segments)
        access.register_subject("saved_criteria", saved_criteria.known_saved_criteria)
        traces.register_mask("segments", lambda actor: masks.Mask(actor).of)
        traces.register_schedule(schedule.TASK, "segment")
        access.register_subject("segment_action", actions.known_actions)
        access.register_subject("export", exports.exports_of_known_segments)
        access.register_subject("export_schedule", export_schedules.known_schedules)
