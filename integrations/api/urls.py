"""The addresses of this room under /api/."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from integrations.api.connection_views import ConnectionViewSet
from integrations.api.push_views import ContactPushSubscriptionViewSet, PushConnectionViewSet
from integrations.api.suppression_views import SuppressionViewSet
from integrations.api.template_views import TemplateViewSet
from integrations.api.upload_views import UploadViewSet
from integrations.api.views import HeldEventViewSet, ReceivedEventViewSet, SourceViewSet
from integrations.api.webhook_views import DeliveryViewSet, WebhookViewSet

_CONTACT = r"^contacts/(?P<contact_id>\d{1,18})/push-subscriptions"
_SOURCE = r"^sources/(?P<key>[A-Za-z0-9][A-Za-z0-9_-]{0,62})"

router = SimpleRouter()
router.register("connections", ConnectionViewSet, basename="connection")
router.register(
    r"connections/(?P<connection_id>\d{1,18})/uploads", UploadViewSet, basename="connection-upload"
)
router.register("sources", SourceViewSet, basename="source")
router.register("suppressions", SuppressionViewSet, basename="suppression")
router.register("templates", TemplateViewSet, basename="template")
router.register("push-connections", PushConnectionViewSet, basename="push-connection")
router.register("webhooks", WebhookViewSet, basename="webhook")
router.register("deliveries", DeliveryViewSet, basename="delivery")

urlpatterns = [
    re_path(
        rf"{_CONTACT}/$",
        ContactPushSubscriptionViewSet.as_view({"get": "list"}),
        name="contact-push-subscriptions",
    ),
    re_path(
        rf"{_CONTACT}/(?P<pk>\d{{1,18}})/$",
        ContactPushSubscriptionViewSet.as_view({"delete": "remove"}),
        name="contact-push-subscription",
    ),
    re_path(
        rf"{_SOURCE}/events/$", ReceivedEventViewSet.as_view({"get": "list"}), name="source-events"
    ),
    re_path(rf"{_SOURCE}/held/$", HeldEventViewSet.as_view({"get": "list"}), name="source-held"),
    *(
        re_path(
            rf"{_SOURCE}/held/{verb}/$",
            HeldEventViewSet.as_view({"post": verb}),
            name=f"source-held-{verb}",
        )
        for verb in ("replay", "dismiss")
    ),
    *router.urls,
]
