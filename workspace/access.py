"""Who acts, and what they may see, choose and do. The rule of user groups is written only here.

A thing that belongs to user groups is seen by the people and programs of these groups and by
administrators; to others it does not exist. A thing without a group is seen by all who have the
permission. Once a group's settings name a kind of thing, each of that kind needs a group
(behaviours AN-11, AN-12, AN-24).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser, Group
from django.db.models import CharField, Model, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest
from django.utils.translation import gettext as _

from workspace.errors import NotAllowed
from workspace.models import ApiUser, AuditEntry, Job, User, UserGroup

_Thing = TypeVar("_Thing", bound=Model)
# What long work is about → those of this kind that an actor may know of.
_known_subjects: dict[str, "Callable[[Actor], QuerySet[Any]]"] = {}

SCOPES = tuple(
    f"{room}:{verb}"
    for room in ("contacts", "segments", "loyalty", "journeys", "integrations", "workspace")
    for verb in ("read", "write")
)


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a program or the system itself, at the moment of acting.

    `permissions` are Django's names ("segments.change_segment") for people and scopes
    ("segments:write") for programs. An administrator may do and see everything.
    """

    kind: AuditEntry.ActorKind
    id: int | None
    label: str
    is_admin: bool = False
    group_ids: frozenset[int] = frozenset()
    permissions: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def name(self) -> str:
        """A short stable name, as "user:3"."""
        return self.kind if self.id is None else f"{self.kind}:{self.id}"

    def may(self, permission: str) -> bool:
        """Whether the actor has a permission, given as "app.verb_model"."""
        if self.is_admin:
            return True
        if self.kind == AuditEntry.ActorKind.API:
            return scope_of(permission) in self.permissions
        return permission in self.permissions


SYSTEM = Actor(AuditEntry.ActorKind.SYSTEM, None, "Regulars", is_admin=True)


def scope_of(permission: str) -> str:
    """The scope that a program needs for what Django calls `permission`."""
    app, _dot, verb = permission.partition(".")
    return f"{app}:{'read' if verb.startswith('view_') else 'write'}"


def actor_of_user(user: User) -> Actor:
    """A member of the staff."""
    return Actor(
        kind=AuditEntry.ActorKind.USER,
        id=user.pk,
        label=user.get_full_name() or user.get_username(),
        is_admin=user.is_active and user.is_superuser,
        group_ids=frozenset(user.groups.values_list("pk", flat=True)),
        permissions=frozenset(user.get_all_permissions()),
    )


def actor_of_api_user(api_user: ApiUser) -> Actor:
    """A program with a key."""
    return Actor(
        kind=AuditEntry.ActorKind.API,
        id=api_user.pk,
        label=api_user.name,
        group_ids=frozenset(api_user.groups.values_list("pk", flat=True)),
        permissions=frozenset(api_user.scopes),
    )


def actor_of(request: HttpRequest) -> Actor:
    """Who sent this request: an API user, or a person who is logged in.

    Raises NotAllowed for anybody else. Asked for once a request, then remembered on it.
    """
    known: Actor | None = getattr(request, "_regulars_actor", None)
    if known is None:
        user: Any = getattr(request, "user", None)
        api_user = getattr(request, "auth", None)
        if isinstance(api_user, ApiUser):
            known = actor_of_api_user(api_user)
        elif isinstance(user, User) and user.is_active:
            known = actor_of_user(user)
        elif user is None or isinstance(user, AnonymousUser):
            raise NotAllowed(_("Log in first."))
        else:
            raise NotAllowed(_("This account is closed."))
        request._regulars_actor = known  # type: ignore[attr-defined]
    return known


def require(actor: Actor, permission: str) -> None:
    """Raise NotAllowed unless the actor has `permission`."""
    if not actor.may(permission):
        raise NotAllowed(
            _("%(who)s lacks the permission %(permission)s. An administrator can give it.")
            % {"who": actor.label, "permission": permission}
        )


def visible(things: "QuerySet[_Thing]", actor: Actor) -> "QuerySet[_Thing]":
    """Those of `things` (of a model with `groups`) that the actor may know of."""
    if actor.is_admin:
        return things
    own = things.model._default_manager.filter(groups__in=actor.group_ids)
    return things.filter(Q(groups__isnull=True) | Q(pk__in=own.values("pk"))).distinct()


def is_visible(thing: Any, actor: Actor) -> bool:
    """Whether the actor may know of this one thing, which has `groups`."""
    if actor.is_admin:
        return True
    groups = {group.pk for group in thing.groups.all()}
    return not groups or bool(groups & actor.group_ids)


def register_subject(kind: str, known: "Callable[[Actor], QuerySet[Any]]") -> None:
    """Hide work about a `kind` of thing ("segment") from others who may not know of the thing."""
    _known_subjects[kind] = known


def known_subjects() -> "Mapping[str, Callable[[Actor], QuerySet[Any]]]":
    """By kind ("segment"), what gives those of the things of this kind that one may know of."""
    return dict(_known_subjects)


def knows_all(actor: Actor) -> bool:
    """Whether there is nothing that user groups keep from the actor."""
    if actor.is_admin:
        return True
    for known in _known_subjects.values():
        # Of each kind of thing a question of its own; a few kinds.
        things = known(SYSTEM).order_by()
        if not _has_groups(things.model):
            continue
        if things.exclude(pk__in=visible(things, actor).order_by().values("pk")).exists():
            return False
    return True


def _has_groups(model: type[Model]) -> bool:
    return any(one.name == "groups" for one in model._meta.get_fields())


def of_known_subjects(actor: Actor) -> Q:
    """Jobs that are not about something that the actor may not know of."""
    found = ~Q(pk__in=[])
    for kind, known in _known_subjects.items():
        things = known(actor).order_by().annotate(job_subject=_named(kind))
        named = things.values("job_subject")
        found &= ~Q(subject__startswith=f"{kind}:") | Q(subject__in=named)
    return found


def _named(kind: str) -> Concat:
    """What a job about a thing of this kind has for its subject."""
    return Concat(Value(f"{kind}:"), Cast("pk", CharField()))


def visible_jobs(actor: Actor) -> "QuerySet[Job]":
    """The long work that the actor started, and for who may look at the workspace that of others.

    Work about something that the actor may not know of stays hidden, also where he started it
    when he was in a group of the thing: it says its name.
    """
    if actor.is_admin:
        return Job.objects.all()
    own = Q(pk__in=[])
    if actor.kind == AuditEntry.ActorKind.API:
        own = Q(api_user_id=actor.id)
    elif actor.id is not None:
        own = Q(user_id=actor.id)
    for kind, known in _known_subjects.items():
        # What he began and what is gone since is still his work.
        things = known(SYSTEM).order_by()
        hidden = things.exclude(pk__in=known(actor).order_by().values("pk"))
        named = hidden.annotate(job_subject=_named(kind)).values("job_subject")
        own &= ~Q(subject__startswith=f"{kind}:") | ~Q(subject__in=named)
    if not actor.may("workspace.view_job"):
        return Job.objects.filter(own)
    return Job.objects.filter(own | of_known_subjects(actor))


def visible_among(jobs: "Sequence[Job]", actor: Actor) -> "list[Job]":
    """Those of a few jobs that `visible_jobs` would give; asks only about their own subjects."""
    if actor.is_admin:
        return list(jobs)
    sees_others = actor.may("workspace.view_job")
    mine = [job for job in jobs if sees_others or has_started(job, actor)]
    ids: dict[str, set[str]] = {}
    for job in mine:
        kind, _colon, thing = job.subject.partition(":")
        if kind in _known_subjects and thing.isdecimal():
            ids.setdefault(kind, set()).add(thing)
    hidden, gone = set[str](), set[str]()
    for kind, wanted in ids.items():
        there, known = (
            {
                str(pk)
                for pk in _known_subjects[kind](who)
                .order_by()
                .filter(pk__in=wanted)
                .values_list("pk", flat=True)
            }
            for who in (SYSTEM, actor)
        )
        hidden |= {f"{kind}:{pk}" for pk in there - known}
        gone |= {f"{kind}:{pk}" for pk in wanted - there}
    return [
        job
        for job in mine
        if job.subject not in hidden and (job.subject not in gone or has_started(job, actor))
    ]


def has_started(job: Job, actor: Actor) -> bool:
    """Whether this work is the actor's own."""
    is_api = actor.kind == AuditEntry.ActorKind.API
    owner_id = job.api_user_id if is_api else job.user_id
    return owner_id == actor.id is not None


def may_cancel(job: Job, actor: Actor) -> bool:
    """Whether the actor started this work, or may change that of others."""
    return has_started(job, actor) or actor.may("workspace.change_job")


def may_read_files(job: Job, actor: Actor) -> bool:
    """Whether the actor may read what the work left: rows of people, so it is nobody else's."""
    return has_started(job, actor) or actor.is_admin


def group_required(entity: UserGroup.Entity) -> bool:
    """Whether things of this kind must belong to a user group."""
    return UserGroup.objects.filter(entities__contains=[entity], is_role=False).exists()


def user_groups() -> "QuerySet[Group]":
    """All groups to which things can belong: roles are none."""
    return Group.objects.exclude(settings__is_role=True).order_by("name")


def choosable_groups(actor: Actor) -> "QuerySet[Group]":
    """The user groups that the actor may give to a thing: his own, an administrator any."""
    groups = user_groups()
    return groups if actor.is_admin else groups.filter(pk__in=actor.group_ids)
