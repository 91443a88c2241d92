"""A short way for events: sessions, languages and messages are for people's pages."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from integrations.ingestion.views import VIEWS


class ShortWay:
    """Answers the addresses of events before the middleware that comes after it.

    It halves what a request costs. The addresses are also among the others, where they do the
    same.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = VIEWS.get(request.path_info[1:])
        return self._get_response(request) if view is None else view(request)
