from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class WorkspaceConfig(AppConfig):
    """Staff, user groups, API users, jobs, audit trail."""

    name = "workspace"
    verbose_name = _("Workspace")

    def ready(self) -> None:
        # By the name of the app that is migrated last: by then all permissions are there.
        post_migrate.connect(_make_roles_ready, dispatch_uid="workspace roles")


def _make_roles_ready(sender: AppConfig, using: str, **_said: Any) -> None:
    """Have the roles there after every migration, ready to be given to people."""
    from workspace import roles

    with_models = [config for config in apps.get_app_configs() if config.models_module is not None]
    if sender is with_models[-1] and using == "default":
        roles.make_ready()
