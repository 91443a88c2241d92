"""Audiences begun, paused, resumed and ended; which there are, and who may know of them."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import ConsentDefinition
from integrations.errors import ConnectionStill
from integrations.models import VendorConnection
from integrations.vendors import syncing as vendor_syncing
from integrations.vendors.list_keepers import list_keeping_kinds
from segments import lifecycle, uses
from segments.audiences.models import Audience, AudienceMember
from segments.errors import AudienceInvalid, AudienceUnknown
from segments.models import Segment
from segments.uses import Use
from workspace import audit
from workspace.access import SYSTEM, Actor, require
from workspace.errors import Problem

VIEW, CHANGE = "segments.view_segment", "segments.change_audience"
SYNC = "audiences"
NAME_LIMIT = 128
State = Audience.State


def visible_audiences(actor: Actor) -> "QuerySet[Audience]":
    """The audiences of segments that the actor may know of."""
    if not actor.may(VIEW):
        return Audience.objects.none()
    return Audience.objects.filter(segment__in=lifecycle.known_segments(actor))


def find_audience(audience_id: int, *, actor: Actor) -> Audience:
    """The audience of this id. Raises AudienceUnknown, also where it must not be known."""
    found = visible_audiences(actor).select_related("segment", "connection", "consent")
    audience = found.filter(pk=audience_id).first()
    if audience is None:
        raise AudienceUnknown(_("There is no audience %(id)s.") % {"id": audience_id})
    return audience


def list_connections() -> "QuerySet[VendorConnection]":
    """The accounts at vendors that keep lists, as long as access to them is not revoked."""
    return VendorConnection.objects.filter(
        kind__in=list_keeping_kinds(), revoked_at__isnull=True
    ).order_by("name")


@transaction.atomic
def begin_audience(
    segment: Segment,
    *,
    connection_id: int,
    actor: Actor,
    at: datetime,
    name: str = "",
    consent: str = "",
) -> Audience:
    """Mirror a segment as a list at a vendor; a worker begins at once.

    `name` is that of the list, the segment's where none is given; with `consent`, the key of one,
    only who gave it is put there. Raises AudienceInvalid with every fault, and what
    `lifecycle.hold_to_change` raises.
    """
    require(actor, CHANGE)
    segment = lifecycle.find_segment(segment.key, actor=actor)
    name = name.strip() or segment.name[:NAME_LIMIT]
    connection = list_connections().filter(pk=connection_id).first()
    definition = ConsentDefinition.objects.filter(key=consent).first() if consent else None
    _check(segment, connection, name, consent, definition)
    assert connection is not None
    try:
        with transaction.atomic():
            audience = Audience.objects.create(
                segment=segment,
                connection=connection,
                name=name,
                consent=definition,
                created_at=at,
            )
    except IntegrityError as error:
        words = _("The segment is sent to “%(name)s” already.") % {"name": connection.name}
        problems = [Problem("connection", "taken", words)]
        raise AudienceInvalid(words, problems=problems) from error
    record("begun", audience, actor, at, consent=[None, consent or None])
    _nudge(audience, at)
    return audience


@transaction.atomic
def pause_audience(audience: Audience, *, actor: Actor, at: datetime) -> Audience:
    """Leave its list as it is, until it is resumed. Again is harmless. Raises AudienceUnknown."""
    audience = _hold(audience, actor)
    if audience.state == State.ACTIVE:
        audience.state = State.PAUSED
        audience.save(update_fields=["state"])
        record("paused", audience, actor, at)
    return audience


@transaction.atomic
def resume_audience(audience: Audience, *, actor: Actor, at: datetime) -> Audience:
    """Mirror again, beginning at once; where its list was deleted there, on a new one.

    Raises AudienceUnknown, AudienceInvalid for one that is ending.
    """
    audience = _hold(audience, actor)
    if audience.state == State.ENDING:
        raise AudienceInvalid(_("Its list is being deleted."))
    audience.state, audience.error = State.ACTIVE, ""
    audience.save(update_fields=["state", "error"])
    record("resumed", audience, actor, at)
    _nudge(audience, at)
    return audience


@transaction.atomic
def end_audience(
    audience: Audience, *, delete_list: bool, actor: Actor, at: datetime
) -> Audience | None:
    """Mirror no more. With `delete_list` its list is deleted at the vendor first, by a worker.

    Else the list stays there as it is, and nobody is taken off it any more. None where it is gone
    at once. Raises AudienceUnknown, and ConnectionStill where the vendor cannot be asked.
    """
    audience = _hold(audience, actor)
    changes: dict[str, Any] = {"deletes_list": [None, delete_list]}
    record("ended", audience, actor, at, **changes)
    if not delete_list or not audience.list_id:
        AudienceMember.objects.filter(audience=audience).delete()
        audience.delete()
        return None
    if not audience.connection.is_enabled:
        words = _("“%(name)s” is not active: the list can be left there, but not deleted.")
        raise ConnectionStill(words % {"name": audience.connection.name})
    audience.state = State.ENDING
    audience.save(update_fields=["state"])
    _nudge(audience, at)
    return audience


def _hold(audience: Audience, actor: Actor) -> Audience:
    require(actor, CHANGE)
    find_audience(audience.pk, actor=actor)
    held = Audience.objects.select_for_update(of=("self",)).select_related("segment", "connection")
    return held.get(pk=audience.pk)


def _nudge(audience: Audience, at: datetime) -> None:
    """Have a worker mirror; where the connection is still, it waits until that goes on.

    As the system: who may send a segment need not be allowed to synchronize all else.
    """
    if audience.connection.is_enabled:
        vendor_syncing.request_sync(audience.connection_id, actor=SYSTEM, at=at, names=[SYNC])


def _check(
    segment: Segment,
    connection: VendorConnection | None,
    name: str,
    consent: str,
    definition: ConsentDefinition | None,
) -> None:
    problems = []
    if connection is None:
        words = _("Choose an account that keeps lists, and that is authorized.")
        problems.append(Problem("connection", "unknown", words))
    if len(name) > NAME_LIMIT:
        words = _("The name of a list has up to %(n)d letters.") % {"n": NAME_LIMIT}
        problems.append(Problem("name", "too_long", words))
    if consent and definition is None:
        words = _("There is no consent “%(key)s”.") % {"key": consent[:63]}
        problems.append(Problem("consent", "unknown", words))
    if segment.status == Segment.Status.ARCHIVED:
        words = _("An archived segment is sent nowhere.")
        problems.append(Problem("segment", "archived", words))
    if problems:
        raise AudienceInvalid(problems[0].message, problems=problems)


def record(what: str, audience: Audience, actor: Actor, at: datetime, **more: Any) -> None:
    """Write what was done with an audience into the trail of its segment."""
    changes = {"audience": [None, audience.name], "connection": [None, audience.connection.name]}
    audit.record(
        actor=actor,
        action=f"segment.audience_{what}",
        subject=audience.segment,
        changes=changes | more,
        at=at,
    )


def _uses(segment: Segment) -> list[Use]:
    return [
        Use(
            audience.name,
            key=str(audience.pk),
            url=reverse("admin:segments_segment_audiences", args=[segment.pk]),
            state=audience.get_state_display(),
            effect=gettext_lazy("its list stays as it is"),
        )
        for audience in segment.audiences.all()
    ]


def register() -> None:
    """Say that audiences use segments. May be called again."""
    uses.register_use(
        "audience",
        gettext_lazy("Audience"),
        _uses,
        find_ids=lambda: Audience.objects.values_list("segment_id", flat=True),
    )
