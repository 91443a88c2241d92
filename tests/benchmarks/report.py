"""What was measured, as a table for people, and as a page of docs/benchmarks.md."""

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from config.embedded.postgres import memory_bytes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure beside its target. `is_ceiling` says that less is better."""

    number: str
    name: str
    value: float
    target: float
    is_ceiling: bool = True

    @property
    def is_met(self) -> bool:
        """Whether the target is reached."""
        return self.value <= self.target if self.is_ceiling else self.value >= self.target


@dataclass(slots=True)
class Report:
    """Tables and ratios, in the order in which they were measured.

    Targets are those of a million contacts: at other sizes a ratio is only told.
    """

    size: str
    versions: list[str]
    has_targets: bool
    parts: list[str] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)

    def add_table(
        self, title: str, header: Iterable[str], rows: Iterable[Iterable[object]]
    ) -> None:
        """Print a table and keep it."""
        part = f"### {title}\n\n{table(header, rows)}"
        self.parts.append(part)
        print(f"\n{part}", flush=True)  # noqa: T201 - a benchmark talks to its terminal

    def finish(self) -> str:
        """Print the ratios with their targets; returns all of it."""
        rows = [
            (
                ratio.number,
                ratio.name,
                f"{ratio.value:.2f}",
                f"{'≤' if ratio.is_ceiling else '≥'} {ratio.target:g}",
                self._verdict(ratio),
            )
            for ratio in self.ratios
        ]
        self.add_table("Ratios and targets", ("#", "ratio", "measured", "target", "met"), rows)
        return "\n\n".join(self.parts)

    def _verdict(self, ratio: Ratio) -> str:
        if not self.has_targets:
            return "–"
        return "yes" if ratio.is_met else "**no**"

    def write(self) -> None:
        """Put this run in the place of the last one of its size, in docs/benchmarks.md."""
        begin, end = f"<!-- {self.size} -->", f"<!-- end {self.size} -->"
        today = datetime.now(UTC).date()
        heading = f"## {self.size}, {today}\n\n{machine()}. {', '.join(self.versions)}."
        block = "\n\n".join([begin, heading, *self.parts, end])
        page = PAGE.read_text("utf-8")
        known = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if known.search(page):
            page = known.sub(lambda _: block, page)
        else:
            page = f"{page.rstrip()}\n\n{block}\n"
        PAGE.write_text(page, "utf-8")


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown, its columns in line."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    written = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    ruler = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([written[0], ruler, *written[1:]])


def milliseconds(seconds: float) -> str:
    """A time for people."""
    value = seconds * 1000
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def machine() -> str:
    """What it ran on."""
    information = Path("/proc/cpuinfo")
    found = None
    if information.exists():
        found = re.search(r"model name\s*: (.*)", information.read_text("utf-8"))
    model = found[1] if found else platform.machine()
    return f"{os.cpu_count()} × {model}, {memory_bytes() / 2**30:.0f} GiB of memory"
