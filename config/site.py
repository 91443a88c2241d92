"""The admin site: its title and its first page. Imports no screens: they register here."""

from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):
    """The back office."""

    site_title = "Regulars"
    index_title = _("Overview")
    index_template = "admin/overview.html"
