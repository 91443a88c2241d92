"""Every page and every resource, as several kinds of person: who may not know finds no trace."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.access.addresses import Address, every_address, one_of_each_kind
from tests.access.matrix import (
    choices_of,
    guesses,
    is_about_secret,
    read,
    undeclared,
    walk,
    with_bogus,
)
from tests.access.secrets import BOGUS_KEY, ID, KEY, NAME, Secret, traces

# Without a log-in there is nothing to see; what they answer has tests of its own.
_PUBLIC = {"health/live", "health/ready", "metrics", "admin/login/", "admin/logout/", ""}
_NOTHING_OF_OURS = (
    *("admin/axes/", "admin/django_celery_beat/interval", "admin/django_celery_beat/crontab"),
)
# Those who may know of the secret are told of it here, so that the search is known to find it.
_TELLING = {
    *("/admin/", "/admin/segments/segment/", "/admin/segments/export/", "/admin/workspace/job/"),
    *("/admin/workspace/auditentry/", "/admin/contacts/contact/", "/api/segments/"),
    *("/api/segments/catalog/", "/api/exports/", "/api/jobs/"),
}


def _addresses() -> list[Address]:
    return [
        address
        for address in every_address()
        if address.template not in _PUBLIC and not address.template.startswith(_NOTHING_OF_OURS)
    ]


def _some_addresses(secret: Secret) -> list[Address]:
    """One of each kind, about the secret where there is one."""
    return one_of_each_kind(_addresses(), lambda address: is_about_secret(address, secret))


def _paths(secret: Secret, addresses: list[Address]) -> Iterator[tuple[Address, str]]:
    for address in addresses:
        for path in address.paths(choices_of(address, secret)):
            yield address, path


def _to_get(secret: Secret, addresses: list[Address]) -> list[str]:
    return [
        path
        for address, path in _paths(secret, addresses)
        if not address.is_api or not address.methods or "get" in address.methods
    ]


def _found_by(client: Client, begin: list[str], *, follow: bool = False) -> str:
    """The pages that say something of the secret, or fail; each with what it says."""
    found = [
        (path, answer.status_code, _said(text, path)[:3])
        for path, answer, text in walk(client, begin, follow=follow)
        if answer.status_code >= 500 or _said(text, path)
    ]
    return "\n".join(map(str, found))


def _said(text: str, path: str) -> list[str]:
    """The traces in an answer besides what whoever asked has written into the address."""
    for asked in (str(ID), KEY, NAME):
        if asked in path:
            text = text.replace(asked, "")
    return traces(text)


def test_every_address_is_known_to_the_matrix(secret: Secret) -> None:
    missing = undeclared(_addresses(), secret)
    assert not missing, "\n".join(dict.fromkeys(missing))


def test_whoever_is_outside_the_group_finds_no_trace_on_a_page_of_any_kind(secret: Secret) -> None:
    begin = _to_get(secret, _some_addresses(secret))
    found = _found_by(secret.session("outsider"), [path for path in begin if "/api/" not in path])
    assert not found, found


@pytest.mark.walk
@pytest.mark.parametrize(("who", "follow"), [("outsider", True), ("marketer", False)])
def test_whoever_is_outside_the_group_finds_no_trace_on_any_page(
    secret: Secret, who: str, follow: bool
) -> None:
    begin = [*_to_get(secret, _addresses()), *guesses(_addresses())]
    if not follow:
        # He may less than the other, who goes everywhere.
        about = f"/segment/{ID}/"
        begin = [path for path in begin if path in _TELLING or about in path or "contact/" in path]
    found = _found_by(secret.session(who), begin, follow=follow)
    assert not found, found


def test_a_program_outside_the_group_finds_no_trace_in_an_answer_of_any_kind(
    secret: Secret,
) -> None:
    begin = [*_to_get(secret, _some_addresses(secret)), *guesses(_addresses())]
    found = _found_by(secret.program("outsider"), [path for path in begin if "/api/" in path])
    assert not found, found


@pytest.mark.walk
@pytest.mark.parametrize("which", ["outsider", "groupless"])
def test_a_program_outside_the_group_finds_no_trace_in_any_answer(
    secret: Secret, which: str
) -> None:
    begin = [*_to_get(secret, _addresses()), *guesses(_addresses())]
    found = _found_by(secret.program(which), [path for path in begin if "/api/" in path])
    assert not found, found


@pytest.mark.parametrize(
    "who",
    [
        pytest.param("administrator", marks=pytest.mark.walk),
        "insider",
        pytest.param("analyst", marks=pytest.mark.walk),
    ],
)
def test_whoever_may_know_of_it_is_told(secret: Secret, who: str) -> None:
    told, failed = set[str](), list[tuple[str, int]]()
    words = ("segment", "/job", "/audit", "/export", "contact/")
    begin = [
        "/admin/",
        *(p for p in _to_get(secret, _addresses()) if any(word in p for word in words)),
    ]
    if who != "administrator":
        begin = [path for path in begin if path in _TELLING or f"/segment/{ID}/" in path]
    for path, answer, text in walk(secret.session(who), begin, follow=False):
        if answer.status_code >= 500:
            failed.append((path, answer.status_code))
        if answer.status_code == 200 and traces(text):
            told.add(path)
    assert not failed
    # What others began, the trail and the exports of others are for administrators.
    expected = _TELLING if who == "administrator" else {p for p in _TELLING if "/segment" in p}
    expected = expected - ({"/admin/segments/export/"} if who != "administrator" else set())
    assert expected <= told, expected - told
    about = f"/admin/segments/segment/{ID}/"
    opened = {path.removeprefix(about) for path in told if path.startswith(about)}
    assert {"change/", "members/", "history/", "changes/", "versions/", "explain/"} <= opened


def test_what_is_kept_from_one_is_answered_like_what_never_was(secret: Secret) -> None:
    kept_ones = [one for one in _some_addresses(secret) if is_about_secret(one, secret)]
    assert not _differing(secret, kept_ones)


@pytest.mark.walk
def test_all_that_is_kept_from_one_is_answered_like_what_never_was(secret: Secret) -> None:
    kept_ones = [one for one in _addresses() if is_about_secret(one, secret)]
    assert not _differing(secret, kept_ones)


def _differing(secret: Secret, addresses: list[Address]) -> str:
    """What somebody outside is answered to these in another way than to what never was."""
    outsider, differing = secret.session("outsider"), list[Any]()
    for address in addresses:
        for path, other in with_bogus(address, secret):
            for method in _methods(address) if path != other else ():
                kept, never = (getattr(outsider, method)(asked) for asked in (path, other))
                said, said_of_none = (_plain(read(found), path, other) for found in (kept, never))
                if (kept.status_code, said) != (never.status_code, said_of_none):
                    differing.append((method, path, kept.status_code, never.status_code))
                elif kept.status_code < 300:
                    differing.append((method, path, kept.status_code))
    return "\n".join(map(str, differing))


def _methods(address: Address) -> set[str]:
    if address.is_api:
        return set(address.methods) - {"head"}
    return {"post"} if "action" in address.parameters else {"get"}


def _plain(text: str, *paths: str) -> str:
    """An answer without what was asked for, and without what differs every time."""
    numbers = {part for path in paths for part in path.split("/") if part.isdecimal()}
    text = re.sub(rf"\b({'|'.join([KEY, BOGUS_KEY, *numbers])})\b", "…", text)
    every_time = ("csrf", "nonce", "content-length", "expires", "last-modified")
    return "\n".join(
        line for line in text.splitlines() if not any(word in line.lower() for word in every_time)
    )
