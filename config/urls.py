"""Every address of the product."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.decorators.http import require_POST
from django.views.generic import RedirectView

from config import health
from config.demo import screens
from workspace.admin import mail
from workspace.api.problems import unknown_address

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/mail/", admin.site.admin_view(mail.mail_list), name="mail_outbox"),
    path(
        "admin/mail/<str:name>/<int:position>/",
        admin.site.admin_view(mail.mail_message),
        name="mail_message",
    ),
    path(
        "admin/demo/remove/",
        admin.site.admin_view(require_POST(screens.remove_view)),
        name="demo_remove",
    ),
    path("", include("loyalty.urls")),
    path("", include("journeys.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("config.api")),
    re_path(r"^api\Z", unknown_address),
    path("", include("integrations.urls")),
    path("", include("loyalty.voucherify.urls")),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
]

handler400 = "config.health.bad_request"
handler403 = "config.health.forbidden"
handler404 = "config.health.not_found"
handler500 = "config.health.server_error"
