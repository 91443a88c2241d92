"""What every view of the API has in common, and the jobs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from workspace import jobs
from workspace.access import Actor, actor_of, may_cancel, may_read_files, visible_jobs
from workspace.api import idempotency, limits, pages, parsing
from workspace.api.permissions import ANYBODY, check
from workspace.api.serializers import EmptySerializer, JobSerializer, job_address
from workspace.errors import DomainError
from workspace.filtersets import JobFilterSet
from workspace.job_files import rejected_file
from workspace.keys import note_use
from workspace.models import ApiUser, Job

_SAFE = {"GET", "HEAD", "OPTIONS"}


class _Replayed(Exception):
    """Ends a request whose answer was given before."""

    def __init__(self, answer: idempotency.Answer) -> None:
        super().__init__()
        self.answer = answer


class ApiViewSet(GenericViewSet[Any]):
    """A resource: who may do what, which query parameters it knows, one transaction a request.

    A request that writes runs in one transaction, which is rolled back when it fails: nothing is
    half done. Of a refusal that was recorded (`DomainError.is_recorded`) the record stays.
    `unwrapped` names the actions that write nothing or commit by themselves; `committing` those of
    the latter that have their effect once all the same (see `idempotency.claim`), as what asks
    another system before it writes.
    """

    permissions: ClassVar[Mapping[str, str]] = {}
    orderings: pages.Orderings = pages.BY_ID
    action_orderings: ClassVar[Mapping[str, pages.Orderings]] = {}
    query_names: ClassVar[Mapping[str, Iterable[str]]] = {}
    unwrapped: ClassVar[frozenset[str]] = frozenset()
    committing: ClassVar[frozenset[str]] = frozenset()
    uploads: ClassVar[frozenset[str]] = frozenset()
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    content_negotiation_class = parsing.AlwaysJSON

    _claim: idempotency.Claim | None = None
    _is_recorded = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        handler = self.action_map.get((request.method or "").lower())
        is_alone = handler in self.unwrapped or handler in self.committing
        if request.method in _SAFE or handler is None or is_alone:
            response = super().dispatch(request, *args, **kwargs)
        else:
            with transaction.atomic():
                response = super().dispatch(request, *args, **kwargs)
                if response.status_code >= 400 and not self._is_recorded:
                    transaction.set_rollback(True)
        if isinstance(api_user := getattr(self.request, "_auth", None), ApiUser):
            note_use(api_user, at=timezone.now())
        return response

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        handler = self.action_map.get((request.method or "").lower())
        if handler in self.uploads:
            self.parser_classes = [parsing.UploadParser]
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action in self.uploads:
            parsing.expect_file(request._request)
        super().initial(request, *args, **kwargs)
        self._check_address(request, kwargs)
        if self.action not in self.uploads and request.method not in _SAFE:
            parsing.read_body(request._request)
        if self._is_guarded(request):
            self._claim_key(request)

    def check_permissions(self, request: Request) -> None:
        # Counted first: who is refused has asked, too.
        if isinstance(request.auth, ApiUser):
            limits.count_request(request.auth)
        super().check_permissions(request)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, _Replayed):
            return HttpResponse(  # type: ignore[return-value]
                exc.answer.body,
                status=exc.answer.status,
                content_type="application/json",
                headers={"Idempotency-Replayed": "true"},
            )
        if isinstance(exc, DomainError) and exc.is_recorded:
            self._is_recorded = True
            if self._claim is not None:
                self._claim.let_go()
        return super().handle_exception(exc)

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]  # any response will do
        # What one may see is nothing for a cache in between.
        final.headers.setdefault("Cache-Control", "no-store")
        if self._claim is not None and final.status_code < 400:
            body = b"" if final.data is None else parsing.write_json(final.data)
            self._claim.settle(status=final.status_code, body=body)
        elif self._claim is not None and self.action in self.committing:
            self._claim.let_go()
        return final

    @property
    def actor(self) -> Actor:
        """Who sent the request."""
        return actor_of(self.request)

    def read(self, serializer: type[BaseSerializer[Any]], **options: Any) -> Any:
        """What the body says, in the shape of `serializer`. Raises ValidationError."""
        reader = serializer(
            data=self.request.data, context=self.get_serializer_context(), **options
        )
        reader.is_valid(raise_exception=True)
        return reader.validated_data

    def read_object(self) -> dict[str, Any]:
        """The body, which has to be an object. Raises ValidationError."""
        if not isinstance(self.request.data, dict):
            raise ValidationError([ErrorDetail(_("The body must be an object."), code="malformed")])
        return self.request.data

    def read_nothing(self) -> None:
        """Raise ValidationError where the body says anything: here it has nothing to say."""
        self.read(EmptySerializer)

    def page(
        self, rows: "QuerySet[Any]", describe: Callable[[Sequence[Any]], Sequence[Any]]
    ) -> Response:
        """One page of `rows`, each as `describe` says it for all rows of the page at once."""
        paginator = pages.KeysetPagination()
        found = paginator.page(rows, self.request, pages.orderings_of(self))
        return paginator.get_paginated_response(describe(found))

    def ordering(self) -> str:
        """The name of the order that the request asks for. Raises ValidationError."""
        return pages.ordering_name(self.request, pages.orderings_of(self))

    def walk(
        self,
        fetch: Callable[[pages.Place | None, bool, int], list[Any]],
        place_of: Callable[[Any], pages.Place],
        describe: Callable[[Any], Any],
    ) -> Response:
        """One page of what a room pages by itself (see `KeysetPagination.walk`)."""
        paginator = pages.KeysetPagination()
        found = paginator.walk(self.request, fetch, place_of, ordering=self.ordering())
        return paginator.get_paginated_response([describe(row) for row in found])

    def shape(self, serializer: type[BaseSerializer[Any]], thing: Any) -> Any:
        """`thing` as `serializer` shows it."""
        return serializer(thing, context=self.get_serializer_context()).data

    def shapes(
        self, serializer: type[BaseSerializer[Any]]
    ) -> Callable[[Sequence[Any]], Sequence[Any]]:
        """What `page` needs to show rows as `serializer` shows them."""
        context = self.get_serializer_context()
        return lambda rows: serializer(rows, many=True, context=context).data

    def started(self, job: Job) -> Response:
        """202 and where to watch the work."""
        return Response({"job": job_address(job, self.request)}, status=202)

    def _is_guarded(self, request: Request) -> bool:
        has_key = "Idempotency-Key" in request.headers
        return has_key and request.method == "POST" and self.action not in self.unwrapped

    def _claim_key(self, request: Request) -> None:
        said = request.data
        if self.action in self.uploads:
            files = {name: file.sha256 for name, file in request.FILES.items()}
            said = {name: files.get(name) or request.POST.getlist(name) for name in request.data}
        # In the transaction of the request, or in one of its own.
        with transaction.atomic():
            answer = idempotency.claim(
                owner=self.actor.name,
                key=request.headers["Idempotency-Key"],
                request=idempotency.request_hash(
                    request.method or "", request.get_full_path(), parsing.canonical_json(said)
                ),
                at=timezone.now(),
            )
        if isinstance(answer, idempotency.Answer):
            raise _Replayed(answer)
        self._claim = answer

    def _check_address(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        if any("\x00" in str(value) for value in kwargs.values()):
            raise Http404
        known = self._known_names()
        faults: dict[str, list[ErrorDetail]] = {}
        for name, values in request.query_params.lists():
            if name not in known:
                message = _("There is no such query parameter here. There are: %(known)s.")
                listed = ", ".join(sorted(known)) or "–"
                fault = ErrorDetail(message % {"known": listed}, code="unknown_parameter")
                faults[name.replace("\x00", "")] = [fault]
            elif any("\x00" in value for value in values):
                fault = ErrorDetail(_("It has a NUL character."), code="malformed")
                faults[name] = [fault]
        if faults:
            raise ValidationError(faults)

    def _known_names(self) -> set[str]:
        names = set(self.query_names.get(self.action or "", ()))
        is_list = self.action == "list" or self.action in self.action_orderings
        if is_list:
            names |= pages.NAMES
            if len(pages.orderings_of(self)) > 1:
                names.add("ordering")
        if self.action == "list" and (filterset := getattr(self, "filterset_class", None)):
            names |= set(filterset.base_filters)
        return names


class JobViewSet(ApiViewSet):
    """Long work: what was started, how far it is, what came of it.

    Everybody sees the work he started; who may read the workspace sees all.
    """

    queryset = Job.objects.all()
    serializer_class = JobSerializer
    filterset_class = JobFilterSet
    orderings = pages.NEWEST_FIRST
    lookup_value_regex = r"\d{1,18}"
    permissions = {
        "list": ANYBODY,
        "retrieve": ANYBODY,
        "rejected": ANYBODY,
        "cancel": ANYBODY,
    }

    def get_queryset(self) -> "QuerySet[Job]":
        return visible_jobs(self.actor)

    def list(self, request: Request) -> Response:
        """The jobs one may see, newest first."""
        return self.page(self.filter_queryset(self.get_queryset()), self.shapes(JobSerializer))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One job."""
        return Response(self.shape(JobSerializer, self.get_object()))

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def rejected(self, request: Request, pk: str) -> Any:
        """The rows of a file that the job could not use, each with the reason, as CSV."""
        job = self.get_object()
        file = rejected_file(job)
        if file is None or not may_read_files(job, self.actor):
            raise Http404
        return FileResponse(file.open("rb"), as_attachment=True, content_type="text/csv")

    @extend_schema(request=None, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a job: at once if it waits, else as soon as its worker notices."""
        self.read_nothing()
        job = self.get_object()
        if not may_cancel(job, self.actor):
            check(self.actor, "workspace.change_job")
        job = jobs.cancel(job, actor=self.actor, at=timezone.now())
        return Response(self.shape(JobSerializer, job))
