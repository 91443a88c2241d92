"""The addresses of this room that programs use without a key of the API."""

from django.urls import path, re_path

from integrations.bounces import hooks
from integrations.ingestion.views import VIEWS
from integrations.ingestion.webhooks import receive_from_segment
from integrations.push import views as push

urlpatterns = [
    path("push/key", push.key, name="push_key"),
    path("push/opened", push.opened, name="push_opened"),
    path("push/subscribe", push.subscribe, name="push_subscribe"),
    path("push/unsubscribe", push.unsubscribe, name="push_unsubscribe"),
    *(
        path(f"push/{name}", push.script, {"name": name}, name=f"push_{name.split('.')[0]}")
        for name in push.SCRIPTS
    ),
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
