"""The addresses of journeys and their messages under /api/."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from journeys.api.journey_views import KEY, JourneyViewSet, ParticipantViewSet
from journeys.api.message_views import MessageViewSet
from journeys.api.test_profile_views import TestProfileViewSet

router = SimpleRouter()
router.register("journeys", JourneyViewSet, basename="journey")
router.register("messages", MessageViewSet, basename="message")
router.register("test-profiles", TestProfileViewSet, basename="test-profile")

_PARTICIPANTS = rf"^journeys/(?P<key>{KEY})/participants/"
urlpatterns = [
    *router.urls,
    re_path(
        rf"{_PARTICIPANTS}$",
        ParticipantViewSet.as_view({"get": "list"}),
        name="journey-participants",
    ),
    re_path(
        rf"{_PARTICIPANTS}(?P<participant_id>\d{{1,18}})/$",
        ParticipantViewSet.as_view({"get": "retrieve"}),
        name="journey-participant",
    ),
]
