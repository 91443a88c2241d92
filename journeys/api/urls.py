"""The addresses of journeys and their messages under /api/."""

from rest_framework.routers import SimpleRouter

from journeys.api.test_profile_views import TestProfileViewSet

router = SimpleRouter()
router.register("test-profiles", TestProfileViewSet, basename="test-profile")

urlpatterns = [*router.urls]
