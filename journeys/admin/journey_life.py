"""The buttons of a journey's life: published, paused, closed, stopped, copied, deleted."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from journeys import journeys, publishing
from journeys.admin.canvas import address_of
from journeys.admin.journey_badges import of_stopping, what_publishing_does, what_stopping_does
from journeys.errors import DrawingInvalid
from journeys.models import Journey
from workspace.access import actor_of
from workspace.admin import ObjectActionsAdmin, object_action

State = Journey.State
_PUBLISH = "journeys.publish_journey"


def _is(*states: State) -> Any:
    return lambda journey: journey.state in states


class JourneyLife(ObjectActionsAdmin):
    """Each button calls one verb, after a dialog that says what it does."""

    @object_action(
        gettext_lazy("Publish"),
        permission=_PUBLISH,
        icon="rocket_launch",
        variant="primary",
        consequence=what_publishing_does,
        is_offered=_is(State.DRAFT, State.LIVE, State.PAUSED),
    )
    def publish(self, request: HttpRequest, journey: Journey) -> HttpResponse | str:
        try:
            version = publishing.publish(journey, actor=actor_of(request), at=timezone.now())
        except DrawingInvalid as refused:
            self.message_user(request, str(refused), messages.ERROR)
            page = "change" if journey.state == State.DRAFT else "draft"
            return HttpResponseRedirect(address_of(page, journey))
        words = {"name": journey, "version": version.number}
        return _("“%(name)s” is published as version %(version)d.") % words

    @object_action(
        gettext_lazy("Pause"),
        permission=_PUBLISH,
        icon="pause_circle",
        consequence=gettext_lazy(
            "Nobody enters, moves on or is sent anything until it is resumed. What becomes due"
            " meanwhile is done then."
        ),
        is_offered=_is(State.LIVE),
    )
    def pause(self, request: HttpRequest, journey: Journey) -> str:
        publishing.pause(journey, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is paused.") % {"name": journey}

    @object_action(
        gettext_lazy("Resume"),
        permission=_PUBLISH,
        icon="play_circle",
        variant="primary",
        consequence=gettext_lazy(
            "Contacts enter again, and what became due while it was paused is done now."
        ),
        is_offered=_is(State.PAUSED),
    )
    def resume(self, request: HttpRequest, journey: Journey) -> str:
        publishing.resume(journey, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” goes on.") % {"name": journey}

    @object_action(
        gettext_lazy("Close to new entrances"),
        permission=_PUBLISH,
        icon="door_front",
        consequence=gettext_lazy(
            "Nobody enters any more; who is inside goes on to the end. It cannot be opened again:"
            " then it is copied."
        ),
        is_offered=_is(State.LIVE, State.PAUSED),
    )
    def close(self, request: HttpRequest, journey: Journey) -> str:
        publishing.close(journey, actor=actor_of(request), at=timezone.now())
        return _("Nobody enters “%(name)s” any more.") % {"name": journey}

    @object_action(
        gettext_lazy("Stop"),
        permission=_PUBLISH,
        icon="stop_circle",
        variant="danger",
        consequence=what_stopping_does,
        affects=of_stopping,
        confirm=gettext_lazy("Stop and take everybody out"),
        is_offered=_is(State.LIVE, State.PAUSED, State.CLOSED),
    )
    def stop(self, request: HttpRequest, journey: Journey) -> str:
        publishing.stop(journey, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is stopped.") % {"name": journey}

    @object_action(
        gettext_lazy("Copy"),
        permission="journeys.add_journey",
        icon="content_copy",
        consequence=lambda journey: (
            _("A new draft with the drawing and the settings of “%(name)s”.") % {"name": journey}
        ),
    )
    def copy(self, request: HttpRequest, journey: Journey) -> HttpResponse:
        made = journeys.copy_journey(journey, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("This is the copy: “%(name)s”.") % {"name": made})
        return HttpResponseRedirect(self.page_of(request, made))

    @object_action(
        gettext_lazy("Delete"),
        permission="journeys.delete_journey",
        icon="delete",
        variant="danger",
        consequence=gettext_lazy("The draft is gone for good. It was never published."),
        is_offered=_is(State.DRAFT),
    )
    def remove(self, request: HttpRequest, journey: Journey) -> HttpResponse:
        journeys.delete_journey(journey, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” was deleted.") % {"name": journey})
        return HttpResponseRedirect(reverse("admin:journeys_journey_changelist"))
