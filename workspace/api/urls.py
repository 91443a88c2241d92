"""The addresses of this room under /api/."""

from rest_framework.routers import SimpleRouter

from workspace.api.views import JobViewSet
from workspace.api.website_views import WebsiteViewSet

router = SimpleRouter()
router.register("jobs", JobViewSet, basename="job")
router.register("websites", WebsiteViewSet, basename="website")

urlpatterns = router.urls
