"""Segments held against each other: who is in which combination of them."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin

from segments import lifecycle
from segments.admin.upset import combination_sentence, draw, percent
from segments.models import Segment
from segments.overlap import SEGMENT_LIMIT, Comparison, compare
from workspace.access import Actor, actor_of
from workspace.admin import page_context
from workspace.admin.pictures import number

_OFFERED = 500


class OverlapPages(ModelAdmin):
    """The page on which segments are compared; `?keys=a,b` names them."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.overlap_page)
        return [path("overlap/", view, name="segments_segment_overlap"), *super().get_urls()]

    def overlap_page(self, request: HttpRequest) -> HttpResponse:
        """How segments overlap."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = page_context(self, request, title=_("Overlap"))
        return overlap_view(request, {**context, "media": self.media})


def overlap_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Up to six active segments that the person may know of, by `keys` in the address."""
    actor = actor_of(request)
    keys = list(dict.fromkeys(key for key in request.GET.get("keys", "").split(",") if key))
    usable = lifecycle.usable_segments(actor)
    known = {segment.key: segment for segment in usable.filter(key__in=keys)}
    chosen = [known[key] for key in keys if key in known]
    problems = [
        _("There is no active segment “%(key)s”.") % {"key": key[:63]}
        for key in keys
        if key not in known
    ]
    if (added := request.GET.get("add", "").strip()) and len(chosen) < SEGMENT_LIMIT:
        more = _meant(added, usable, chosen)
        if more is not None:
            return HttpResponseRedirect(_address([*chosen, more]))
        problems.append(_("There is no other active segment “%(key)s”.") % {"key": added[:63]})
    if len(chosen) > SEGMENT_LIMIT:
        problems.append(
            _("At most %(limit)d segments are compared: the first ones are shown.")
            % {"limit": SEGMENT_LIMIT}
        )
        chosen = chosen[:SEGMENT_LIMIT]
    context.update(
        problems=problems,
        chosen=[
            (segment, _address([other for other in chosen if other != segment]))
            for segment in chosen
        ],
        keys=",".join(segment.key for segment in chosen),
        offered=usable.exclude(key__in=[segment.key for segment in chosen])
        .order_by("name")
        .values("key", "name")[:_OFFERED],
        may_add=len(chosen) < SEGMENT_LIMIT,
        limit=SEGMENT_LIMIT,
    )
    if chosen:
        context.update(_drawn(compare(chosen), chosen, actor))
    return TemplateResponse(request, "segments/overlap.html", context)


def combination_address(inside: Sequence[str], outside: Sequence[str]) -> str:
    """Where a new segment begins with those who are in some segments and in none of others."""
    rules = [{"field": "segment", "operator": "all", "value": list(inside)}]
    if outside:
        rules.append({"field": "segment", "operator": "notIn", "value": list(outside)})
    document = json.dumps({"combinator": "and", "rules": rules}, ensure_ascii=False)
    return f"{reverse('admin:segments_segment_add')}?{urlencode({'criteria': document})}"


def _drawn(found: Comparison, chosen: Sequence[Segment], actor: Actor) -> dict[str, Any]:
    names = {segment.key: segment.name for segment in chosen}
    urls = {}
    if actor.may("segments.add_segment"):
        urls = {
            one.keys: combination_address(one.keys, [key for key in names if key not in one.keys])
            for one in found.sets
        }
    filled = sorted((one for one in found.sets if one.only), key=lambda one: -one.only)
    plot = draw(found, names, urls)
    return {
        "plot": plot if found.total else None,
        "total": ngettext("%(n)s contact", "%(n)s contacts", found.total)
        % {"n": number(found.total)},
        "hidden_note": _("%(count)d smaller combinations stand in the table only.")
        % {"count": plot.hidden_count}
        if plot.hidden_count
        else "",
        "combinations": [
            (
                combination_sentence(one.keys, one.only, found.total, names).rpartition(":")[0],
                number(one.only),
                percent(one.only / found.total),
                number(one.count),
                urls.get(one.keys, ""),
            )
            for one in filled
        ],
        "pairs": [
            (
                names[pair.keys[0]],
                names[pair.keys[1]],
                number(pair.count),
                percent(pair.jaccard),
                percent(pair.share_of_first),
                percent(pair.share_of_second),
            )
            for pair in found.pairs
        ],
    }


def _meant(added: str, usable: Any, chosen: Sequence[Segment]) -> Segment | None:
    """The segment of this key or name, or the only one whose name has this in it."""
    others = usable.exclude(pk__in=[segment.pk for segment in chosen])
    exact: Segment | None = (
        others.filter(key=added).first() or others.filter(name__iexact=added).first()
    )
    if exact is not None:
        return exact
    alike = list(others.filter(name__icontains=added)[:2])
    return alike[0] if len(alike) == 1 else None


def _address(segments: Sequence[Segment]) -> str:
    room = reverse("admin:segments_segment_overlap")
    if not segments:
        return room
    return f"{room}?keys={','.join(segment.key for segment in segments)}"
