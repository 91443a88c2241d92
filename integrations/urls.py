"""The addresses of this room that programs use without a key of the API."""

from django.urls import path, re_path

from integrations.bounces import hooks
from integrations.ingestion.views import VIEWS
from integrations.ingestion.webhooks import receive_from_segment

urlpatterns = [
    *(
        path(address, view, name=f"ingest_{address.removeprefix('v1/').rstrip('/')}")
        for address, view in VIEWS.items()
    ),
    re_path(
        r"^webhooks/segment/(?P<key>[A-Za-z0-9][A-Za-z0-9_-]{0,62})/?$",
        receive_from_segment,
        name="webhook_segment",
    ),
    path("hooks/bounces/", hooks.receive_report, name="bounce_report"),
    path("hooks/mail/<str:provider>/", hooks.receive_from_provider, name="mail_provider"),
]
