"""A workspace in which one user group keeps a segment, and all that is about it, from another.

Everything that says something of the segment holds a sentinel, so that a test can search answers
for it. The person outside has every permission there is, made some of it himself when he was in
the group, and owns the segment: only the group stands between him and it.
"""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.utils import timezone

from contacts.models import IdentityRule, Tag
from integrations.bounces.heard import Told, hear
from integrations.models import Delivery, VendorConnection, Webhook
from integrations.sources import create_source
from journeys import journeys, publishing
from journeys.models import Message, Participant, Rehearsal, Transition
from journeys.trying import profiles
from loyalty.distribution.distributions import create_distribution
from loyalty.models import DistributionTask, EarnRule, Member
from loyalty.rewards.claims import claim
from loyalty.rewards.mechanisms import create_mechanism
from loyalty.validation_rules import rules
from segments import (
    actions,
    checkups,
    export_schedules,
    exports,
    files,
    lifecycle,
    membership,
    saved_criteria,
)
from segments.announcements import ENTERED, EXPORT_READY, LEFT, REFRESHED
from segments.audiences.models import Audience
from segments.export_settings import Wanted
from segments.models import Segment
from tests.admin.workspace import furnish
from tests.journeys.drawings import in_a_row, node
from tests.loyalty.raw_cards import make_campaign, make_cards, post, publish_card
from tests.segments.factories import is_in, make_segment
from workspace import audit, jobs
from workspace.access import SCOPES, SYSTEM, actor_of_user
from workspace.keys import create_api_user
from workspace.models import ApiUser, Job, User, UserGroup
from workspace.roles import give_role

NAME, KEY, ID = "Zzyzx-secret-name", "zzyzx-secret-key", 1_987_654_321
# What stands in the same places and never was.
BOGUS_KEY, BOGUS_ID = "qqqqq-nobody-key", 1_123_456_789
_TRACE = re.compile(rf"zzyzx.?secret|{ID}", re.IGNORECASE)


def traces(*texts: str) -> list[str]:
    """What in the texts says something of the secret, with some words around it."""
    return [
        text[max(0, found.start() - 60) : found.end() + 40]
        for text in texts
        for found in _TRACE.finditer(text)
    ]


@dataclass(slots=True)
class Secret:
    """The secret, who knows of it, who does not, and what is about it by model ("app.model")."""

    segment: Segment
    shared: Segment
    member_id: int
    poland: Group
    france: Group
    things: dict[str, Any] = field(default_factory=dict)
    people: dict[str, User] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def session(self, who: str) -> Client:
        """A browser in which this person is logged in."""
        client = Client(raise_request_exception=False)
        client.force_login(self.people[who], "django.contrib.auth.backends.ModelBackend")
        return client

    def program(self, which: str) -> Client:
        """A client that sends this key."""
        headers = {"Authorization": f"Api-Key {self.keys[which]}"}
        return Client(raise_request_exception=False, headers=headers)


def hide_something() -> Secret:
    """Make it all."""
    # A sequence goes on where the test before has left it.
    _count_on_from(1000)
    furnish(1, prefix="plain")
    create_source(name="Plain shop", actor=SYSTEM, at=timezone.now())
    IdentityRule.objects.create(namespace="plain", priority=40, value_limit=5)
    # It hears of all that happens to the secret.
    Webhook.objects.update(event_types=[ENTERED, LEFT, REFRESHED, EXPORT_READY])
    _count_on_from(ID)
    poland, france = (Group.objects.create(name=name) for name in ("Poland", "France"))
    entities = [UserGroup.Entity.SEGMENT, UserGroup.Entity.EXPORT]
    UserGroup.objects.create(group=poland, entities=entities)
    UserGroup.objects.create(group=france)
    people = _people(poland, france)
    outsider = people["outsider"]
    outsider.groups.add(poland)
    once = actor_of_user(User.objects.get(pk=outsider.pk))
    segment = _secret_segment(once)
    _count_on_from(2000)
    shared = _shared_segment()
    found = Secret(segment, shared, 0, poland, france, people=people, keys=_keys(poland, france))
    found.member_id = segment.membership_set.get().contact_id
    found.things = {**_things_about(segment, once), **_secret_cards(poland, found.member_id)}
    found.things |= _distributions_about(france, found)
    found.things |= _journeys_about(found)
    found.things["journeys.message"] = _message_to(found.things["journeys.participant"])
    outsider.groups.remove(poland)
    return found


def _count_on_from(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('segments_segment_id_seq', %s, false)", [number])


def _people(poland: Group, france: Group) -> dict[str, User]:
    people = {}
    for name, role, groups in (
        ("administrator", "administrator", ()),
        ("insider", "marketer", (poland,)),
        ("analyst", "analyst", (poland,)),
        ("marketer", "marketer", (france,)),
    ):
        people[name] = User.objects.create(username=name, is_staff=True)
        give_role(people[name], role)
        people[name].groups.add(*groups)
    people["outsider"] = User.objects.create(username="outsider", is_staff=True)
    people["outsider"].user_permissions.set(Permission.objects.all())
    people["outsider"].groups.add(france)
    return people


def _keys(poland: Group, france: Group) -> dict[str, str]:
    read = [scope for scope in SCOPES if scope.endswith(":read")]
    return {
        name: create_api_user(
            name=f"{name} program",
            actor=SYSTEM,
            at=timezone.now(),
            scopes=scopes,
            groups=groups,
            requests_per_minute=100_000,
        )[1]
        for name, scopes, groups in (
            ("insider", SCOPES, (poland,)),
            ("reader", read, (poland,)),
            ("outsider", SCOPES, (france,)),
            ("groupless", SCOPES, ()),
        )
    }


def _secret_segment(once: Any) -> Segment:
    """The segment, calculated, changed and once failed; the one outside is its owner."""
    now = timezone.now()
    tag = Tag.objects.get(key="plain0")
    rules = [
        {"field": "tag", "operator": "in", "value": [tag.key]},
        {"field": "contact.city", "operator": "!=", "value": "Zzyzx-secret-city"},
    ]
    segment = lifecycle.create_segment(
        actor=once,
        at=now,
        name=NAME,
        key=KEY,
        description="Zzyzx-secret-description",
        criteria={"combinator": "and", "rules": rules},
        groups=["Poland"],
        refresh_mode="interval",
        refresh_amount=1,
        refresh_unit="hour",
        readiness_hours=5,
    )
    assert segment.pk == ID
    membership.refresh(segment.pk, as_of=now, cause="test")
    Segment.objects.filter(pk=ID).update(failure="Zzyzx-secret-failure", failed_at=now)
    segment.refresh_from_db()
    return segment


def _shared_segment() -> Segment:
    """A segment of the other group whose criteria name the secret, changed since."""
    now = timezone.now()
    shared = lifecycle.create_segment(
        actor=SYSTEM, at=now, key="shared", name="Shared", criteria=is_in(KEY), groups=["France"]
    )
    criteria = {"combinator": "and", "rules": is_in(KEY, "plain0")["rules"]}
    shared = lifecycle.update_segment(shared, actor=SYSTEM, at=now, criteria=criteria)
    membership.refresh(shared.pk, as_of=now, cause="test")
    return shared


def _things_about(segment: Segment, once: Any) -> dict[str, Any]:
    """What there is about the secret; all of it was begun by the person who is outside now."""
    now = timezone.now()
    export = exports.request_export(segment=segment, groups=["Poland"], actor=once, at=now)
    assert export.job is not None
    jobs.run(export.job.pk)
    export.refresh_from_db()
    other = jobs.start(
        membership.REFRESH_JOB,
        title=f"Refresh “{NAME}”",
        actor=SYSTEM,
        subject=f"segment:{segment.pk}",
    )
    Job.objects.filter(pk=other.pk).update(message="Zzyzx-secret-message")
    entry = audit.record(
        actor=once, action="segment.refreshed", subject=segment, changes={"by": [None, KEY]}, at=now
    )
    action = actions.plan_action(segment, actor=once, at=now, kind="add_tag", key="plain0")
    consent = actions.plan_action(segment, actor=once, at=now, kind="add_consent", key="plain0")
    jobs.run(consent.runs.get().job_id or 0)
    planned = actions.plan_action(
        segment, actor=once, at=now, kind="add_tag", key="plain0", when="after_refresh"
    )
    schedule = export_schedules.create_schedule(
        Wanted(segment=segment, groups=["Poland"]), actor=once, at=now, amount=1, unit="day"
    )
    job = membership.request_refresh(segment, actor=once, at=now)
    _shared_file_about(KEY)
    of_file = _segment_of_a_file(once)
    kept = saved_criteria.create_saved_criteria(
        actor=once,
        at=now,
        name="Zzyzx-secret-words",
        key=f"{KEY}-words",
        criteria=is_in(KEY),
        groups=["Poland"],
    )
    saved_criteria.create_saved_criteria(
        actor=SYSTEM, at=now, name="Shared words", criteria=is_in(KEY), groups=["France"]
    )
    told = Delivery.objects.filter(subject=f"segment:{segment.pk}")
    twin = {"field": "contact.city", "operator": "=", "value": "Twintown"}
    _find_something_wrong(twin, once)
    mechanism, claimed = _mechanisms_about(segment)
    # Of the workspace, and nobody's secret.
    hear([Told("hard_bounce", "gone@example.com", "dsn", "1", now)], at=now)
    EarnRule.objects.create(key="plain", name="Plain", event_name="bought", points_per_event=1)
    audience = Audience.objects.create(
        segment=segment,
        connection=VendorConnection.objects.earliest("pk"),
        name="Zzyzx-secret-list",
        list_name="Zzyzx-secret-list",
        error="Zzyzx-secret-trouble",
        created_at=now,
    )
    # Everybody may look at rules; what they name is masked.
    rules.create_rule(actor=once, at=now, key="about-it", name="Rule", document=is_in(KEY))
    return {
        "loyalty.mechanism": mechanism,
        "loyalty.claim": claimed,
        "segments.savedcriteria": kept,
        "segments.audience": audience,
        "integrations.delivery": told.earliest("pk"),
        "of_file": of_file,
        "segments.contactlist": of_file.contact_lists.get(),
        "segments.segment": segment,
        "segments.segmentaction": planned,
        "segments.segmentactionrun": action.runs.get(),
        "segments.exportschedule": schedule,
        "segments.export": export,
        "workspace.job": job,
        "workspace.auditentry": entry,
    }


def _secret_cards(poland: Group, contact_id: int) -> dict[str, Any]:
    """A campaign of the group, with a card that the contact of the secret has and used."""
    now = timezone.now()
    campaign = make_campaign(f"{KEY}-cards")
    campaign.groups.add(poland)
    make_campaign("plain-cards")
    card, _left = make_cards(campaign, 2, prefix="ZZYZX-SECRET-")
    publish_card(card, contact_id, now)
    post(card, "redemption", 1000, now)
    card.refresh_from_db()
    return {
        "loyalty.campaign": campaign,
        "loyalty.codebatch": campaign.batches.get(),
        "loyalty.voucher": card,
        "loyalty.publication": card.publications.get(),
        "loyalty.redemption": card.redemptions.get(),
        "loyalty.cardposting": card.postings.get(),
    }


def _distributions_about(france: Group, secret: Secret) -> dict[str, Any]:
    """One that gives the cards of the group, and one of the others that names the segment."""
    now = timezone.now()
    given: dict[str, Any] = {
        "actor": SYSTEM,
        "at": now,
        "trigger": {"kind": "segment_entered", "key": KEY},
        "audience": is_in(KEY),
    }
    distribution = create_distribution(
        key=f"{KEY}-distribution",
        name="Zzyzx-secret-distribution",
        campaign=secret.things["loyalty.campaign"].key,
        **given,
    )
    shared = make_campaign("shared-cards")
    shared.groups.add(france)
    create_distribution(key="shared", name="Shared cards", campaign=shared.key, **given)
    task = DistributionTask.objects.create(
        distribution=distribution,
        contact_id=secret.member_id,
        cause="Zzyzx-secret-cause",
        problem="Zzyzx-secret-problem",
        due_at=now,
    )
    return {"loyalty.distribution": distribution, "loyalty.distributiontask": task}


def _journeys_about(secret: Secret) -> dict[str, Any]:
    """One of the group with the contact in it, and one of the others that names all of it."""
    now = timezone.now()
    start = node("start", "read_segment", segment=KEY)
    asks = node("if", "condition", paths=[{"name": "a", "criteria": is_in(KEY)}])
    wait = node("wait", "wait", duration={"amount": 1, "unit": "day"})
    journey = journeys.create_journey(
        actor=SYSTEM,
        at=now,
        name="Zzyzx-secret-journey",
        key=f"{KEY}-journey",
        description="Zzyzx-secret-words",
        drawing=in_a_row(start, wait, asks),
        settings={"goal": {"criteria": is_in(KEY)}},
        groups=["Poland"],
    )
    version = publishing.publish(journey, actor=SYSTEM, at=now)
    gives = node("card", "voucher", campaign=secret.things["loyalty.campaign"].key)
    jumps = node("jump", "jump", journey=journey.key)
    shared = journeys.create_journey(
        actor=SYSTEM,
        at=now,
        name="Shared journey",
        key="shared-journey",
        drawing=in_a_row(start, wait, gives, jumps, asks),
        settings={"exit": {"criteria": is_in(KEY)}},
        groups=["France"],
    )
    publishing.publish(shared, actor=SYSTEM, at=now)
    # One of the others, whose criteria ask who is on the secret one.
    asks_who = {"field": "journey.inside", "operator": "in", "value": [journey.key]}
    rules = {"combinator": "and", "rules": [asks_who]}
    make_segment("shared-on-a-journey", rules, name="Shared by all", groups=["France"])
    participant = Participant.objects.create(
        journey=journey,
        version=version,
        contact_id=secret.member_id,
        place=0,
        state="waiting",
        steps=1,
        arrived_at=now,
        wake_at=now + timedelta(days=1),
        entered_at=now,
        entrance="Zzyzx-secret-cause",
    )
    Transition.objects.create(
        participant=participant, step=1, to_place=0, cause="entered", at=now, noticed_at=now
    )
    rehearsal = Rehearsal.objects.create(
        journey=journey, draft_number=1, days=30, created_at=now, result=None
    )
    profiles.mark([secret.member_id], actor=SYSTEM, at=now)
    return {
        "journeys.journey": journey,
        "journeys.participant": participant,
        "journeys.rehearsal": rehearsal,
    }


def _message_to(participant: Participant) -> Message:
    """One that the journey of the group sent."""
    now = timezone.now()
    return Message.objects.create(
        journey_id=participant.journey_id,
        version_id=participant.version_id,
        participant=participant,
        node="first",
        channel="email",
        contact_id=participant.contact_id,
        state="sent",
        subject="Zzyzx-secret-subject",
        created_at=now,
        due_at=now,
        sent_at=now,
    )


def _mechanisms_about(segment: Segment) -> tuple[Any, Any]:
    """A reward of the group that a member has, a challenge, and one of others for the segment."""
    now = timezone.now()
    contact_id = segment.membership_set.get().contact_id
    Member.objects.get_or_create(contact_id=contact_id, defaults={"joined_at": now})
    _count_mechanisms_on_from(ID)
    given: dict[str, Any] = {"actor": SYSTEM, "at": now, "segments": [KEY]}
    secret = create_mechanism(
        kind="reward",
        name="Zzyzx-secret-reward",
        key=f"{KEY}-reward",
        restricted_message="Zzyzx-secret-message",
        groups=["Poland"],
        **given,
    )
    _count_mechanisms_on_from(2000)
    create_mechanism(
        kind="challenge",
        name="Zzyzx-secret-challenge",
        key=f"{KEY}-challenge",
        groups=["Poland"],
        settings={"event": "bought plain0", "threshold": 3},
        **given,
    )
    create_mechanism(kind="offer", name="Shared offer", groups=["France"], **given)
    made = claim(secret, contact_id=contact_id, cause="Zzyzx-secret-cause", actor=SYSTEM, at=now)
    return secret, made


def _count_mechanisms_on_from(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('loyalty_mechanism_id_seq', %s, false)", [number])


def _segment_of_a_file(once: Any) -> Segment:
    """Another secret, whose members stand in a file."""
    with NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("email\nplain0@example.com\nzzyzx-secret@example.com\n")
        file.flush()
        found = files.create_segment(
            Path(file.name),
            file_name="zzyzx-secret-file.csv",
            actor=once,
            at=timezone.now(),
            name="Zzyzx-secret-list",
            key=f"{KEY}-list",
            groups=["Poland"],
        )
    return Segment.objects.get(key=found.segment)


def _find_something_wrong(rule: Any, once: Any) -> None:
    """Two segments that say the same, one of each group: each is told to be a duplicate."""
    criteria = {"combinator": "and", "rules": [rule]}
    for name, group, actor in (("Zzyzx-secret-twin", "Poland", once), ("Twin", "France", SYSTEM)):
        made = lifecycle.create_segment(
            actor=actor, at=timezone.now(), name=name, criteria=criteria, groups=[group]
        )
        membership.refresh(made.pk, as_of=timezone.now(), cause="test")
    checkups.check_all(as_of=timezone.now())


def _shared_file_about(key: str) -> None:
    """An export of the other group, and a schedule of it, whose criteria name the secret."""
    now, administrator = timezone.now(), SYSTEM
    wanted = Wanted(criteria=is_in(key), groups=["France"])
    export_schedules.create_schedule(wanted, actor=administrator, at=now, amount=1, unit="day")
    exports.request_export(criteria=is_in(key), groups=["France"], actor=administrator, at=now)


def api_user_of(name: str) -> ApiUser:
    """The API user with a key of that name."""
    return ApiUser.objects.get(name=f"{name} program")
