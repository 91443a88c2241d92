"""All addresses under /api/, floor by floor, the document that describes them, and the rest."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from contacts.api import urls as contacts_urls
from integrations.api import urls as integrations_urls
from journeys.api import urls as journeys_urls
from loyalty.api import urls as loyalty_urls
from segments.api import urls as segments_urls
from workspace.api import urls as workspace_urls
from workspace.api.problems import unknown_address

app_name = "api"

urlpatterns = [
    *workspace_urls.urlpatterns,
    *contacts_urls.urlpatterns,
    *integrations_urls.urlpatterns,
    *segments_urls.urlpatterns,
    *loyalty_urls.urlpatterns,
    *journeys_urls.urlpatterns,
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
    re_path("", unknown_address),
]
