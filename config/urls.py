"""Every address of the product."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from workspace.admin import mail

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/mail/", admin.site.admin_view(mail.mail_list), name="mail_outbox"),
    path(
        "admin/mail/<str:name>/<int:position>/",
        admin.site.admin_view(mail.mail_message),
        name="mail_message",
    ),
    path("admin/", admin.site.urls),
]
