"""Moments as people write them on a command line."""

from argparse import ArgumentTypeError
from datetime import datetime

from django.utils import timezone


def read_moment(written: str) -> datetime:
    """An instant in ISO 8601; without an offset it is wall time in the workspace's time zone."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError as error:
        message = f"{written} is no time: write it like 2026-03-01T12:00:00+01:00"
        raise ArgumentTypeError(message) from error
    return timezone.make_aware(at) if at.tzinfo is None else at
