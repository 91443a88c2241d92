"""Filters for lists of this room. Times are ISO 8601 with an offset; `_after` is inclusive."""

from typing import Any

import django_filters
from django.db.models import QuerySet

from contacts.identities import EMAIL, PHONE, USER_ID, find_contact_id
from contacts.models import Contact


class IdentityFilter(django_filters.CharFilter):
    """The contact whom a system knows by this name, however it is written."""

    def __init__(self, namespace: str, **options: Any) -> None:
        super().__init__(**options)
        self.namespace = namespace

    def filter(self, qs: "QuerySet[Contact]", value: str) -> "QuerySet[Contact]":
        if not value:
            return qs
        contact_id = find_contact_id(self.namespace, value)
        return qs.none() if contact_id is None else qs.filter(pk=contact_id)


class ContactFilterSet(django_filters.FilterSet):
    """Filters for contacts. Rooms above add theirs by `register_filter`."""

    email = IdentityFilter(EMAIL)
    phone = IdentityFilter(PHONE)
    external_id = IdentityFilter(USER_ID)
    tag = django_filters.CharFilter(field_name="contacttag__tag__key")
    category = django_filters.CharFilter(field_name="contactcategory__category__key")
    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")
    updated_after = django_filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gte")
    updated_before = django_filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="lt")

    class Meta:
        model = Contact
        fields: tuple[str, ...] = ()


def register_filter(name: str, filter_: django_filters.Filter) -> None:
    """Let the list of contacts be filtered by what a room above knows."""
    ContactFilterSet.base_filters[name] = filter_
