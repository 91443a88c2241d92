"""What beat does by default, as data. Each round finds what is due; a missed one loses nothing."""

from typing import Any

from celery.schedules import crontab

SCHEDULE: dict[str, dict[str, Any]] = {
    "Take up jobs that nobody does": {
        "task": "workspace.tasks.sweep_jobs",
        "schedule": 15.0,
        "options": {"expires": 60},
    },
    "Refresh segments that are due": {
        "task": "segments.tasks.refresh_due",
        "schedule": 60.0,
        "options": {"expires": 120},
    },
    "Export what is due": {
        "task": "segments.tasks.run_export_schedules",
        "schedule": 60.0,
        "options": {"expires": 120},
    },
    "Delete files of exports whose time is over": {
        "task": "segments.tasks.purge_exports",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "Run actions that are due": {
        "task": "segments.tasks.run_actions",
        "schedule": 30.0,
        "options": {"expires": 60},
    },
    "Send what nobody sent": {
        "task": "integrations.tasks.send_left",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "Synchronize with vendors": {
        "task": "integrations.tasks.sync_due",
        "schedule": 60.0,
        "options": {"expires": 120},
    },
    "Read mails that came back": {
        "task": "integrations.tasks.read_bounces",
        "schedule": 120.0,
        "options": {"expires": 120},
    },
    "Find refreshes that are late": {
        "task": "segments.tasks.find_late_refreshes",
        "schedule": crontab(minute="25"),
    },
    "Compare members with a full evaluation": {
        "task": "segments.tasks.audit_memberships",
        "schedule": crontab(hour="3", minute="45"),
    },
    "Check the health of segments": {
        "task": "segments.tasks.check_segments",
        "schedule": crontab(hour="4", minute="40"),
    },
    "Make next months' partitions": {
        "task": "contacts.tasks.make_partitions",
        "schedule": crontab(hour="1", minute="10"),
    },
    "Compute metrics of all orders": {
        "task": "contacts.tasks.compute_metrics",
        "schedule": crontab(hour="2", minute="25"),
    },
    "Compute metrics of who did something": {
        "task": "contacts.tasks.compute_due_metrics",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    # Where something ever slipped through, it is put right; two hours after that of the night.
    "Compute metrics of everyone anew": {
        "task": "contacts.tasks.compute_metrics_anew",
        "schedule": crontab(hour="4", minute="25", day_of_week="sun"),
    },
    "Expire points and recalculate tiers": {
        "task": "loyalty.tasks.close_points_day",
        "schedule": crontab(hour="0", minute="40"),
    },
    "Book expired gift cards": {
        "task": "loyalty.tasks.expire_cards",
        "schedule": crontab(hour="0", minute="20"),
    },
    "Purge what has expired": {
        "task": "contacts.tasks.purge_expired",
        "schedule": crontab(hour="3", minute="20"),
    },
}
