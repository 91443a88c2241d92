"""How a new segment begins: the page to choose a starting point, and the form filled from it."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from segments import lifecycle, saved_criteria
from segments.admin.forms import read_document, written
from segments.definitions import groups_of_copy
from segments.masks import Mask
from segments.models import SavedCriteria, Segment
from segments.starting_points import Need, find_template, templates_for
from workspace.access import Actor, actor_of

# So many can be chosen from; more are found in the lists of segments and of saved criteria.
_OFFERED = 200
_COPIED = ("description", "members_only", "refresh_mode", "refresh_amount", "readiness_hours")


def starting_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """What a new segment may begin with; the choice is sent as `start` to the same address."""
    actor = actor_of(request)
    context.update(
        media=forms.Media(
            js=["segments/starting_points.js"], css={"all": ["segments/segment_form.css"]}
        ),
        templates=[
            {
                "point": point,
                "text": written(point.criteria),
                "needs": [(need.text, _definition_address(need, actor)) for need in point.needs],
            }
            for point in templates_for(actor)
        ],
        saved=list(_saved(actor).only("key", "name")[:_OFFERED]),
        segments=list(_copied(actor).only("key", "name")[:_OFFERED]),
        file_url=_file_address() if actor.may("segments.add_segment") else "",
    )
    return TemplateResponse(request, "segments/starting_points.html", context)


def chosen_start(request: HttpRequest) -> Mapping[str, Any] | None:
    """What the form begins with, of `start` and `name` in the address; None where none is chosen.

    `start` is "blank", "template:<key>", "saved:<key>" or "segment:<key>". 404 for what there is
    not, or not for this person. Instead of all that, `criteria` may be a document to begin with.
    """
    if brought := request.GET.get("criteria", ""):
        document, problem = read_document(brought)
        return {"criteria": written(document)} if problem is None else {}
    start = request.GET.get("start", "")
    if not start:
        return None
    kind, _colon, key = start.partition(":")
    actor = actor_of(request)
    # The key stands behind the colon, or in the list beside the choice.
    key = key or request.GET.get(kind, "")
    match kind:
        case "blank":
            begun: dict[str, Any] = {}
        case "template":
            begun = _from_template(key, actor)
        case "saved":
            begun = _from_saved(key, actor)
        case "segment":
            begun = _from_segment(key, actor)
        case _:
            raise Http404
    name = request.GET.get("name", "").strip()
    return {**begun, **({"name": name} if name else {})}


def _from_template(key: str, actor: Actor) -> dict[str, Any]:
    point = find_template(key, actor=actor)
    if point is None:
        raise Http404
    return {
        "name": point.title,
        "description": point.description,
        "criteria": written(point.criteria),
    }


def _from_saved(key: str, actor: Actor) -> dict[str, Any]:
    found = _saved(actor).filter(key=key).first()
    if found is None:
        raise Http404
    return {"name": found.name, "criteria": written(Mask(actor).of(found.criteria))}


def _from_segment(key: str, actor: Actor) -> dict[str, Any]:
    segment = _copied(actor).filter(key=key).first()
    if segment is None:
        raise Http404
    begun = {name: getattr(segment, name) for name in _COPIED}
    if segment.refresh_unit:
        begun["refresh_unit"] = segment.refresh_unit
    return {
        **begun,
        "name": _("%(name)s (copy)") % {"name": segment.name[:190]},
        "groups": groups_of_copy(segment, actor),
        "criteria": written(Mask(actor).of(segment.criteria)),
    }


def _saved(actor: Actor) -> "QuerySet[SavedCriteria]":
    if not actor.may("segments.view_savedcriteria"):
        return SavedCriteria.objects.none()
    return saved_criteria.known_saved_criteria(actor).order_by("name", "pk")


def _copied(actor: Actor) -> "QuerySet[Segment]":
    if not actor.may("segments.view_segment"):
        return Segment.objects.none()
    known = lifecycle.known_segments(actor).filter(source=Segment.Source.CRITERIA)
    return known.order_by("name", "pk")


def _definition_address(need: Need, actor: Actor) -> str:
    """Where what is missing is defined, for who may define it."""
    model = {"tag": "tag", "consent": "consentdefinition", "metric": "metricdefinition"}
    name = model.get(need.kind, "")
    if not name or not actor.may(f"contacts.add_{name}"):
        return ""
    return reverse(f"admin:contacts_{name}_add")


def _file_address() -> str:
    try:
        return reverse("admin:segments_segment_add_from_file")
    except NoReverseMatch:
        return ""
