"""The addresses of this room under /api/."""

from django.urls import path
from django.utils.translation import gettext_lazy as _
from rest_framework.routers import SimpleRouter

from contacts.filtersets import register_filter
from segments.api.action_views import ActionViewSet
from segments.api.audience_views import AudienceViewSet
from segments.api.contact_views import ContactSegmentViewSet, SegmentFilter
from segments.api.export_views import ExportScheduleViewSet, ExportViewSet
from segments.api.file_views import SegmentFileViewSet
from segments.api.import_views import ImportedSegmentViewSet, ImportViewSet
from segments.api.list_views import FixedListViewSet
from segments.api.rule_event_views import RuleEventViewSet
from segments.api.saved_criteria_views import SavedCriteriaViewSet
from segments.api.views import KEY, SegmentViewSet

register_filter("segment", SegmentFilter(label=_("The key of a segment.")))

router = SimpleRouter()
router.register("segments", SegmentViewSet, basename="segment")
router.register(rf"segments/(?P<key>{KEY})/actions", ActionViewSet, basename="segment-action")
router.register(rf"segments/(?P<key>{KEY})/audiences", AudienceViewSet, basename="segment-audience")
router.register("saved-criteria", SavedCriteriaViewSet, basename="saved-criteria")
router.register("rule-events", RuleEventViewSet, basename="rule-event")
router.register("exports", ExportViewSet, basename="export")
router.register("export-schedules", ExportScheduleViewSet, basename="export-schedule")
router.register(
    r"contacts/(?P<contact_id>\d{1,18})/segments", ContactSegmentViewSet, basename="contact-segment"
)

_files = SegmentFileViewSet.as_view
_imported = ImportedSegmentViewSet.as_view
urlpatterns = [
    # Before the segments, among whose keys it would be looked for.
    path("segments/from-file/", _files({"post": "create"}), name="segment-from-file"),
    path(
        "segments/<slug:key>/file/",
        _files({"get": "retrieve", "post": "replace"}),
        name="segment-file",
    ),
    path(
        "segments/<slug:key>/file/unmatched/",
        _files({"get": "unmatched"}),
        name="segment-file-unmatched",
    ),
    path(
        "imports/<slug:kind>/",
        ImportViewSet.as_view({"get": "offers", "post": "create"}),
        name="segment-imports",
    ),
    path("segments/<slug:key>/import/", _imported({"get": "retrieve"}), name="segment-import"),
    path("segments/<slug:key>/import/sync/", _imported({"post": "sync"}), name="segment-sync"),
    path("segments/<slug:key>/import/stop/", _imported({"post": "stop"}), name="segment-stop"),
    path(
        "segments/<slug:key>/import/skipped/",
        _imported({"get": "skipped"}),
        name="segment-skipped",
    ),
    path(
        "segments/<slug:key>/list/",
        FixedListViewSet.as_view({"post": "create"}),
        name="segment-list-of",
    ),
    *router.urls,
]
