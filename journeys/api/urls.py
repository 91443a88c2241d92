"""The addresses of journeys and their messages under /api/."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from journeys.api.journey_views import KEY, JourneyViewSet, ParticipantViewSet
from journeys.api.message_views import MessageViewSet
from journeys.api.rehearsal_views import AbsenceViewSet, RehearsalViewSet
from journeys.api.return_views import ReturnViewSet
from journeys.api.test_profile_views import TestProfileViewSet
from journeys.api.test_views import JourneyTestViewSet

router = SimpleRouter()
router.register("journeys", JourneyViewSet, basename="journey")
router.register("messages", MessageViewSet, basename="message")
router.register("test-profiles", TestProfileViewSet, basename="test-profile")

_JOURNEY = rf"^journeys/(?P<key>{KEY})/"
urlpatterns = [
    *router.urls,
    re_path(
        rf"{_JOURNEY}participants/$",
        ParticipantViewSet.as_view({"get": "list"}),
        name="journey-participants",
    ),
    re_path(
        rf"{_JOURNEY}participants/bring-back/$",
        ReturnViewSet.as_view({"get": "retrieve", "post": "create"}),
        name="journey-return",
    ),
    re_path(
        rf"{_JOURNEY}participants/(?P<participant_id>\d{{1,18}})/$",
        ParticipantViewSet.as_view({"get": "retrieve"}),
        name="journey-participant",
    ),
    re_path(
        rf"{_JOURNEY}test/$",
        JourneyTestViewSet.as_view({"get": "retrieve", "post": "start"}),
        name="journey-test",
    ),
    *(
        re_path(
            rf"{_JOURNEY}test/{verb}/$",
            JourneyTestViewSet.as_view({"post": verb}),
            name=f"journey-test-{verb}",
        )
        for verb in ("profiles", "trigger", "stop")
    ),
    re_path(
        rf"{_JOURNEY}rehearsals/$",
        RehearsalViewSet.as_view({"get": "list", "post": "create"}),
        name="journey-rehearsals",
    ),
    re_path(
        rf"{_JOURNEY}rehearsals/(?P<rehearsal_id>\d{{1,18}})/$",
        RehearsalViewSet.as_view({"get": "retrieve"}),
        name="journey-rehearsal",
    ),
    re_path(
        rf"{_JOURNEY}explain/(?P<contact_id>\d{{1,18}})/$",
        AbsenceViewSet.as_view({"get": "retrieve"}),
        name="journey-explain",
    ),
]
