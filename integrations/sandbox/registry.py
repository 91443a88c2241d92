"""The sandboxes there are, with the settings that lead the product to them."""

from collections.abc import Callable
from dataclasses import dataclass

from integrations.sandbox import emarsys
from integrations.sandbox.dotdigital import Dotdigital
from integrations.sandbox.segment import Segment
from integrations.sandbox.server import Sandbox


@dataclass(frozen=True, slots=True)
class Offered:
    """A sandbox: how one is made, its usual port, the settings that hold its address."""

    make: Callable[[], Sandbox]
    port: int
    settings: tuple[str, ...]


# By name; each vendor adds its own line.
SANDBOXES: dict[str, Offered] = {
    "segment": Offered(Segment, 8303, ("SEGMENT_URL",)),
    "dotdigital": Offered(Dotdigital, 8301, ("DOTDIGITAL_URL",)),
    "emarsys": Offered(emarsys.make_sandbox, 8302, ("EMARSYS_URL", "EMARSYS_AUTH_URL")),
}
