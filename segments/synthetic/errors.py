"""What generating a workspace refuses."""

from workspace.errors import DomainError


class WorkspaceNotEmpty(DomainError):
    """There are contacts already, and nobody said that more may be added."""

    code = "workspace_not_empty"
