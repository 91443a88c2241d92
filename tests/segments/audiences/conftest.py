"""A connection to a Dotdigital on this machine, and segments that are sent there."""

# The fixtures of the account are those of the uploads.
from tests.integrations.metric_uploads.conftest import clock, sandbox, world

__all__ = ["clock", "sandbox", "world"]
