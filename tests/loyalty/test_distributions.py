"""Distributions: who gets a card, when, once; what waits, is refused, pauses by itself."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from contacts import erasure, followed_events, merging
from contacts.events import IncomingEvent, record_events
from contacts.models import Contact, Event
from integrations import outbox, templates
from integrations.errors import TemplateInUse
from integrations.models import Delivery
from integrations.outbox import Finished
from loyalty.distribution import distribution_tasks, distributions
from loyalty.errors import (
    DistributionInvalid,
    DistributionNotDraft,
    DistributionNotManual,
    DistributionNotReady,
    DistributionUnknown,
)
from loyalty.gift_cards import campaigns, codes, publications
from loyalty.models import Campaign, CodeBatch, Distribution, DistributionTask, Holdout, Publication
from loyalty.programme import tiers
from loyalty.wallets.wallet import wallet_url
from segments import lifecycle, uses
from segments.errors import SegmentInactive
from tests.factories import NOW, make_contact
from tests.loyalty.distributions import (
    deliveries,
    holders,
    make_distribution,
    make_reviewers,
    make_template,
    make_webhook,
    run,
    states,
)
from tests.loyalty.factories import make_tier
from tests.loyalty.gift_cards import make_campaign
from tests.segments.factories import is_in, lives_in, make_segment, refresh
from workspace.access import SYSTEM, Actor
from workspace.errors import NotAllowed
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LATER = NOW + MINUTE


def moves_to(city: str, *people: Contact, segment: Any, at: Any = LATER) -> None:
    """People move, and the segment is calculated anew."""
    Contact.objects.filter(pk__in=[one.pk for one in people]).update(city=city)
    refresh(segment, as_of=at)


def faults(**given: Any) -> set[tuple[str, str]]:
    with pytest.raises(DistributionInvalid) as refused:
        make_distribution(is_active=False, **given)
    return {(one.path, one.code) for one in refused.value.problems}


class TestEnteringASegment:
    def test_each_who_enters_gets_one_card(self) -> None:
        segment = make_reviewers()
        distribution = make_distribution()
        anna, ola = make_contact(), make_contact()
        moves_to("Oslo", anna, ola, segment=segment)
        run(LATER)
        assert holders(distribution.campaign) == [anna.pk, ola.pk]
        assert states(distribution) == ["done", "done"]
        publication = Publication.objects.get(contact=anna)
        assert publication.distribution == distribution
        assert publication.metadata == {"distribution": "cards-for-reviewers"}
        assert Event.objects.filter(contact_id=anna.pk, message_id__startswith="publication:")

    def test_who_enters_again_gets_none_where_one_joins_once(self) -> None:
        segment = make_reviewers()
        distribution, anna = make_distribution(), make_contact()
        for minute, city in enumerate(("Oslo", "Bergen", "Oslo"), start=1):
            moves_to(city, anna, segment=segment, at=NOW + minute * MINUTE)
        run(NOW + DAY)
        assert states(distribution) == ["done", "refused"]
        assert holders(distribution.campaign) == [anna.pk]

    def test_each_entering_counts_where_one_may_join_again(self) -> None:
        segment = make_reviewers()
        campaign = make_campaign(count=5, join_once=False)
        distribution, anna = make_distribution(campaign=campaign.key), make_contact()
        for minute, city in enumerate(("Oslo", "Bergen", "Oslo"), start=1):
            moves_to(city, anna, segment=segment, at=NOW + minute * MINUTE)
        # What is told of again was told of before.
        change = DistributionTask.objects.latest("pk")
        assert change.cause.startswith("entered:")
        run(NOW + DAY)
        assert states(distribution) == ["done", "done"]
        assert holders(campaign) == [anna.pk, anna.pk]

    def test_who_leaves_gets_one_where_that_is_the_trigger(self) -> None:
        anna = make_contact(city="Oslo")
        segment = make_reviewers()
        trigger = {"kind": "segment_left", "key": "reviewers"}
        distribution = make_distribution(trigger=trigger)
        moves_to("Bergen", anna, segment=segment)
        run(LATER)
        assert holders(distribution.campaign) == [anna.pk]

    def test_nobody_leaves_because_the_segment_is_archived(self) -> None:
        make_contact(city="Oslo")
        segment = make_reviewers()
        trigger = {"kind": "segment_left", "key": "reviewers"}
        distribution = make_distribution(trigger=trigger)
        lifecycle.inactivate(segment, actor=SYSTEM, at=LATER)
        lifecycle.archive(segment, actor=SYSTEM, at=LATER)
        assert states(distribution) == []

    def test_who_is_in_it_already_gets_one_if_so_chosen_and_once(self) -> None:
        anna = make_contact(city="Oslo")
        segment = make_reviewers()
        campaign = make_campaign(count=5, join_once=False)
        distribution = make_distribution(campaign=campaign.key, include_present=True)
        ola = make_contact()
        moves_to("Oslo", ola, segment=segment)
        run(LATER)
        distributions.pause(distribution, actor=SYSTEM, at=LATER)
        distributions.activate(distribution, actor=SYSTEM, at=LATER)
        run(LATER)
        assert holders(campaign) == [anna.pk, ola.pk]

    def test_without_that_choice_they_get_none(self) -> None:
        make_contact(city="Oslo")
        make_reviewers()
        distribution = make_distribution()
        run()
        assert states(distribution) == []


class TestOtherTriggers:
    def test_an_event_gives_a_card_once(self) -> None:
        distribution = make_distribution(trigger={"kind": "event", "key": "review_left"})
        anna = make_contact()
        review = IncomingEvent(anna.pk, "review_left", NOW, {"rating": 5}, message_id="r1")
        for _time in range(2):
            record_events([review], received_at=NOW)
            followed_events.follow_events(distributions.FOLLOWER, NOW)
        run()
        assert holders(distribution.campaign) == [anna.pk]
        task = DistributionTask.objects.get()
        assert task.cause == "event:r1"
        assert task.context["event"]["properties"] == {"rating": 5}

    def test_events_from_before_or_while_paused_count_for_nothing(self) -> None:
        anna = make_contact()
        record_events([IncomingEvent(anna.pk, "review_left", NOW, {})], received_at=NOW)
        distribution = make_distribution(trigger={"kind": "event", "key": "review_left"})
        distributions.pause(distribution, actor=SYSTEM, at=NOW)
        record_events([IncomingEvent(anna.pk, "review_left", LATER, {})], received_at=LATER)
        followed_events.follow_events(distributions.FOLLOWER, LATER)
        assert states(distribution) == []

    def test_a_card_of_one_campaign_brings_one_of_another(self) -> None:
        first = make_campaign("First", count=1)
        trigger = {"kind": "publication", "key": first.key}
        distribution = make_distribution(trigger=trigger)
        other = make_campaign("Other", count=1)
        anna = make_contact()
        for campaign in (first, other):
            publications.publish(campaign=campaign, contact_id=anna.pk, actor=SYSTEM, at=NOW)
        followed_events.follow_events(distributions.FOLLOWER, NOW)
        run()
        assert holders(distribution.campaign) == [anna.pk]

    def test_campaigns_cannot_bring_each_other_for_ever(self) -> None:
        a, b, c = (make_campaign(name, count=1) for name in "abc")
        own = {"trigger": {"kind": "publication", "key": a.key}, "campaign": a.key}
        assert faults(**own) == {("trigger.key", "endless")}
        for before, after in ((a, b), (b, c)):
            trigger = {"kind": "publication", "key": before.key}
            make_distribution(name=f"{before} {after}", trigger=trigger, campaign=after.key)
        with pytest.raises(DistributionNotReady, match="for ever"):
            make_distribution(trigger={"kind": "publication", "key": c.key}, campaign=a.key)

    def test_a_new_tier_gives_a_card(self) -> None:
        make_tier("gold", 100)
        distribution = make_distribution(trigger={"kind": "tier_changed", "key": "gold"})
        anna, ola = make_contact(), make_contact()
        changes = [tiers.TierChange(anna.pk, "", "gold"), tiers.TierChange(ola.pk, "", "silver")]
        distribution_tasks.follow_tiers(changes, NOW)
        run()
        assert holders(distribution.campaign) == [anna.pk]


class TestSendingByHand:
    def make(self, **given: Any) -> Distribution:
        make_reviewers()
        trigger = {"kind": "manual", "key": "reviewers"}
        return make_distribution(is_active=False, trigger=trigger, **given)

    def test_everybody_in_the_segment_gets_one(self) -> None:
        people = [make_contact(city="Oslo").pk for _n in range(3)]
        distribution = self.make()
        assert distributions.send(distribution, actor=SYSTEM, at=NOW) == 3
        run()
        assert holders(distribution.campaign) == people
        distribution.refresh_from_db()
        assert distribution.state == "active"

    def test_or_one_contact_does(self) -> None:
        distribution, anna = self.make(), make_contact()
        distributions.send(distribution, actor=SYSTEM, at=NOW, contact_id=anna.pk)
        run()
        assert holders(distribution.campaign) == [anna.pk]

    def test_what_follows_by_itself_is_not_sent(self) -> None:
        make_reviewers()
        with pytest.raises(DistributionNotManual):
            distributions.send(make_distribution(), actor=SYSTEM, at=NOW)

    def test_an_inactive_segment_is_not_sent_to(self) -> None:
        distribution = self.make()
        assert distribution.segment is not None
        lifecycle.inactivate(distribution.segment, actor=SYSTEM, at=NOW)
        with pytest.raises(SegmentInactive):
            distributions.send(distribution, actor=SYSTEM, at=NOW)


class TestChannels:
    def test_an_email_is_queued_with_the_code_in_it(self) -> None:
        segment = make_reviewers()
        template = make_template(
            text="{{ contact.first_name }} {{ voucher.code }} {{ voucher.amount }}"
            " {{ voucher.currency }} {{ campaign.name }}",
            html="<a href='{{ wallet_url }}'>Wallet</a>",
        )
        distribution = make_distribution(channel="email", template=template.key)
        anna = make_contact(first_name="Anna", email="anna@example.com")
        moves_to("Oslo", anna, segment=segment)
        run(LATER)
        (mail,) = deliveries()
        code = Publication.objects.select_related("voucher").get().voucher.code  # type: ignore[union-attr]
        assert mail.payload["to"] == "anna@example.com"
        assert mail.payload["text"] == f"Anna {code} 25.00 USD Review gift cards"
        # The rest of the address says when it was made.
        assert wallet_url(anna.pk).split("/wallet/")[1].split(":")[0] in mail.payload["html"]
        assert (mail.kind, mail.subject) == ("email", f"distribution:{distribution.pk}")
        assert (mail.contact_id, mail.connection.kind) == (anna.pk, "email")

    def test_without_an_address_there_is_a_card_and_the_delivery_says_why_not_more(self) -> None:
        segment = make_reviewers()
        distribution = make_distribution(channel="email", template=make_template().key)
        anna = make_contact()
        moves_to("Oslo", anna, segment=segment)
        run(LATER)
        assert holders(distribution.campaign) == [anna.pk]
        task = DistributionTask.objects.get()
        assert (task.state, "no e-mail address" in task.problem) == ("done", True)
        (mail,) = deliveries()
        fail(mail)
        distribution.refresh_from_db()
        assert distribution.failures_in_a_row == 0

    def test_a_webhook_is_told_all_of_it(self) -> None:
        webhook = make_webhook()
        distribution = make_distribution(
            trigger={"kind": "event", "key": "review_left"},
            channel="webhook",
            connection=webhook.pk,
        )
        anna = make_contact()
        review = IncomingEvent(anna.pk, "review_left", NOW, {"rating": 5}, message_id="r1")
        record_events([review], received_at=NOW)
        followed_events.follow_events(distributions.FOLLOWER, NOW)
        run()
        (told,) = deliveries()
        assert (told.connection_id, told.kind) == (webhook.pk, "customer.publication.succeeded")
        body = told.payload
        assert body["type"] == "customer.publication.succeeded"
        assert body["data"]["contact_id"] == anna.pk
        assert body["data"]["amount"] == 2500
        assert body["data"]["distribution"] == distribution.key
        assert body["data"]["trigger"]["event"]["properties"] == {"rating": 5}

    def test_a_message_that_cannot_be_written_fails_and_is_tried_again_when_asked(self) -> None:
        segment = make_reviewers()
        template = make_template(text="{{ 1 | divided_by: contact.last_name.size }}")
        distribution = make_distribution(channel="email", template=template.key)
        anna = make_contact(email="anna@example.com")
        moves_to("Oslo", anna, segment=segment)
        run(LATER)
        assert states(distribution) == ["failed"]
        assert deliveries() == []
        templates.update_template(template, actor=SYSTEM, at=LATER, text="{{ voucher.code }}")
        assert distributions.retry(distribution, actor=SYSTEM, at=LATER) == 1
        run(LATER)
        assert states(distribution) == ["done"]
        assert len(deliveries()) == len(holders(distribution.campaign)) == 1


def fail(delivery: Delivery, error: str = "No.") -> None:
    """As the outbox does, when a delivery has failed for good."""
    told = Finished(
        delivery_id=delivery.pk,
        key=delivery.key,
        kind=delivery.kind,
        subject=delivery.subject,
        contact_id=delivery.contact_id,
        state="failed",
        error=error,
    )
    outbox._consumers["distributions"]([told], LATER)


class TestRefusals:
    def test_who_is_not_in_the_audience_gets_none(self) -> None:
        segment = make_reviewers()
        audience = {
            "combinator": "and",
            "rules": [{"field": "contact.first_name", "operator": "=", "value": "Anna"}],
        }
        distribution = make_distribution(audience=audience)
        anna, ola = make_contact(first_name="Anna"), make_contact(first_name="Ola")
        moves_to("Oslo", anna, ola, segment=segment)
        run(LATER)
        assert holders(distribution.campaign) == [anna.pk]
        refused = DistributionTask.objects.get(contact=ola)
        assert (refused.state, "for whom" in refused.problem) == ("refused", True)

    def test_who_is_set_aside_gets_none(self) -> None:
        segment = make_reviewers()
        campaign = make_campaign(count=40, holdout_percent=50)
        distribution = make_distribution(campaign=campaign.key)
        people = [make_contact() for _n in range(30)]
        moves_to("Oslo", *people, segment=segment)
        run(LATER)
        found = states(distribution)
        assert found.count("held_out") == Holdout.objects.count() > 0
        assert found.count("done") + found.count("held_out") == 30

    def test_without_codes_it_waits_and_goes_on_when_there_are_some(self) -> None:
        segment = make_reviewers()
        campaign = make_campaign(count=1)
        distribution = make_distribution(campaign=campaign.key)
        people = [make_contact() for _n in range(3)]
        moves_to("Oslo", *people, segment=segment)
        run(LATER)
        distribution.refresh_from_db()
        assert states(distribution).count("pending") == 2
        assert "no code left" in distribution.waiting_reason
        codes.make_codes(campaign, 5, kind=CodeBatch.Kind.GENERATED, actor=SYSTEM, at=LATER)
        run(LATER)
        assert len(holders(campaign)) == 1
        assert distribution.waits_until is not None
        run(distribution.waits_until)
        distribution.refresh_from_db()
        assert holders(campaign) == sorted(one.pk for one in people)
        assert not distribution.waiting_reason

    def test_it_waits_longer_each_time(self) -> None:
        segment = make_reviewers()
        distribution = make_distribution(campaign=make_campaign().key)
        moves_to("Oslo", make_contact(), segment=segment)
        at, pauses = LATER, []
        for _time in range(8):
            run(at)
            distribution.refresh_from_db()
            assert distribution.waits_until is not None
            pauses.append((distribution.waits_until - at).total_seconds())
            at = distribution.waits_until
        assert pauses == [10, 20, 40, 80, 160, 320, 600, 600]

    def test_a_campaign_that_refills_never_lets_it_wait(self) -> None:
        segment = make_reviewers()
        campaign = make_campaign(refill=True, refill_count=2)
        make_distribution(campaign=campaign.key)
        people = [make_contact() for _n in range(5)]
        moves_to("Oslo", *people, segment=segment)
        run(LATER)
        assert len(holders(campaign)) == 5

    def test_it_waits_for_the_begin_of_its_campaign(self) -> None:
        segment = make_reviewers()
        campaign = make_campaign(count=1, starts_at=NOW + DAY)
        make_distribution(campaign=campaign.key)
        moves_to("Oslo", make_contact(), segment=segment)
        run(LATER)
        assert holders(campaign) == []
        run(NOW + DAY)
        assert len(holders(campaign)) == 1

    def test_one_task_that_comes_to_grief_holds_up_nobody(self, monkeypatch: Any) -> None:
        segment = make_reviewers()
        distribution = make_distribution(campaign=make_campaign(count=20).key)
        people = [make_contact() for _n in range(12)]
        moves_to("Oslo", *people, segment=segment)
        poison = people[4].pk
        real = publications.publish_many

        def stumbles(campaign: Campaign, wishes: Any, **given: Any) -> Any:
            if any(wish.contact_id == poison for wish in wishes):
                raise ZeroDivisionError("poison")
            return real(campaign, wishes, **given)

        monkeypatch.setattr(publications, "publish_many", stumbles)
        run(LATER)
        assert states(distribution).count("done") == 11
        failed = DistributionTask.objects.get(state="failed")
        assert (failed.contact_id, "poison" in failed.problem) == (poison, True)


class TestPausing:
    def test_paused_it_collects_nothing_and_what_waits_goes_on_waiting(self) -> None:
        segment = make_reviewers()
        distribution = make_distribution()
        anna, ola = make_contact(), make_contact()
        moves_to("Oslo", anna, segment=segment)
        distributions.pause(distribution, actor=SYSTEM, at=LATER)
        moves_to("Oslo", ola, segment=segment, at=LATER + MINUTE)
        run(LATER + MINUTE)
        assert states(distribution) == ["pending"]
        distributions.activate(distribution, actor=SYSTEM, at=LATER + MINUTE)
        run(LATER + MINUTE)
        assert holders(distribution.campaign) == [anna.pk]

    def test_twelve_failures_in_a_row_pause_it_with_the_reason(self) -> None:
        segment = make_reviewers()
        distribution = make_distribution(
            campaign=make_campaign(count=20).key, channel="email", template=make_template().key
        )
        people = [make_contact(email=f"p{n}@example.com") for n in range(13)]
        moves_to("Oslo", *people, segment=segment)
        run(LATER)
        sent = deliveries()
        for delivery in sent[:11]:
            fail(delivery)
        distributions.note_success(distribution.pk)
        for delivery in sent[:12]:
            distribution.refresh_from_db()
            assert distribution.state == "active"
            fail(delivery, "550 Spam")
        distribution.refresh_from_db()
        assert distribution.state == "paused"
        assert "12 failed in a row" in distribution.paused_reason
        assert "550 Spam" in distribution.paused_reason
        assert AuditEntry.objects.filter(action="distribution.paused", actor_kind="system")

    def test_a_connection_that_is_disabled_pauses_it_with_the_reason(self) -> None:
        webhook = make_webhook()
        make_reviewers()
        distribution = make_distribution(channel="webhook", connection=webhook.pk)
        type(webhook).objects.filter(pk=webhook.pk).update(
            is_enabled=False, disabled_reason="It failed 13 times.", disabled_at=NOW
        )
        run()
        distribution.refresh_from_db()
        assert (distribution.state, "13 times" in distribution.paused_reason) == ("paused", True)
        with pytest.raises(DistributionNotReady, match="disabled"):
            distributions.activate(distribution, actor=SYSTEM, at=NOW)

    def test_a_campaign_that_is_disabled_pauses_it_and_nothing_is_lost(self) -> None:
        segment = make_reviewers()
        distribution = make_distribution()
        moves_to("Oslo", make_contact(), segment=segment)
        campaigns.disable_campaign(distribution.campaign, actor=SYSTEM, at=LATER)
        run(LATER)
        distribution.refresh_from_db()
        assert (distribution.state, "disabled" in distribution.paused_reason) == ("paused", True)
        assert states(distribution) == ["pending"]


class TestMakingAndChanging:
    def test_all_faults_are_told_at_once(self) -> None:
        make_reviewers()
        assert faults(name=" ", trigger={"kind": "moon"}, campaign="none", channel="email") == {
            ("name", "required"),
            ("trigger.kind", "invalid_choice"),
            ("campaign", "campaign_unknown"),
            ("template", "template_unknown"),
        }
        webhook = make_webhook(is_enabled=False, disabled_at=NOW)
        assert faults(channel="webhook", connection=webhook.pk) == {
            ("connection", "webhook_disabled")
        }

    @pytest.mark.parametrize(
        ("trigger", "code"),
        [
            ({"kind": "segment_entered", "key": ""}, "required"),
            ({"kind": "segment_entered", "key": "none"}, "segment_unknown"),
            ({"kind": "event", "key": ""}, "required"),
            ({"kind": "event", "key": "customer.publication.succeeded"}, "invalid_choice"),
            ({"kind": "publication", "key": "none"}, "campaign_unknown"),
            ({"kind": "tier_changed", "key": "none"}, "tier_unknown"),
        ],
    )
    def test_a_trigger_names_something_that_there_is(self, trigger: Any, code: str) -> None:
        assert ("trigger.key", code) in faults(trigger=trigger)

    def test_an_inactive_segment_cannot_be_chosen_and_the_one_there_may_stay(self) -> None:
        segment = make_reviewers()
        distribution = make_distribution(is_active=False)
        lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
        again = {"kind": "segment_entered", "key": "reviewers"}
        distributions.update_distribution(
            distribution, actor=SYSTEM, at=NOW, trigger=again, name="Other"
        )
        with pytest.raises(SegmentInactive):
            distributions.activate(distribution, actor=SYSTEM, at=NOW)
        assert ("trigger.key", "segment_inactive") in faults(campaign=distribution.campaign.key)

    def test_trigger_and_campaign_stay_once_it_was_active(self) -> None:
        make_reviewers()
        distribution = make_distribution()
        other = make_campaign("Other")
        with pytest.raises(DistributionInvalid) as refused:
            distributions.update_distribution(
                distribution, actor=SYSTEM, at=NOW, campaign=other.key
            )
        assert refused.value.problems[0].code == "fixed"
        changed = distributions.update_distribution(
            distribution, actor=SYSTEM, at=NOW, name="New", campaign=distribution.campaign.key
        )
        assert changed.name == "New"

    def test_only_drafts_are_deleted(self) -> None:
        make_reviewers()
        draft = make_distribution(is_active=False)
        distributions.delete_distribution(draft, actor=SYSTEM, at=NOW)
        kept = make_distribution(campaign=make_campaign("Other").key)
        distributions.pause(kept, actor=SYSTEM, at=NOW)
        with pytest.raises(DistributionNotDraft):
            distributions.delete_distribution(kept, actor=SYSTEM, at=NOW)

    def test_it_is_seen_where_its_campaign_is(self) -> None:
        make_reviewers()
        campaign = make_campaign(count=1)
        distribution = make_distribution(campaign=campaign.key)
        campaign.groups.add(Group.objects.create(name="Poland"))
        permissions = frozenset({"loyalty.change_distribution", "loyalty.view_distribution"})
        stranger = Actor(AuditEntry.ActorKind.USER, 1, "Stranger", permissions=permissions)
        with pytest.raises(DistributionUnknown):
            distributions.find_distribution(distribution.key, actor=stranger)
        with pytest.raises(DistributionUnknown):
            distributions.update_distribution(distribution, actor=stranger, at=NOW, name="x")
        with pytest.raises(NotAllowed):
            distributions.activate(distribution, actor=stranger, at=NOW)

    def test_what_it_uses_is_told(self) -> None:
        segment, template = make_reviewers(), make_template()
        make_distribution(channel="email", template=template.key)
        (use,) = [one for one in uses.uses_of(segment, actor=SYSTEM) if one.kind == "distribution"]
        assert (use.name, "nobody gets a card" in str(use.effect)) == ("Cards for reviewers", True)
        assert segment.pk in uses.used_ids([segment])
        with pytest.raises(TemplateInUse):
            templates.delete_template(template, actor=SYSTEM, at=NOW)

    def test_the_audience_counts_as_a_use(self) -> None:
        make_reviewers()
        named = make_segment("bergen", lives_in("Bergen"))
        refresh(named)
        make_distribution(audience=is_in("bergen"))
        assert [one.kind for one in uses.uses_of(named, actor=SYSTEM)] == ["distribution"]


class TestContactsThatGo:
    def test_who_is_erased_gets_nothing_any_more(self) -> None:
        segment = make_reviewers()
        distribution = make_distribution()
        anna = make_contact()
        moves_to("Oslo", anna, segment=segment)
        erasure.erase_contact(anna.pk, actor=SYSTEM, at=LATER)
        run(LATER)
        assert (states(distribution), holders(distribution.campaign)) == ([], [])

    def test_of_two_who_become_one_what_waits_is_done_for_the_survivor(self) -> None:
        segment = make_reviewers()
        distribution = make_distribution()
        anna, twin = make_contact(), make_contact()
        moves_to("Oslo", anna, twin, segment=segment)
        merging.merge_contacts(anna.pk, twin.pk, actor=SYSTEM, cause="test", at=LATER)
        assert list(DistributionTask.objects.values_list("contact_id", flat=True)) == [anna.pk]
        run(LATER)
        assert holders(distribution.campaign) == [anna.pk]
