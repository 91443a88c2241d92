"""The screens of the back office itself, and the parts that all rooms' screens share."""

from workspace.admin import (  # noqa: F401  # Importing them registers their screens.
    api_users,
    jobs,
    mail,
    schedules,
    staff,
    trail,
    websites,
)
from workspace.admin.audited import AuditedAdmin
from workspace.admin.buttons import (
    Affected,
    Affects,
    ObjectAction,
    ObjectActionsAdmin,
    object_action,
)
from workspace.admin.jobs import job_context
from workspace.admin.lists import CappedPaginator, ReadOnlyAdmin, estimated_count
from workspace.admin.pages import EmptyState, PagesAdmin, page_context

__all__ = [
    "Affected",
    "Affects",
    "AuditedAdmin",
    "CappedPaginator",
    "EmptyState",
    "ObjectAction",
    "ObjectActionsAdmin",
    "PagesAdmin",
    "ReadOnlyAdmin",
    "estimated_count",
    "job_context",
    "object_action",
    "page_context",
]
