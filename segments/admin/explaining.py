"""Why a contact is in a segment or not: the tree of the criteria with an answer at each rule."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts.identities import find_contact_id
from contacts.models import Contact
from segments import reasons
from segments.criteria.syntax import Group, Node
from segments.explanation import Clause, Explanation, explain_contact
from segments.models import Segment
from workspace.access import actor_of
from workspace.admin.pictures import badge
from workspace.errors import DomainError
from workspace.exactjson import exact_dumps

_NAMESPACES = ("user_id", "email", "phone")
_SUGGESTED = 10
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class ContactQuestion(forms.Form):
    """Who is meant: an external id, an e-mail address, a number, or the beginning of a name."""

    contact = forms.CharField(
        label=gettext_lazy("Contact"),
        max_length=320,
        widget=UnfoldAdminTextInputWidget(
            attrs={
                "placeholder": gettext_lazy("E-mail, last name, external id or #number"),
                "type": "search",
            }
        ),
    )


@dataclass(frozen=True, slots=True)
class Branch:
    """A group or a rule of the criteria, with its answer, as the page draws it."""

    badge: SafeString
    title: str = ""
    path: str = ""
    clause: Clause | None = None
    value: str = ""
    when: str = ""
    deciding: bool = False
    children: tuple["Branch", ...] = ()


def explanation_context(request: HttpRequest, segment: Segment) -> dict[str, Any]:
    """The question and, where one was asked, the answer or those who may be meant."""
    asked = request.GET.get("contact", "").strip()
    form = ContactQuestion({"contact": asked} if asked else None)
    context: dict[str, Any] = {"form": form}
    if not asked:
        return context
    contact_id = _contact_id(asked)
    if contact_id is None:
        context["suggested"] = suggested = _suggested(asked)
        if not suggested:
            form.add_error("contact", _("There is no contact “%(name)s”.") % {"name": asked})
        return context
    now = timezone.now()
    try:
        found = explain_contact(segment, contact_id, as_of=now, actor=actor_of(request))
    except DomainError as error:
        form.add_error(None, str(error))
        return context
    clauses = {clause.path: clause for clause in found.clauses}
    context.update(
        contact=Contact.objects.get(pk=found.contact_id),
        explanation=found,
        verdict=badge(_("fits now"), "good", "check")
        if found.member
        else badge(_("does not fit now"), "bad", "close"),
        tree=_branch(found.root, clauses, now) if found.root.children else None,
        by_itself=_by_itself(found, clauses, now),
        would_change=[
            (
                _sentence(change.words or change.sentence),
                change,
                _("has to hold") if change.should_hold else _("must not hold"),
            )
            for change in found.would_change
        ],
    )
    return context


def _contact_id(asked: str) -> int | None:
    for namespace in _NAMESPACES:
        if (found := find_contact_id(namespace, asked)) is not None:
            return found
    number = asked.removeprefix("#")
    if not number.isdecimal() or len(number) > 18:
        return None
    return Contact.objects.filter(pk=int(number)).values_list("pk", flat=True).first()


def _suggested(asked: str) -> list[Contact]:
    """Who may be meant: the e-mail address or the last name begins so; found by their indexes."""
    first, _space, last = asked.rpartition(" ")
    named = Q()
    for spelling in {last, last.lower(), last.capitalize(), last.title(), last.upper()}:
        named |= Q(last_name__startswith=spelling)
    if first:
        named &= Q(first_name__istartswith=first)
    mailed = Q(email__startswith=asked) | Q(email__startswith=asked.lower())
    living = Contact.objects.filter(erased_at__isnull=True)
    return list(living.filter(named | mailed).order_by("last_name", "first_name")[:_SUGGESTED])


def _branch(node: Node, clauses: Mapping[str, Clause], now: datetime) -> Branch:
    answers = {path: clause.holds for path, clause in clauses.items()}
    if isinstance(node, Group):
        children = tuple(_branch(child, clauses, now) for child in node.children)
        return Branch(
            badge=_answer(reasons.holds(node, answers)),
            title=_group_title(node),
            path=node.path,
            deciding=any(child.deciding for child in children),
            children=children,
        )
    clause = clauses[node.path]
    return Branch(
        badge=_answer(clause.holds),
        title=_sentence(clause.words or clause.sentence),
        path=clause.path,
        clause=clause,
        value="–" if clause.holds is None else _shown(clause.value),
        when=_turns(clause, now),
        deciding=clause.deciding,
    )


def _group_title(group: Group) -> str:
    if group.negated:
        return _("Not all of these hold") if group.combinator == "and" else _("None of these holds")
    return _("All of these hold") if group.combinator == "and" else _("At least one of these holds")


def _answer(holds: bool | None) -> SafeString:
    if holds is None:
        return badge(_("not told"), "neutral", "visibility_off")
    return (
        badge(_("holds"), "good", "check") if holds else badge(_("does not hold"), "bad", "close")
    )


def _turns(clause: Clause, now: datetime) -> str:
    if clause.until is None:
        return ""
    words = {"time": timeuntil(clause.until, now, depth=1)}
    if clause.holds:
        return _("holds for %(time)s more") % words
    return _("holds by itself in %(time)s") % words


def _by_itself(
    found: Explanation, clauses: Mapping[str, Clause], now: datetime
) -> dict[str, Any] | None:
    """What time alone will do, in words."""
    if found.changes_at is None:
        return None
    words = {"time": timeuntil(found.changes_at, now, depth=1)}
    sentence = (
        _("Leaves by itself in %(time)s if nothing happens.")
        if found.member
        else _("Enters by itself in %(time)s if nothing happens.")
    )
    return {
        "sentence": sentence % words,
        "at": found.changes_at,
        "because": [clauses[path].words for path in found.turning],
    }


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _shown(value: Any) -> str:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        at = timezone.localtime(datetime.fromisoformat(value))
        return str(date_format(at, "DATETIME_FORMAT"))
    if value is None:
        return _("missing")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or _("none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return value if isinstance(value, str) else exact_dumps(value)
