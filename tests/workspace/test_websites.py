"""Websites: called by a key for ever, a domain in one form, deleted where nothing needs them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import NOW
from workspace import websites
from workspace.access import SYSTEM
from workspace.models import AuditEntry, Website
from workspace.websites import WebsiteInUse, WebsiteInvalid, WebsiteUnknown

pytestmark = pytest.mark.django_db


def add(name: str = "Shop", **given_: Any) -> Website:
    return websites.add_website(name=name, actor=SYSTEM, at=NOW, **given_)


def test_a_key_is_made_of_the_name_and_a_domain_of_an_address() -> None:
    first = add("Shöp Zürich", domain="https://WWW.Example.com:443/de?x=1")
    second = add("Shop: Zürich!")
    assert (first.key, first.domain) == ("shop-zurich", "www.example.com")
    assert second.key == "shop-zurich-2"
    assert add("Umlaut", domain="bücher.example").domain == "xn--bcher-kva.example"
    entry = AuditEntry.objects.filter(action="website.created").earliest("pk")
    assert entry.changes["domain"] == [None, "www.example.com"]


@pytest.mark.parametrize(
    "text",
    ["shop", "10.0.0.1", "a b.com", "-a.com", "a..com", "http://", "x" * 250 + ".com", "é" * 90],
)
def test_what_is_no_domain_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(WebsiteInvalid, match=r"www\.example\.com") as caught:
        add(domain=text)
    assert [one.path for one in caught.value.problems] == ["domain"]


@given(st.text(max_size=40))
def test_a_domain_that_was_read_reads_the_same_again(text: str) -> None:
    try:
        host = websites.host_of(text)
    except ValueError:
        return
    assert websites.host_of(host) == host
    assert websites.host_of(f"https://{host}/path") == host


def test_names_keys_and_domains_are_not_taken_twice() -> None:
    add("Shop", key="a", domain="a.example")
    with pytest.raises(WebsiteInvalid) as caught:
        add("shop", key="a", domain="A.example.")
    assert [one.path for one in caught.value.problems] == ["key", "name", "domain"]
    with pytest.raises(WebsiteInvalid):
        add(" ")


def test_a_name_changes_and_a_key_never_does() -> None:
    add("Shop", key="a")
    values = {"name": "Store", "domain": "store.example"}
    changed = websites.change_website("a", values=values, actor=SYSTEM, at=NOW)
    assert (changed.name, changed.domain, changed.key) == ("Store", "store.example", "a")
    with pytest.raises(TypeError):
        websites.change_website("a", values={"key": "b"}, actor=SYSTEM, at=NOW)
    with pytest.raises(WebsiteUnknown):
        websites.change_website("b", values={}, actor=SYSTEM, at=NOW)


def test_a_website_that_something_needs_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[int] = []
    needs = ["the connection “Acme”"]
    monkeypatch.setattr(websites, "_users", {})
    websites.register_user("test", lambda _id: needs, forget=forgotten.append)
    website = add("Shop", key="a")
    with pytest.raises(WebsiteInUse, match="“Shop” is in use: the connection “Acme”"):
        websites.delete_website("a", actor=SYSTEM, at=NOW)
    needs.clear()
    websites.delete_website("a", actor=SYSTEM, at=NOW)
    assert forgotten == [website.pk]
    assert not Website.objects.exists()
