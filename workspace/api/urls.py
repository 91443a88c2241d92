"""The addresses of this room under /api/."""

from rest_framework.routers import SimpleRouter

from workspace.api.views import JobViewSet

router = SimpleRouter()
router.register("jobs", JobViewSet, basename="job")

urlpatterns = router.urls
