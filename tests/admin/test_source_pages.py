"""Sources on the screen: added, set up, watched live, mended; who may do what."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.models import AttributeDefinition, Contact, Event
from integrations import digestion, inbox, received_events
from integrations.models import HeldEvent, InboundRequest, ReceivedEvent, Source, TraitMapping
from integrations.received_events import Choice
from integrations.sources import create_source, set_signing_secret
from tests.admin.conftest import MakePerson
from tests.admin.workspace import receive_some
from workspace.access import SYSTEM
from workspace.keys import create_api_user, find_api_user
from workspace.models import ApiUser, AuditEntry, Job

READ = ("integrations.view_source", "integrations.view_heldevent", "contacts.view_contact")


@pytest.fixture
def source() -> Source:
    return create_source(name="Shop", actor=SYSTEM, at=timezone.now())[0]


def page_of(source: Source, page: str = "change") -> str:
    return reverse(f"admin:integrations_source_{page}", args=[source.pk])


def send(source: Source, *messages: dict[str, Any]) -> None:
    """What the source sends, received and digested."""
    now = timezone.now()
    body = json.dumps({"batch": list(messages)})
    inbox.receive(
        source_id=source.pk,
        call="batch",
        body=body,
        event_count=len(messages),
        received_at=now,
    )
    digestion.digest(now)


def track(name: str | None = "review_left", *, user: str = "A-1", **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": name, "userId": user, **more}


def test_a_source_is_chosen_from_the_catalog_named_and_set_up(admin: Client) -> None:
    add = reverse("admin:integrations_source_add")
    catalog = admin.get(add).content.decode()
    for kind in ("server", "web", "webhook", "voucherify"):
        assert f'href="?kind={kind}"' in catalog
    assert reverse("admin:contacts_event_import") in catalog

    answer = admin.post(f"{add}?kind=server", {"name": "Shop server"}, follow=True)

    source = Source.objects.get()
    assert (source.name, source.kind) == ("Shop server", "server")
    page = answer.content.decode()
    key = re.search(r"wk_[A-Za-z0-9]{32}", page)
    assert key is not None
    assert "curl http" in page
    assert f"-u {key[0]}:" in page
    assert "Waiting for the first event" in page
    assert "no-store" in answer["Cache-Control"]
    again = admin.post(f"{add}?kind=server", {"name": "shop server"}).content.decode()
    assert "There is a source “Shop server”" in again


def test_a_webhook_shows_its_address_and_the_secret_that_signs(admin: Client) -> None:
    source, _key = create_source(name="Segment", kind="webhook", actor=SYSTEM, at=timezone.now())
    page = admin.get(page_of(source, "setup")).content.decode()
    assert f"/webhooks/segment/{source.key}" in page
    assert "Make a secret" in page
    made = reverse("admin:integrations_source_action", args=[source.pk, "new_signing_secret"])
    assert "Shared secret" in admin.post(made, follow=True).content.decode()
    secret = set_signing_secret(source.key, actor=SYSTEM, at=timezone.now(), secret="a1b2c3d4e5f6")
    assert secret in admin.get(page_of(source, "setup")).content.decode()


def test_a_compatible_source_gets_an_api_user_whose_key_is_shown_once(
    admin: Client, make_person: MakePerson
) -> None:
    now = timezone.now()
    source, _key = create_source(name="Vouchers", kind="voucherify", actor=SYSTEM, at=now)
    assert "No API user is connected" in admin.get(page_of(source, "setup")).content.decode()

    answer = admin.post(page_of(source, "new_api_user"))

    key = re.search(r"regulars_[0-9a-z]{12}_[\w-]{43}", answer.content.decode())
    assert key is not None
    assert "no-store" in answer["Cache-Control"]
    made = ApiUser.objects.get()
    assert find_api_user(key[0]) == made
    assert (made.name, made.scopes) == ("Vouchers", ["contacts:read", "contacts:write"])
    source.refresh_from_db()
    assert source.api_user_id == made.pk
    page = admin.get(page_of(source, "setup")).content.decode()
    assert f"X-App-Id: {made.pk}" in page
    assert key[0] not in page

    other, _key = create_api_user(name="Other", scopes=[], actor=SYSTEM, at=now)
    chosen = admin.post(page_of(source, "api_user"), {"api_user": other.pk}, follow=True)
    assert "lacks contacts:read, contacts:write" in chosen.content.decode()
    create_source(name="Second", kind="voucherify", api_user=made.pk, actor=SYSTEM, at=now)
    taken = admin.post(page_of(source, "api_user"), {"api_user": made.pk}, follow=True)
    assert "sends as another source" in taken.content.decode()

    changer = make_person(*READ, "integrations.change_source")
    assert changer.post(page_of(source, "api_user"), {"api_user": ""}).status_code == 403
    assert changer.post(page_of(source, "new_api_user")).status_code == 403
    assert "Save" not in changer.get(page_of(source, "setup")).content.decode()


def test_the_key_is_shown_only_to_who_may_change_the_source(
    make_person: MakePerson, source: Source
) -> None:
    for page in ("setup", "settings"):
        shown = make_person(*READ).get(page_of(source, page)).content.decode()
        assert not re.search(r"wk_[A-Za-z0-9]{32}", shown)
    changer = make_person(*READ, "integrations.change_source")
    assert re.search(r"wk_[A-Za-z0-9]{32}", changer.get(page_of(source, "setup")).content.decode())


def test_who_may_only_look_changes_nothing(make_person: MakePerson, source: Source) -> None:
    receive_some(source)
    reader = make_person(*READ)
    held = HeldEvent.objects.get()
    for page in ("change", "setup", "debugger", "held", "traits", "settings"):
        assert reader.get(page_of(source, page)).status_code == 200, page
    assert "Replay" not in reader.get(page_of(source, "held")).content.decode()
    event = reverse("admin:integrations_heldevent_change", args=[held.pk])
    assert "Fix and replay" not in reader.get(event).content.decode()
    deal = reverse("admin:integrations_heldevent_deal")
    refused = [
        reader.get(reverse("admin:integrations_source_add")),
        reader.post(page_of(source, "settings"), {"name": "X", "new_traits": "make"}),
        reader.post(page_of(source, "traits"), {"trait_0": "city", "target_0": "nowhere"}),
        reader.post(page_of(source, "retire"), {"key": "1"}),
        reader.post(reverse("admin:integrations_source_action", args=[source.pk, "disable"])),
        reader.post(event, {"body": "{}"}),
        reader.post(deal, {"id": held.pk, "verb": "dismiss"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    nobody = make_person()
    for page in ("change", "debugger", "rows", "first_event", "event"):
        assert nobody.get(page_of(source, page)).status_code == 403, page


def test_rows_that_arrive_are_asked_for_by_the_newest_id(admin: Client, source: Source) -> None:
    send(source, track())
    page = admin.get(page_of(source, "debugger")).content.decode()
    newest = received_events.newest_id(source.pk)
    assert f'data-newest="{newest}"' in page
    assert "review_left" in page

    def ask(**words: Any) -> dict[str, Any]:
        found: dict[str, Any] = admin.get(page_of(source, "rows"), words).json()
        return found

    assert ask(after=newest, known=newest)["count"] == 0
    send(source, track("order_placed"), track(None))
    arrived = ask(after=newest, known=newest)
    assert arrived["count"] == 2
    assert arrived["html"].index("not used") < arrived["html"].index("order_placed")
    assert ask(after=newest, known=newest, outcome="refused")["count"] == 1
    assert ask(after=newest, known=newest, name="ORDER")["count"] == 1
    InboundRequest.objects.create(
        source=source, call="track", body="{}", event_count=1, received_at=timezone.now()
    )
    assert ask(after=newest)["waiting_text"] == "1 request waits to be digested"
    # One that became visible late has an id that is smaller than the newest.
    assert ask(after=newest + 2, known=f"{newest + 2}")["count"] == 2


def test_the_log_is_chosen_by_contact_type_and_text(admin: Client, source: Source) -> None:
    send(
        source,
        track(user="A-1", properties={"product": "100% Arabica"}),
        track(user="A-2", properties={"product": "1000 Arabica"}),
        {"type": "identify", "userId": "A-2", "traits": {"email": "eve@example.com"}},
    )
    rows = page_of(source, "rows")

    def count(**words: Any) -> int:
        return int(admin.get(rows, words).json()["count"])

    assert count(contact="a-1") == 0
    assert count(contact="A-1") == 1
    assert count(contact="Eve@example.com") == 2
    assert count(type="identify") == 1
    assert count(text="100%") == 1
    assert count(text="arabica", contact="A-2") == 1


def test_a_page_of_the_log_leads_to_the_one_before(source: Source) -> None:
    send(source, *(track(f"e{n}") for n in range(5)))
    first = received_events.log_page(source.pk, Choice(), before=None, limit=3)
    second = received_events.log_page(source.pk, Choice(), before=first.next_before, limit=3)
    assert [event.name for event in first.events + second.events] == ["e4", "e3", "e2", "e1", "e0"]
    assert second.next_before is None


def test_a_search_looks_through_a_part_of_the_log_and_goes_on_from_there(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received_events, "SEARCHED", 3)
    send(source, *(track(f"e{n}") for n in range(5)))
    choice = Choice(name="e0")
    first = received_events.log_page(source.pk, choice, before=None, limit=3)
    assert (first.events, first.is_search_cut) == ([], True)
    second = received_events.log_page(source.pk, choice, before=first.next_before, limit=3)
    assert [event.name for event in second.events] == ["e0"]
    assert second.next_before is None


def test_an_event_shows_its_body_reason_and_where_it_is_mended(
    admin: Client, source: Source
) -> None:
    send(source, track(None, properties={"<b>": 1}))
    event, held = ReceivedEvent.objects.get(), HeldEvent.objects.get()
    page = admin.get(page_of(source, "event"), {"id": event.pk}).content.decode()
    assert "A track needs an “event”" in page
    assert "Give the event a name and replay it." in page
    assert "&lt;b&gt;" in page
    assert reverse("admin:integrations_heldevent_change", args=[held.pk]) in page
    other = create_source(name="Other", actor=SYSTEM, at=timezone.now())[0]
    assert admin.get(page_of(other, "event"), {"id": event.pk}).status_code == 404


def test_a_held_event_is_given_a_name_and_replayed(admin: Client, source: Source) -> None:
    send(source, track(None, properties={"rating": 5}))
    held = HeldEvent.objects.get()
    page = reverse("admin:integrations_heldevent_change", args=[held.pk])
    body = '{"type": "track", "userId": "A-1", "properties": {"rating": 5}}'

    wrong = admin.post(page, {"name": "", "user_id": "A-1", "body": "{"}).content.decode()
    assert "This is not JSON" in wrong
    admin.post(page, {"name": "review_left", "user_id": "A-1", "contact": "", "body": body})

    event = Event.objects.get()
    assert (event.definition.name, event.properties) == ("review_left", {"rating": 5})
    held.refresh_from_db()
    assert held.state == HeldEvent.State.REPLAYED
    assert ReceivedEvent.objects.latest("pk").outcome == "accepted"
    assert AuditEntry.objects.filter(action="held_event.replayed").exists()


def test_an_event_of_nobody_is_given_to_a_contact(admin: Client, source: Source) -> None:
    send(source, {"type": "track", "event": "review_left"})
    held, anna = HeldEvent.objects.get(), Contact.objects.create(first_name="Anna")
    page = reverse("admin:integrations_heldevent_change", args=[held.pk])
    given = {"name": "review_left", "user_id": "", "body": held.body}
    unknown = admin.post(page, {**given, "contact": "nobody@example.com"}).content.decode()
    assert "There is no contact “nobody@example.com”." in unknown
    admin.post(page, {**given, "contact": f"#{anna.pk}"})
    assert Event.objects.get().contact_id == anna.pk


def test_all_events_of_a_problem_are_dealt_with(
    admin: Client, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(source, *(track(None, messageId=f"m{n}") for n in range(3)), {"type": "page"})
    listed = admin.get(reverse("admin:integrations_heldevent_changelist")).content.decode()
    assert "3 ×" in listed
    key = re.search(r"problem=([0-9a-f]{16})", listed)
    assert key is not None
    deal = reverse("admin:integrations_heldevent_deal")
    problem = admin.get(page_of(source, "held"), {"problem": key[1]}).content.decode()
    assert "Replay all 3" in problem

    told = admin.post(deal, {"problem": key[1], "verb": "replay"}, follow=True).content.decode()
    assert "0 were replayed and are used now; 3 still cannot be used." in told
    told = admin.post(deal, {"problem": key[1], "verb": "dismiss"}, follow=True).content.decode()
    assert "3 events are dismissed." in told
    assert HeldEvent.objects.filter(state="open").count() == 1
    assert admin.post(deal, {"problem": key[1], "verb": "dismiss"}).status_code == 404

    monkeypatch.setattr("integrations.held_batches.STEP", 0)
    left = re.search(r"problem=([0-9a-f]{16})", admin.get(page_of(source, "held")).content.decode())
    assert left is not None
    admin.post(deal, {"problem": left[1], "verb": "dismiss"})
    assert Job.objects.get().title == "Dismiss 1 held event"


def test_traits_are_sent_elsewhere_from_the_page(
    admin: Client, make_person: MakePerson, source: Source
) -> None:
    AttributeDefinition.objects.create(key="plan", label="Plan")
    traits = {"address": {"city": "Kraków"}, "level": 3, "plan": "gold", "town": "Gdynia"}
    send(source, {"type": "identify", "userId": "A-1", "traits": {**traits, "level": None}})
    send(source, {"type": "identify", "userId": "A-2", "traits": {"id": "x"}})
    page = admin.get(page_of(source, "traits")).content.decode()
    rows = re.findall(r'name="trait_\d+" value="([^"]+)"', page)
    assert rows == ["address.city", "id", "plan", "town"]
    assert "As usual: City" in page

    form = {f"trait_{place}": trait for place, trait in enumerate(rows)}
    form |= {"target_0": "usual", "target_1": "usual", "target_2": "nowhere"}
    form |= {"target_3": "contact.city", "another": "level", "another_target": "new"}
    told = admin.post(page_of(source, "traits"), form, follow=True).content.decode()
    assert "3 traits go elsewhere from now on." in told
    assert dict(TraitMapping.objects.values_list("trait", "target")) == {
        "plan": "",
        "town": "contact.city",
        "level": "attribute.level",
    }
    changes = AuditEntry.objects.get(action="source.traits_mapped").changes
    assert changes["town"] == [None, "contact.city"]

    changer = make_person(*READ, "integrations.change_source")
    refused = changer.post(page_of(source, "traits"), {"another": "new", "another_target": "new"})
    assert "lacks the permission contacts.add_attributedefinition" in refused.content.decode()

    form["target_3"] = "contact.nonsense"
    wrong = admin.post(page_of(source, "traits"), form).content.decode()
    assert "“contact.nonsense” is neither a field nor an attribute of contacts." in wrong
    assert TraitMapping.objects.get(trait="town").target == "contact.city"
    assert 'name="another" value="level"' in wrong, "what was written stays in the form"


def test_a_new_key_leaves_the_former_one_working_until_it_is_stopped(
    admin: Client, source: Source
) -> None:
    rotate = reverse("admin:integrations_source_action", args=[source.pk, "rotate_key"])
    admin.post(rotate, {"grace": "86400"})
    former = source.write_keys.earliest("pk")
    page = admin.get(page_of(source, "settings")).content.decode()
    assert "works until" in page
    assert f"dialog-retire-{former.pk}" in page
    admin.post(page_of(source, "retire"), {"key": former.pk})
    former.refresh_from_db()
    assert former.retires_at is not None
    assert former.retires_at <= timezone.now()
    last = source.write_keys.latest("pk")
    answer = admin.post(page_of(source, "retire"), {"key": last.pk}, follow=True)
    assert "is the only write key" in answer.content.decode()


def test_what_needs_attention_stands_on_the_overview(admin: Client, source: Source) -> None:
    quiet = admin.get(page_of(source)).content.decode()
    assert "Needs attention" not in quiet
    send(source, track(None))
    admin.post(reverse("admin:integrations_source_action", args=[source.pk, "disable"]))
    page = admin.get(page_of(source)).content.decode()
    assert "It is disabled" in page
    assert "1 event could not be used" in page
