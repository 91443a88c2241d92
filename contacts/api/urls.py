"""The addresses of this room under /api/."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from contacts.api.definition_views import (
    AttributeViewSet,
    CategoryViewSet,
    ConsentViewSet,
    TagViewSet,
)
from contacts.api.event_views import EventDefinitionViewSet, EventViewSet
from contacts.api.metric_views import MetricViewSet
from contacts.api.part_views import (
    ContactConsentViewSet,
    ContactLabelViewSet,
    ContactMetricViewSet,
)
from contacts.api.views import ContactViewSet
from contacts.labels import Kind

_CONTACT = r"^contacts/(?P<contact_id>\d{1,18})"
_LABELS: dict[str, Kind] = {"tags": "tag", "categories": "category"}

router = SimpleRouter()
router.register("contacts", ContactViewSet, basename="contact")
router.register("attributes", AttributeViewSet, basename="attribute")
router.register("tags", TagViewSet, basename="tag")
router.register("categories", CategoryViewSet, basename="category")
router.register("consents", ConsentViewSet, basename="consent")
router.register("metrics", MetricViewSet, basename="metric")
router.register("event-definitions", EventDefinitionViewSet, basename="event-definition")
router.register("events", EventViewSet, basename="event")

urlpatterns = [
    re_path(
        rf"{_CONTACT}/consents/$",
        ContactConsentViewSet.as_view({"get": "list", "post": "create"}),
        name="contact-consents",
    ),
    re_path(
        rf"{_CONTACT}/metrics/$",
        ContactMetricViewSet.as_view({"get": "list", "put": "replace"}),
        name="contact-metrics",
    ),
    *(
        re_path(
            rf"{_CONTACT}/{plural}/$",
            ContactLabelViewSet.as_view(
                {"get": "list", "put": "replace", "post": "add"}, kind=kind
            ),
            name=f"contact-{plural}",
        )
        for plural, kind in _LABELS.items()
    ),
    *(
        re_path(
            rf"{_CONTACT}/{plural}/(?P<key>[A-Za-z0-9][A-Za-z0-9_-]*)/$",
            ContactLabelViewSet.as_view({"delete": "remove"}, kind=kind),
            name=f"contact-{kind}",
        )
        for plural, kind in _LABELS.items()
    ),
    *router.urls,
]
