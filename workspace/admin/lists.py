"""Lists over tables that may hold millions of rows, and lists that only show."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin

from workspace import sql

COUNT_LIMIT = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts to a limit and no further, so that a list costs the same over any number of rows."""

    template_name = "workspace/pagination.html"

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[: COUNT_LIMIT + 1].count())

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than were counted."""
        return self.count > COUNT_LIMIT


def estimated_count(model: type[Model]) -> int:
    """About how many rows a table has, from the server's statistics; exact where it is small.

    Partitions count with their parent.
    """
    table = model._meta.db_table
    estimate = sql.one(
        "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class WHERE oid IN"
        " (SELECT %s::regclass UNION ALL SELECT relid FROM pg_partition_tree(%s::regclass)"
        " WHERE isleaf AND relid <> %s::regclass)",
        [table, table, table],
    )
    if estimate > COUNT_LIMIT:
        return int(estimate)
    counted = model._base_manager.order_by().values("pk")[: COUNT_LIMIT + 1].count()
    return max(int(counted), int(estimate)) if counted > COUNT_LIMIT else int(counted)


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows that nobody edits by hand."""

    actions = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
