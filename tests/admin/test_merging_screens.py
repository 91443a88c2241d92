"""Merging contacts by hand, the number of a merged one, and the rules of identity on the screen."""

import pytest
from django.test import Client
from django.urls import reverse

from contacts.identities import Name
from contacts.models import Contact, ContactMerge, IdentityRule
from contacts.resolution import Claim, resolve
from tests.admin.conftest import MakePerson
from tests.factories import NOW, make_contact
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db


def _page(contact: Contact, name: str = "change") -> str:
    return reverse(f"admin:contacts_contact_{name}", args=[contact.pk])


def test_two_contacts_are_compared_and_made_one(admin: Client) -> None:
    shop = make_contact(external_id="c-1", first_name="Ann", last_name="Lee", city="Berlin")
    app = make_contact(email="ann@example.com", first_name="Ann", last_name="Lee", city="Potsdam")
    assert _page(app, "merge") in admin.get(_page(app)).content.decode()
    choosing = admin.get(_page(app, "merge")).content.decode()
    assert f"?other={shop.pk}" in choosing, "who has the same name is suggested"
    found = admin.get(_page(app, "merge"), {"q": "c-1"}).content.decode()
    assert f"?other={shop.pk}" in found
    comparison = admin.get(_page(app, "merge"), {"other": shop.pk}).content.decode()
    assert f"Merge #{app.pk} into #{shop.pk}" in comparison, "who has an external id stays"
    assert "“Potsdam” is dropped" in comparison
    other_way = admin.get(_page(app, "merge"), {"other": shop.pk, "keep": app.pk}).content.decode()
    assert f"Merge #{shop.pk} into #{app.pk}" in other_way
    assert "“Berlin” is dropped" in other_way
    address = f"{_page(app, 'merge')}?other={shop.pk}&keep={shop.pk}"
    answer = admin.post(address, {"evidence": "She said so."}, follow=True)
    assert answer.redirect_chain[-1][0] == _page(shop)
    merge = ContactMerge.objects.get()
    assert (merge.loser_id, merge.survivor_id, merge.cause) == (app.pk, shop.pk, "admin")
    told = answer.content.decode()
    assert f"Merged with #{app.pk}" in told
    assert "She said so." in told
    assert AuditEntry.objects.filter(action="contact.merged", object_id=str(shop.pk)).exists()


def test_the_number_of_a_merged_contact_leads_to_the_one_that_stands_for_it(admin: Client) -> None:
    browsing = resolve([Claim((Name("anonymous_id", "a"),))], at=NOW, cause="source:web")[0]
    known = make_contact(external_id="u-1")
    claim = Claim((Name("user_id", "u-1"), Name("anonymous_id", "a")), "identify, message 4711")
    resolve([claim], at=NOW, cause="source:web")
    old = Contact.objects.get(pk=browsing.contact_id or 0)
    assert admin.get(_page(old)).headers["Location"] == _page(known)
    profile = admin.get(_page(known)).content.decode()
    assert "identify, message 4711" in profile
    assert "external id “u-1” + anonymous id “a”" in profile
    assert admin.get(_page(old, "timeline")).status_code == 200
    assert admin.get(_page(old, "edit")).status_code == 200


def test_warnings_say_where_the_rules_would_keep_them_apart(admin: Client) -> None:
    one, two = make_contact(external_id="u-1"), make_contact(external_id="u-2")
    page = admin.get(_page(one, "merge"), {"other": two.pk}).content.decode()
    assert "the rules would keep them apart" in page


def test_who_may_not_merge_sees_no_way_to_it(make_person: MakePerson) -> None:
    contact = make_contact()
    client = make_person("contacts.view_contact", "contacts.change_contact")
    assert _page(contact, "merge") not in client.get(_page(contact)).content.decode()
    assert client.get(_page(contact, "merge")).status_code == 403


def test_administrators_change_the_rules_and_go_back(
    admin: Client, make_person: MakePerson
) -> None:
    rules = reverse("admin:contacts_identityrule_changelist")
    assert "anonymous_id" in admin.get(rules).content.decode()
    email = reverse("admin:contacts_identityrule_change", args=["email"])
    given = {"priority": 20, "value_limit": 2, "merges": "on", "blocked_values": "No@Mail.de\n"}
    assert admin.post(email, given).headers["Location"] == rules
    rule = IdentityRule.objects.get()
    assert (rule.value_limit, rule.blocked_values) == (2, ["no@mail.de"])
    entry = AuditEntry.objects.get(action="identity_rule.changed")
    assert entry.changes["value_limit"] == [5, 2]
    assert admin.post(email, {"reset": "1"}).status_code == 302
    assert not IdentityRule.objects.exists()
    added = {**given, "namespace": "Card Number"}
    refused = admin.post(reverse("admin:contacts_identityrule_add"), added)
    assert "A namespace is up to 40 small letters" in refused.content.decode()
    looker = make_person("contacts.view_identityrule")
    assert looker.get(rules).status_code == 200
    assert email not in looker.get(rules).content.decode()
    assert looker.get(email).status_code == 403
