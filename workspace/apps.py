from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorkspaceConfig(AppConfig):
    """Staff, user groups, API users, jobs, audit trail."""

    name = "workspace"
    verbose_name = _("Workspace")
