"""The addresses of this room under /api/."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from loyalty.api.mechanism_views import EligibilityViewSet, MechanismViewSet
from loyalty.api.views import MemberViewSet

router = SimpleRouter()
router.register("mechanisms", MechanismViewSet, basename="mechanism")
router.register(
    r"contacts/(?P<contact_id>\d{1,18})/eligibility", EligibilityViewSet, basename="eligibility"
)

urlpatterns = [
    *router.urls,
    re_path(
        r"^members/(?P<contact_id>\d{1,18})/$",
        MemberViewSet.as_view(
            {
                "get": "retrieve",
                "put": "update",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
        name="member",
    ),
]
