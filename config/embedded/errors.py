"""What stops a start, said in one sentence."""


class StartRefused(Exception):
    """A server or the product cannot start. The message is one sentence for a person."""


class SettingRefused(StartRefused):
    """A setting is wrong. The message says which, why, and gives an example."""

    def __init__(self, name: str, reason: str, example: str) -> None:
        super().__init__(f"Setting {name} {reason}. For example: {name}={example}")
