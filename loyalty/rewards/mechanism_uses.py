"""Which mechanisms use a segment, and what each will do without it; which count an event."""

from collections.abc import Callable, Collection, Iterable

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.event_uses import EventUse, register_event_use
from loyalty.models import Mechanism
from segments.models import Segment
from segments.uses import Use, register_use
from workspace import access
from workspace.access import Actor

Status, Match = Mechanism.Status, Mechanism.Match


def effect_of(mechanism: Mechanism, segment: Segment) -> str:
    """What becomes of a mechanism when this segment goes out of use; they were read with it."""
    segments, lists = list(mechanism.segments.all()), list(mechanism.lists.all())
    words = []
    if segment in segments:
        words.append(_left(segments, segment, needs_all=mechanism.segment_match == Match.ALL))
    if segment in lists:
        words.append(_left(lists, segment, needs_all=False))
    told = words[0] if len(set(words)) == 1 else _("nobody may have it any more")
    if mechanism.kind == Mechanism.Kind.REWARD_CATEGORY:
        return _("%(effect)s; so do its rewards") % {"effect": told}
    return told


def _left(segments: list[Segment], segment: Segment, *, needs_all: bool) -> str:
    others = [one for one in segments if one != segment and one.status == Segment.Status.ACTIVE]
    if needs_all or not others:
        return _("nobody may have it any more")
    if len(others) == 1:
        return _("it goes on with the members of one other segment")
    return _("it goes on with the members of %(count)d other segments") % {"count": len(others)}


def _mechanisms(segment: Segment) -> list[Use]:
    using = Mechanism.objects.exclude(status=Status.ARCHIVED).filter(
        Q(pk__in=segment.mechanisms.values("pk"))
        | Q(pk__in=segment.mechanisms_by_list.values("pk"))
    )
    return [
        Use(
            mechanism.name,
            key=mechanism.key,
            url=reverse("admin:loyalty_mechanism_change", args=[mechanism.pk]),
            state=mechanism.get_status_display(),
            effect=effect_of(mechanism, segment),
            needs_active=True,
            is_visible=_knows(mechanism),
        )
        for mechanism in using.prefetch_related("segments", "lists", "groups")
    ]


def _used_ids() -> Iterable[int]:
    living = Mechanism.objects.exclude(status=Status.ARCHIVED)
    for field in ("segments", "lists"):
        yield from living.exclude(**{field: None}).values_list(field, flat=True)


def _knows(mechanism: Mechanism) -> Callable[[Actor], bool]:
    may = "loyalty.view_mechanism"
    return lambda actor: actor.may(may) and access.is_visible(mechanism, actor)


def _challenges(names: Collection[str], actor: Actor) -> dict[str, list[EventUse]]:
    """The challenges that count these events; those of other groups without their names."""
    living = Mechanism.objects.exclude(status=Status.ARCHIVED)
    counting = living.filter(
        kind=Mechanism.Kind.CHALLENGE, settings__event__in=list(names)
    ).order_by("name", "pk")
    found: dict[str, list[EventUse]] = {}
    may_look = actor.may("loyalty.view_mechanism")
    for mechanism in counting.prefetch_related("groups"):
        use = EventUse(_("a challenge of another group"), is_hidden=True)
        if may_look and access.is_visible(mechanism, actor):
            url = reverse("admin:loyalty_mechanism_change", args=[mechanism.pk])
            use = EventUse(mechanism.name, url, mechanism.get_status_display())
        found.setdefault(mechanism.settings["event"], []).append(use)
    return found


def register() -> None:
    """Have them told of beside the segments and events that they use. May be called again."""
    register_use("mechanism", gettext_lazy("Mechanism"), _mechanisms, find_ids=_used_ids)
    register_event_use("challenge", gettext_lazy("Challenge"), _challenges)
