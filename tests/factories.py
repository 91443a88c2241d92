"""Contacts and what describes them, with what a test is about. Plain functions."""

from datetime import UTC, datetime, timedelta
from typing import Any

from contacts import profiles
from contacts.models import (
    AttributeDefinition,
    Category,
    ConsentDefinition,
    Contact,
    MetricDefinition,
    Tag,
)
from workspace.access import SYSTEM

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def make_contact(*, at: datetime = NOW, **changes: Any) -> Contact:
    """A contact, by the verb that makes them: fields, external_id, attributes, tags, consents…"""
    return profiles.create_contact(changes=changes, actor=SYSTEM, at=at)


def make_attribute(key: str, type_: str = "text", **given: Any) -> AttributeDefinition:
    """A custom attribute."""
    label = given.pop("label", key.capitalize())
    return AttributeDefinition.objects.create(key=key, label=label, type=type_, **given)


def make_tag(key: str, **given: Any) -> Tag:
    """A tag."""
    return Tag.objects.create(key=key, label=given.pop("label", key.capitalize()), **given)


def make_category(key: str, **given: Any) -> Category:
    """A category."""
    return Category.objects.create(key=key, label=given.pop("label", key.capitalize()), **given)


def make_consent(key: str, **given: Any) -> ConsentDefinition:
    """A consent that contacts may give."""
    label = given.pop("label", key.capitalize())
    return ConsentDefinition.objects.create(key=key, label=label, **given)


def make_metric(key: str, type_: str = "number", **given: Any) -> MetricDefinition:
    """A metric."""
    label = given.pop("label", key.capitalize())
    return MetricDefinition.objects.create(key=key, label=label, type=type_, **given)
