"""The commands that a page of docs/walks has, as one would type them."""

import re
import shlex
from pathlib import Path

HOST = "http://127.0.0.1:8000"
_WALKS = Path(__file__).resolve().parents[2] / "docs/walks"


def page(name: str) -> str:
    """The text of a walk."""
    return (_WALKS / name).read_text()


def commands(text: str) -> list[str]:
    """What is typed, each command with the lines that belong to it."""
    found = re.findall(r"(?:^    .*\n(?:\n(?=      ))?)+", text, re.MULTILINE)
    return [line for block in found for line in _commands(block)]


def requests(text: str, word: str = "") -> list[list[str]]:
    """The curl commands with this word in their address, in parts."""
    typed = [shlex.split(command) for command in commands(text) if command.startswith("curl")]
    return [parts for parts in typed if any(f"{HOST}/{word}" in part for part in parts)]


def _commands(block: str) -> list[str]:
    lines, open_ = [], ""
    for line in block.splitlines():
        open_ = f"{open_}\n{line.strip()}" if open_ else line.strip()
        if open_.count("'") % 2 == 0:
            lines.append(open_)
            open_ = ""
    return lines
