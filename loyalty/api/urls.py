"""The addresses of this room under /api/."""

from django.urls import re_path

from loyalty.api.views import MemberViewSet

urlpatterns = [
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
