"""The page "Traits" of a source: what it said of people lately, and where each trait goes."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.fields import WRITABLE
from contacts.models import AttributeDefinition
from contacts.values import Type
from integrations import held_problems, mappings
from integrations.mappings import NewAttribute, SeenTrait
from integrations.models import Source
from integrations.traits import ATTRIBUTE, CONTACT, FULL_NAME, NOWHERE, key_of, targets
from workspace.access import actor_of
from workspace.admin import PagesAdmin
from workspace.admin.pictures import number
from workspace.errors import DomainError

_CHANGE = "integrations.change_source"
# What a row of the form says besides the targets themselves.
_USUAL, _NOWHERE, _NEW = "usual", "nowhere", "new"
_ROW_LIMIT = 500


class MappingPages(PagesAdmin):
    """The table, and what it says when it is saved."""

    def traits_view(self, request: HttpRequest, source: Source) -> HttpResponse:
        """What was seen, where it goes, and a choice for each."""
        actor = actor_of(request)
        if request.method == "POST" and not actor.may(_CHANGE):
            raise PermissionDenied
        seen = mappings.seen_traits(source)
        attributes = list(AttributeDefinition.objects.order_by("label"))
        given: dict[str, str] = {}
        fault = ""
        if request.method == "POST":
            given = _given(request)
            try:
                changed = mappings.set_mappings(
                    source, _wanted(given, seen), actor=actor, at=timezone.now()
                )
            except DomainError as error:
                fault = _sentence(error)
            else:
                self.message_user(request, _saved(len(changed)))
                return HttpResponseRedirect(
                    reverse("admin:integrations_source_traits", args=[source.pk])
                )
        context = self.thing_context(request, source, page="traits", title=_("Traits"))
        labels = {one.key: one.label for one in attributes}
        problems = _problems(source)
        context.update(
            rows=[
                _row(one, labels, source, given.get(one.trait), problems.get(one.trait))
                for one in seen
            ],
            fields=[(target, _label(target, labels)) for target in targets()],
            attributes=[(f"{ATTRIBUTE}.{one.key}", one.label) for one in attributes],
            fault=fault,
            may_change=actor.may(_CHANGE),
            may_make=actor.may("contacts.add_attributedefinition"),
            settings_url=reverse("admin:integrations_source_settings", args=[source.pk]),
            another={name: request.POST.get(name, "") for name in ("another", "another_target")},
            makes_new=source.new_traits == Source.NewTraits.MAKE,
        )
        return TemplateResponse(request, "integrations/traits.html", context)


def _given(request: HttpRequest) -> dict[str, str]:
    """What the form says of each trait; rows are numbered, because a name may hold anything."""
    found = {}
    for place in range(_ROW_LIMIT):
        trait = request.POST.get(f"trait_{place}")
        if trait is None:
            break
        found[trait] = request.POST.get(f"target_{place}", _USUAL)
    another = request.POST.get("another", "").strip()
    if another:
        found[another] = request.POST.get("another_target", _USUAL)
    return found


def _wanted(
    given: Mapping[str, str], seen: Sequence[SeenTrait]
) -> dict[str, str | NewAttribute | None]:
    """The same as targets; what is new gets the type of the values that were seen."""
    samples = {one.trait: one.values for one in seen}
    wanted: dict[str, str | NewAttribute | None] = {}
    for trait, target in given.items():
        if target == _USUAL:
            wanted[trait] = None
        elif target == _NOWHERE:
            wanted[trait] = NOWHERE
        elif target == _NEW:
            type_ = _type_of(samples.get(trait, []))
            wanted[trait] = NewAttribute(key_of(trait), trait[:120], type_)
        else:
            wanted[trait] = target
    return wanted


def _type_of(values: Sequence[Any]) -> Type:
    """The type that takes all of these values; text where they say nothing clear."""
    if values and all(isinstance(value, bool) for value in values):
        return Type.BOOLEAN
    is_number = (int, float, Decimal)
    if values and all(isinstance(v, is_number) and not isinstance(v, bool) for v in values):
        return Type.NUMBER
    if values and all(isinstance(value, list) for value in values):
        return Type.LIST
    return Type.TEXT


def _row(
    one: SeenTrait,
    labels: Mapping[str, str],
    source: Source,
    given: str | None,
    problem: held_problems.HeldProblem | None,
) -> dict[str, Any]:
    chosen = given
    if chosen is None:
        chosen = _USUAL if one.mapped is None else one.mapped or _NOWHERE
    return {
        "trait": one.trait,
        "samples": one.samples,
        "chosen": chosen,
        "usual": _usual_label(one, labels, source),
        "goes_to": _usual_label(one, labels, source)
        if one.mapped is None
        else _label(one.mapped, labels),
        "is_lost": one.target is None and source.new_traits == Source.NewTraits.KEEP_ASIDE,
        "is_new_possible": bool(key_of(one.trait)) and key_of(one.trait) not in labels,
        "is_unknown": chosen not in {_USUAL, _NOWHERE, _NEW, *targets()}
        and chosen.removeprefix(f"{ATTRIBUTE}.") not in labels,
        "key": key_of(one.trait),
        "problem": problem,
    }


def _usual_label(one: SeenTrait, labels: Mapping[str, str], source: Source) -> str:
    if one.usual is not None:
        return _label(one.usual, labels)
    if source.new_traits == Source.NewTraits.MAKE:
        return _("a new attribute “%(key)s”") % {"key": key_of(one.trait)}
    return _("kept aside")


def _label(target: str, labels: Mapping[str, str]) -> str:
    room, _dot, name = target.partition(".")
    if target == NOWHERE:
        return _("nowhere")
    if target == FULL_NAME:
        return _("First and last name")
    if room == CONTACT and name in WRITABLE:
        return str(WRITABLE[name].label)
    return labels.get(name, name)


def _problems(source: Source) -> dict[str, held_problems.HeldProblem]:
    """What is held of each trait, the most frequent problem of each."""
    found: dict[str, held_problems.HeldProblem] = {}
    for problem in held_problems.problems(source.pk):
        if problem.path.startswith("traits."):
            found.setdefault(problem.path.removeprefix("traits."), problem)
    return found


def _sentence(error: DomainError) -> str:
    if not error.problems:
        return str(error)
    return " ".join(
        f"{one.path}: {one.message}" if one.path else one.message for one in error.problems
    )


def _saved(count: int) -> str:
    if not count:
        return _("Nothing was changed.")
    text = ngettext(
        "%(n)s trait goes elsewhere from now on.", "%(n)s traits go elsewhere from now on.", count
    )
    return text % {"n": number(count)}
