"""Wiring that Django looks for in an app's configuration."""

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """The admin with our site instead of the default one."""

    default_site = "config.site.Site"
