"""How fast contacts and events come in: in bulk, and one by one."""

from .bench_workspace import Size
from .report import Report


def measure_import(report: Report, size: Size) -> None:
    """Contacts from a file: the product's import beside the row-by-row form."""


def measure_ingestion(report: Report) -> None:
    """Events by the batch."""
