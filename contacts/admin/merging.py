"""Merging a contact with another one: finding it, seeing what will happen, and doing it."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts import identities
from contacts.admin import finding
from contacts.admin.changing import ChangingContacts
from contacts.admin.forms import field_label
from contacts.identity_rules import load_rules
from contacts.merging import FIELDS, filled_columns, merge_contacts
from contacts.models import (
    AttributeDefinition,
    ConsentEntry,
    Contact,
    ContactCategory,
    ContactTag,
    EventStatistic,
)
from contacts.survivors import survivor_of
from contacts.timeline.identities import namespace_name
from workspace.access import actor_of
from workspace.admin import page_context
from workspace.admin.pictures import number
from workspace.errors import DomainError

PERMISSION = "contacts.merge_contact"
_SUGGESTED = 8


class OtherContact(forms.Form):
    """Who the other one is."""

    q = forms.CharField(
        label=gettext_lazy("The other contact"),
        help_text=gettext_lazy("A number, an e-mail address, an external id, a phone or a name."),
        max_length=320,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "type": "search"}),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison: what both have, and what the survivor will have."""

    label: str
    kept: str
    given: str
    after: str
    note: str = ""


class MergingContacts(ChangingContacts):
    """The page on which two contacts become one."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.merge_view)
        own = path("<int:contact_id>/merge/", view, name="contacts_contact_merge")
        return [own, *super().get_urls()]

    def merge_links(self, request: HttpRequest, contact: Contact) -> list[dict[str, Any]]:
        """The way to this page, for who may go it."""
        if not actor_of(request).may(PERMISSION):
            return []
        url = reverse("admin:contacts_contact_merge", args=[contact.pk])
        return [{"title": _("Merge with…"), "icon": "merge", "url": url}]

    def merge_view(self, request: HttpRequest, contact_id: int) -> HttpResponse:
        """Choose the other contact, compare, choose who survives, confirm."""
        contact = self.contact_or_404(request, contact_id)
        if not actor_of(request).may(PERMISSION):
            raise PermissionDenied
        other = _contact(request.GET.get("other", ""))
        if other is not None and other.pk == contact.pk:
            other = None
        context = {
            **page_context(self, request, title=_("Merge with…"), thing=contact),
            "contact": contact,
        }
        if other is None:
            context |= _choosing(request, contact)
        else:
            survivor, loser = _by_choice(request.GET.get("keep", ""), contact, other)
            if request.method == "POST":
                return self._merge(request, survivor, loser)
            context |= _comparison(contact, survivor, loser)
        return TemplateResponse(request, "contacts/merge.html", context)

    def _merge(self, request: HttpRequest, survivor: Contact, loser: Contact) -> HttpResponse:
        try:
            merge_contacts(
                survivor.pk,
                loser.pk,
                actor=actor_of(request),
                at=timezone.now(),
                cause="admin",
                evidence=request.POST.get("evidence", "")[:200],
            )
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        words = {"loser": loser.pk, "survivor": survivor.pk}
        told = _("#%(loser)d became one with #%(survivor)d. Its number leads here from now on.")
        self.message_user(request, told % words, messages.SUCCESS)
        return HttpResponseRedirect(self.page_of(request, survivor))


def _contact(text: str) -> Contact | None:
    if not text.isdecimal() or len(text) > 18:
        return None
    return Contact.objects.filter(pk=survivor_of(int(text)), erased_at=None).first()


def _by_choice(keep: str, contact: Contact, other: Contact) -> tuple[Contact, Contact]:
    """Who survives and who does not: as chosen, else as it would be decided without asking."""
    if keep in {str(contact.pk), str(other.pk)}:
        return (contact, other) if keep == str(contact.pk) else (other, contact)
    names = identities.names_of([contact.pk, other.pk])

    def rank(one: Contact) -> tuple[bool, int]:
        has_id = any(name.namespace == identities.USER_ID for name in names[one.pk])
        return not has_id, one.pk

    survivor, loser = sorted((contact, other), key=rank)
    return survivor, loser


def _choosing(request: HttpRequest, contact: Contact) -> dict[str, Any]:
    asked = request.GET.get("q", "").strip()
    form = OtherContact({"q": asked} if asked else None)
    living = Contact.objects.filter(erased_at=None).exclude(pk=contact.pk)
    if asked:
        ids = {survivor_of(contact_id) for contact_id in sorted(finding.found_ids(asked))[:20]}
        found = list(living.filter(pk__in=ids).order_by("pk")[:_SUGGESTED])
        if not found:
            form.add_error("q", _("Nobody else is found by “%(text)s”.") % {"text": asked})
        return {"form": form, "people": _shown(found), "asked": asked}
    alike = Q()
    if contact.last_name and contact.first_name:
        alike |= Q(last_name=contact.last_name, first_name=contact.first_name)
    if contact.email:
        alike |= Q(email=contact.email)
    suggested = list(living.filter(alike).order_by("pk")[:_SUGGESTED]) if alike else []
    return {"form": form, "people": _shown(suggested), "asked": ""}


def _shown(contacts: list[Contact]) -> list[dict[str, Any]]:
    names = identities.names_of([contact.pk for contact in contacts])
    return [
        {
            "contact": contact,
            "place": ", ".join(part for part in (contact.city, contact.country) if part),
            "names": [
                f"{namespace_name(name.namespace)} {name.value}" for name in names[contact.pk]
            ][:4],
        }
        for contact in contacts
    ]


def _comparison(contact: Contact, survivor: Contact, loser: Contact) -> dict[str, Any]:
    filled, dropped = filled_columns(survivor, loser)
    names = identities.names_of([survivor.pk, loser.pk])
    return {
        "survivor": survivor,
        "loser": loser,
        "other": loser if survivor.pk == contact.pk else survivor,
        "rows": [*_field_rows(survivor, loser, filled), *_attribute_rows(survivor, loser)],
        "sets": _set_rows(survivor, loser, names),
        "dropped_count": len(dropped),
        "warnings": _warnings(survivor, loser, names),
    }


def _field_rows(survivor: Contact, loser: Contact, filled: dict[str, Any]) -> list[Row]:
    rows = []
    for name in FIELDS:
        kept, given = getattr(survivor, name), getattr(loser, name)
        if kept or given:
            rows.append(
                _row(
                    field_label(name),
                    kept,
                    given,
                    filled.get(name, kept),
                    is_name=name in {identities.EMAIL, identities.PHONE},
                )
            )
    score = filled.get("lead_score", survivor.lead_score)
    rows.append(
        Row(
            str(field_label("lead_score")),
            number(survivor.lead_score.normalize() + 0),
            number(loser.lead_score.normalize() + 0),
            number(score.normalize() + 0),
            _("the higher of both"),
        )
    )
    return rows


def _attribute_rows(survivor: Contact, loser: Contact) -> list[Row]:
    labels = dict(AttributeDefinition.objects.values_list("key", "label"))
    keys = sorted({*survivor.attributes, *loser.attributes}, key=lambda key: labels.get(key, key))
    return [
        _row(
            labels.get(key, key),
            survivor.attributes.get(key),
            loser.attributes.get(key),
            survivor.attributes.get(key, loser.attributes.get(key)),
        )
        for key in keys
    ]


def _row(label: Any, kept: Any, given: Any, after: Any, *, is_name: bool = False) -> Row:
    note = ""
    if given not in (None, "") and given != after:
        told = _("“%(value)s” stays an identity") if is_name else _("“%(value)s” is dropped")
        note = told % {"value": _text(given)}
    return Row(str(label), _text(kept), _text(given), _text(after), note)


def _text(value: Any) -> str:
    if value in (None, ""):
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return date_format(value, "DATE_FORMAT") if hasattr(value, "isoformat") else str(value)


def _set_rows(
    survivor: Contact, loser: Contact, names: dict[int, list[identities.Name]]
) -> list[Row]:
    """What both have of what adds up."""
    pair = [survivor.pk, loser.pk]
    counted = {
        _("Tags"): _labels(ContactTag, "tag", pair),
        _("Categories"): _labels(ContactCategory, "category", pair),
        _("Identities"): {
            one: {f"{namespace_name(name.namespace)} {name.value}" for name in names[one]}
            for one in pair
        },
    }
    rows = [
        Row(
            label,
            ", ".join(sorted(of[survivor.pk])),
            ", ".join(sorted(of[loser.pk])),
            ", ".join(sorted(of[survivor.pk] | of[loser.pk])),
        )
        for label, of in counted.items()
        if of[survivor.pk] or of[loser.pk]
    ]
    for label, model in ((_("Consents"), ConsentEntry), (_("Events"), EventStatistic)):
        counts = [_count(model, one) for one in pair]
        if any(counts):
            rows.append(Row(label, *(number(count) for count in (*counts, sum(counts)))))
    return rows


def _labels(model: Any, kind: str, pair: list[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {one: set() for one in pair}
    rows = model.objects.filter(contact_id__in=pair)
    for contact_id, label in rows.values_list("contact_id", f"{kind}__label"):
        found[contact_id].add(label)
    return found


def _count(model: Any, contact_id: int) -> int:
    rows = model.objects.filter(contact_id=contact_id)
    if model is EventStatistic:
        return sum(rows.values_list("event_count", flat=True))
    count: int = rows.count()
    return count


def _warnings(
    survivor: Contact, loser: Contact, names: dict[int, list[identities.Name]]
) -> list[str]:
    """Where the rules would keep them apart."""
    rules, found = load_rules(), []
    spaces = [{name.namespace for name in names[one.pk]} for one in (survivor, loser)]
    for namespace in sorted(spaces[0] & spaces[1]):
        both = [
            name
            for one in (survivor, loser)
            for name in names[one.pk]
            if name.namespace == namespace
        ]
        limit = rules.of(namespace).value_limit
        if len(both) > limit:
            words = {"namespace": namespace_name(namespace), "count": len(both), "limit": limit}
            found.append(
                _(
                    "Together they have %(count)d names of the kind “%(namespace)s”, where a"
                    " contact has at most %(limit)d: the rules would keep them apart. Merge them"
                    " only if you know that they are one person."
                )
                % words
            )
    return found
