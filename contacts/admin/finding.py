"""Finding contacts among millions: by identity, e-mail, name or number, each by an index."""

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from contacts.models import Category, Contact, ContactCategory, ContactTag, Identity, Tag

FOUND_LIMIT = 1000
_NAMESPACES = (
    *("user_id", "email", "phone", "anonymous_id"),
    *("ipresso_id", "emarsys_id", "dotdigital_id"),
)


def found_ids(term: str) -> set[int]:
    """Ids of contacts that a person may mean by `term`, at most a few thousand.

    An identity, or the beginning of an e-mail address or of a last name (“Anna Kow” looks for a
    first and a last name), or the number of a contact.
    """
    term = term.strip()
    if not term:
        return set()
    values = {term, term.lower()}
    ids = set(
        Identity.objects.filter(namespace__in=_NAMESPACES, value__in=values).values_list(
            "contact_id", flat=True
        )[:FOUND_LIMIT]
    )
    if (digits := term.removeprefix("#")).isdecimal() and len(digits) < 19:
        ids.add(int(digits))
    ids.update(_beginning_with("email", values))
    first, _space, last = term.rpartition(" ")
    named = Contact.objects.filter(_begins("last_name", _spellings(last)))
    if first:
        named = named.filter(first_name__istartswith=first)
    ids.update(named.values_list("pk", flat=True)[:FOUND_LIMIT])
    return ids


def _beginning_with(column: str, spellings: set[str]) -> set[int]:
    found = Contact.objects.filter(_begins(column, spellings))
    return set(found.values_list("pk", flat=True)[:FOUND_LIMIT])


def _begins(column: str, spellings: set[str]) -> Q:
    # Case counts for the index, so the usual ways to write a name are all asked for.
    condition = Q()
    for spelling in sorted(spellings):
        condition |= Q(**{f"{column}__startswith": spelling})
    return condition


def _spellings(name: str) -> set[str]:
    return {name, name.lower(), name.capitalize(), name.title(), name.upper()}


class TagFilter(DropdownFilter):
    """Contacts with a tag."""

    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return list(Tag.objects.order_by("label").values_list("key", "label")[:200])

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Contact]") -> "QuerySet[Contact]":
        if not self.value():
            return queryset
        tagged = ContactTag.objects.filter(tag__key=self.value())
        return queryset.filter(pk__in=tagged.values("contact_id"))


class CategoryFilter(DropdownFilter):
    """Contacts of a category."""

    title = _("category")
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return list(Category.objects.order_by("label").values_list("key", "label")[:200])

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Contact]") -> "QuerySet[Contact]":
        if not self.value():
            return queryset
        members = ContactCategory.objects.filter(category__key=self.value())
        return queryset.filter(pk__in=members.values("contact_id"))


class _ExactFilter(TextFilter):
    """Contacts whose column is exactly what was typed."""

    column = ""

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Contact]") -> "QuerySet[Contact]":
        value = self.value()
        return queryset.filter(**{self.column: value}) if value else queryset


class LanguageFilter(_ExactFilter):
    """Contacts of a language."""

    title = _("language")
    parameter_name = column = "language"


class CountryFilter(_ExactFilter):
    """Contacts of a country."""

    title = _("country")
    parameter_name = column = "country"
