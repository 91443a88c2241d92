"""Metrics in the API: what is kept of each contact, and what Regulars computes by a formula."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from contacts import definitions, metric_definitions
from contacts.api.definition_views import DefinitionViewSet, permissions_of
from contacts.api.metric_serializers import (
    PARTS,
    MetricChangeSerializer,
    MetricSerializer,
    NewMetricSerializer,
)
from contacts.definitions import Kind
from contacts.errors import DefinitionInvalid
from contacts.formulas import Formula, formula_of
from contacts.models import MetricDefinition
from contacts.orders import orders
from workspace.errors import Problem

_NAMES = {part: name for name, part in PARTS.items()}
_LABELLED = frozenset({"key", "label", "description"})


@extend_schema_view(
    list=extend_schema(responses=MetricSerializer(many=True)),
    create=extend_schema(request=NewMetricSerializer, responses={201: MetricSerializer}),
    retrieve=extend_schema(responses=MetricSerializer),
    partial_update=extend_schema(request=MetricChangeSerializer, responses=MetricSerializer),
    destroy=extend_schema(responses={204: None}),
)
class MetricViewSet(DefinitionViewSet):
    """Metrics."""

    kind = Kind.METRIC
    queryset = MetricDefinition.objects.all()
    serializer_class = MetricSerializer
    change_serializer_class = MetricChangeSerializer
    permissions = permissions_of("metricdefinition")

    def get_queryset(self) -> "QuerySet[Any]":
        known: QuerySet[Any] = MetricDefinition.objects.select_related("computed__ranked__computed")
        return known

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        # Who writes the document of the interface has no database.
        if getattr(self, "swagger_fake_view", False):
            return context
        # Looked up once for all of a page.
        return {**context, "orders": orders()}

    def create(self, request: Request) -> Response:
        """Define one: that others write, or with `computed` one that is computed from now on."""
        given = self.read(NewMetricSerializer)
        formula = given.pop("computed", None)
        if formula is None:
            metric = definitions.create_definition(
                self.kind,
                values={"type": "number"} | given,
                actor=self.actor,
                at=timezone.now(),
            )
            return self._answer(metric.key, status=201)
        upload_name = formula.pop("upload_name", "")
        wanted = Formula(**_parts(formula))
        type_ = given.pop("type", wanted.type)
        with _as_here():
            if type_ != wanted.type:
                message = _("This function gives values of the type “%(type)s”.")
                problem = Problem("type", "wrong_type", message % {"type": wanted.type})
                raise DefinitionInvalid(problem.message, problems=[problem])
            metric = metric_definitions.define_metric(
                **given,
                formula=wanted,
                upload_name=upload_name,
                actor=self.actor,
                at=timezone.now(),
            )
        return self._answer(metric.key, status=201)

    def retrieve(self, request: Request, key: str) -> Response:
        """One of them."""
        return self._answer(key)

    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names, also of `computed`."""
        metric = definitions.find_definition(self.kind, key)
        assert isinstance(metric, MetricDefinition)
        given = self.read(MetricChangeSerializer)
        named = given.pop("computed", {})
        upload_name = named.pop("upload_name", None)
        before = formula_of(metric.computed) if metric.is_computed else None
        formula = None
        if named:
            empty = Formula(function=named.get("function", ""))
            formula = replace(before or empty, **_parts(named))
        with _as_here():
            metric_definitions.change_metric(
                key,
                values=given,
                formula=formula,
                upload_name=upload_name,
                actor=self.actor,
                at=timezone.now(),
            )
        return self._answer(key)

    def _answer(self, key: str, *, status: int = 200) -> Response:
        # Found by the room, which says what is missing; then with all that is shown of it.
        metric = definitions.find_definition(self.kind, key)
        shown = self.get_queryset().get(pk=metric.pk)
        return Response(self.shape(MetricSerializer, shown), status=status)


def _parts(given: Mapping[str, Any]) -> dict[str, Any]:
    return {PARTS.get(name, name): value for name, value in given.items()}


@contextmanager
def _as_here() -> Iterator[None]:
    """Name the faults of a formula as the body names its parts."""
    try:
        yield
    except DefinitionInvalid as error:
        own = {*_LABELLED, "type"}
        problems = [
            problem
            if problem.path in own
            else replace(problem, path=f"computed.{_NAMES.get(problem.path, problem.path)}")
            for problem in error.problems
        ]
        raise DefinitionInvalid(str(error), problems=problems) from error
