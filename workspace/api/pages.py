"""Lists in pages by key, not by offset: page ten thousand costs what page one costs."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError as FieldInvalid
from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

if TYPE_CHECKING:
    # It imports this module, by the name in the settings.
    from rest_framework.views import APIView

SIZE = 100
SIZE_LIMIT = 1000
NAMES = frozenset({"page_size", "cursor"})


@dataclass(frozen=True, slots=True)
class Ordering:
    """Columns that together are unique and never null, all in one direction."""

    columns: tuple[str, ...]
    is_descending: bool = False


# Where a row stands: the texts of its columns in an ordering.
Place = tuple[str, ...]
Orderings = Mapping[str, Ordering]
BY_ID: Orderings = {"id": Ordering(("id",)), "-id": Ordering(("id",), is_descending=True)}
NEWEST_FIRST: Orderings = {
    "-id": Ordering(("id",), is_descending=True),
    "id": Ordering(("id",)),
}


@dataclass(frozen=True, slots=True)
class _Cursor:
    """A place in a list: the rows after it, or before it, in one ordering."""

    ordering: str
    is_backward: bool
    place: Place

    def encode(self) -> str:
        parts = [self.ordering, int(self.is_backward), *self.place]
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "_Cursor":
        """Raises ValueError for a text that is none of ours."""
        padded = text + "=" * (-len(text) % 4)
        try:
            parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, RecursionError) as error:
            raise ValueError(text) from error
        if not isinstance(parts, list) or len(parts) < 3:
            raise ValueError(text)
        ordering, is_backward, *values = parts
        if not all(isinstance(part, str) for part in (ordering, *values)):
            raise ValueError(text)
        if is_backward not in (0, 1) or any("\x00" in value for value in values):
            raise ValueError(text)
        return cls(ordering, bool(is_backward), tuple(values))


class KeysetPagination(BasePagination):
    """`{"next", "previous", "results"}`; the view names its orderings, the first is the default."""

    def paginate_queryset(
        self, queryset: Any, request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        return self.page(queryset, request, orderings_of(view))

    def page(self, queryset: "QuerySet[Any]", request: Request, orderings: Orderings) -> list[Any]:
        """The rows of the page that `request` asks for. Raises ValidationError for a bad one."""
        name = ordering_name(request, orderings)
        ordering = orderings[name]

        def fetch(place: Place | None, is_backward: bool, limit: int) -> list[Any]:
            is_descending = ordering.is_descending != is_backward
            rows = queryset.order_by(*(f"-{c}" if is_descending else c for c in ordering.columns))
            if place is not None:
                lookup = TupleLessThan if is_descending else TupleGreaterThan
                columns = Tuple(*(F(column) for column in ordering.columns))
                rows = rows.filter(lookup(columns, _values(queryset.model, ordering, place)))
            return list(rows[:limit])

        def place_of(row: Any) -> Place:
            found = (getattr(row, column) for column in ordering.columns)
            return tuple(v.isoformat() if isinstance(v, datetime) else str(v) for v in found)

        return self.walk(request, fetch, place_of, ordering=name)

    def walk(
        self,
        request: Request,
        fetch: Callable[[Place | None, bool, int], list[Any]],
        place_of: Callable[[Any], Place],
        *,
        ordering: str = "",
    ) -> list[Any]:
        """The rows of the page that `request` asks for, from a room that pages by itself.

        `fetch` gets a place, whether to go backward from it, and how many rows at most; it gives
        them in the order of walking. It raises ValueError for a place that is none of its own.
        """
        size = _size(request)
        cursor = _cursor(request, ordering)
        is_backward = cursor is not None and cursor.is_backward
        try:
            found = fetch(cursor.place if cursor else None, is_backward, size + 1)
        except ValueError as error:
            if cursor is None:
                raise
            raise _bad_cursor() from error
        has_more, found = len(found) > size, found[:size]
        if is_backward:
            found.reverse()
        self._address = request.build_absolute_uri()
        self._next = self._previous = None
        if found and (has_more or is_backward):
            self._next = _Cursor(ordering, False, place_of(found[-1]))
        if found and (has_more if is_backward else cursor is not None):
            self._previous = _Cursor(ordering, True, place_of(found[0]))
        return found

    def get_paginated_response(self, data: Any) -> Response:
        links = {"next": self._link(self._next), "previous": self._link(self._previous)}
        return Response({**links, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        orderings = list(orderings_of(view))
        parameters = [
            _parameter(
                "page_size",
                _("How many results a page has at most."),
                {"type": "integer", "minimum": 1, "maximum": SIZE_LIMIT, "default": SIZE},
            ),
            _parameter(
                "cursor",
                _("A place in the list, as `next` and `previous` have it."),
                {"type": "string"},
            ),
        ]
        if len(orderings) > 1:
            schema = {"type": "string", "enum": orderings, "default": orderings[0]}
            parameters.append(_parameter("ordering", _("The order of the results."), schema))
        return parameters

    def _link(self, cursor: _Cursor | None) -> str | None:
        if cursor is None:
            return None
        return str(replace_query_param(self._address, "cursor", cursor.encode()))


def orderings_of(view: Any) -> Orderings:
    """The orderings that a view offers for the list that its action gives."""
    by_action: Mapping[str, Orderings] = getattr(view, "action_orderings", {})
    orderings: Orderings = by_action.get(getattr(view, "action", ""), view.orderings)
    return orderings


def fault(path: str, code: str, message: str) -> ValidationError:
    """A refusal of one query parameter."""
    return ValidationError({path: [ErrorDetail(message, code=code)]})


def _size(request: Request) -> int:
    text = request.query_params.get("page_size", str(SIZE))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= SIZE_LIMIT:
        message = _("page_size is a whole number from 1 to %(limit)d.") % {"limit": SIZE_LIMIT}
        raise fault("page_size", "bad_page_size", message)
    return int(text)


def ordering_name(request: Request, orderings: Orderings) -> str:
    """Which of the orderings a request asks for. Raises ValidationError for one that is none."""
    name = request.query_params.get("ordering") or next(iter(orderings))
    if name not in orderings:
        message = _("ordering is one of: %(known)s.") % {"known": ", ".join(orderings)}
        raise fault("ordering", "bad_ordering", message)
    return name


def _cursor(request: Request, ordering: str) -> _Cursor | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        cursor = _Cursor.decode(text)
    except ValueError as error:
        raise _bad_cursor() from error
    if cursor.ordering != ordering:
        raise _bad_cursor()
    return cursor


def _values(model: type[Model], ordering: Ordering, place: Place) -> tuple[Any, ...]:
    values = []
    for column, text in zip(ordering.columns, place, strict=True):
        field: Any = model._meta.get_field(column)
        try:
            value = field.to_python(text)
            field.run_validators(value)
        except (FieldInvalid, OverflowError) as error:
            raise ValueError(text) from error
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError(text)
        values.append(value)
    return tuple(values)


def _bad_cursor() -> ValidationError:
    message = _("This cursor does not belong to this list. Follow next and previous as given.")
    return fault("cursor", "bad_cursor", message)


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }
