"""The addresses of this room that are neither screens of a model nor the API."""

from django.contrib import admin
from django.urls import path

from loyalty.admin import reports
from loyalty.wallets import wallet_pages

urlpatterns = [
    path("wallet/<str:token>/", wallet_pages.wallet_page, name="wallet"),
    path(
        "admin/loyalty/wallet/<int:contact_id>/withdraw/",
        admin.site.admin_view(wallet_pages.withdraw_view),
        name="loyalty_wallet_withdraw",
    ),
    path(
        "admin/loyalty/reports/",
        admin.site.admin_view(reports.campaigns_page),
        name="loyalty_campaigns",
    ),
    path(
        "admin/loyalty/reports/liability/",
        admin.site.admin_view(reports.liability_page),
        name="loyalty_liability",
    ),
    path(
        "admin/loyalty/reports/attribution/",
        admin.site.admin_view(reports.attribution_page),
        name="loyalty_attribution",
    ),
]
