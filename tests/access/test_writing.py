"""What programs and people outside the group may write, and what the refusals tell."""

import json
import re
from collections.abc import Iterable, Iterator
from copy import copy
from functools import cache
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from segments.models import Segment
from tests.access.addresses import Address, every_address, one_of_each_kind
from tests.access.matrix import choices_of, is_about_secret, read
from tests.access.secrets import BOGUS_KEY, ID, KEY, Secret, traces
from tests.segments.factories import is_in

# The key of a segment is one of all workspaces' words: it is told that a key cannot be had, and
# not why. Everything else is answered as if there was nothing.
_KEY_CANNOT_BE_HAD = ("post", "/api/segments/")


_ROOMS = tuple(f"admin/{room}/" for room in ("segments", "contacts", "workspace", "auth"))
_OF_A_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)|(?<=\"id\": )\d+|(?<=milliseconds\": )[\d.]+|jobs/\d+"
    r"|wk_\w+|whsec_\w+|webhook\.test:\w+:\w+|(?<=public_key\": \")[\w-]+"
)


def _bodies(schema: dict[str, Any], shape: Any, key: str) -> Iterator[Any]:
    """Bodies that name `key` wherever something could be named: whole ones, and the least."""
    whole = _sample(schema, shape, key, only_required=False)
    yield whole
    yield _sample(schema, shape, key, only_required=True)
    if isinstance(whole, dict):
        for name in ("criteria", "segment", "segments", "keys"):
            if name in whole:
                yield {**_sample(schema, shape, key, only_required=True), name: whole[name]}


def _sample(schema: dict[str, Any], shape: Any, key: str, *, only_required: bool) -> Any:
    if "$ref" in shape:
        shape = schema["components"]["schemas"][shape["$ref"].rsplit("/", 1)[-1]]
    for several in ("oneOf", "anyOf", "allOf"):
        if several in shape:
            return _sample(schema, shape[several][0], key, only_required=only_required)
    kind = shape.get("type")
    kind = next(k for k in kind if k != "null") if isinstance(kind, list) else kind
    if "enum" in shape:
        return shape["enum"][0]
    if kind == "object":
        needed = set(shape.get("required", ()))
        return {
            name: _guess(name, key) or _sample(schema, inner, key, only_required=only_required)
            for name, inner in shape.get("properties", {}).items()
            if not inner.get("readOnly") and (not only_required or name in needed)
        }
    if kind == "array":
        return [_sample(schema, shape["items"], key, only_required=only_required)]
    if kind == "string":
        return {"date-time": "2026-03-01T00:00:00Z", "date": "2026-03-01"}.get(
            shape.get("format", ""), "x"
        )
    return {"integer": 1, "number": 1, "boolean": False}.get(str(kind), {})


def _guess(name: str, key: str) -> Any:
    if "criteria" in name or name == "where":
        return is_in(key)
    if name in {"segments", "keys"}:
        return [key]
    return key if name == "key" or "segment" in name else None


@cache
def _schema() -> dict[str, Any]:
    make: Any = SchemaGenerator
    found: dict[str, Any] = make().get_schema(request=None, public=True)
    return found


def _some_addresses(secret: Secret) -> list[Address]:
    """One of each kind, about the secret where there is one."""
    return one_of_each_kind(every_address(), lambda address: is_about_secret(address, secret))


def _operations(secret: Secret, addresses: Iterable[Address]) -> Iterator[tuple[str, str, Any]]:
    """Each method of each resource that writes: its address, and what a body looks like."""
    schema = _schema()
    described = {
        (_bare(path), method): operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }
    for address in addresses:
        writing = set(address.methods) - {"get", "head"}
        for method in sorted(writing):
            for path in address.paths(choices_of(address, secret)):
                operation = described[_bare(f"/{address.template}"), method]
                content = operation.get("requestBody", {}).get("content", {})
                shape = content.get("application/json", {}).get("schema", {"type": "object"})
                yield method, path, (schema, shape)


def _bare(path: str) -> str:
    """An address without the names of its parts."""
    return "/".join("{}" if "{" in part else part for part in path.split("/"))


def _send(client: Client, method: str, path: str, body: Any) -> tuple[int, str]:
    """Send it, and undo what it did."""
    with transaction.atomic():
        send = getattr(client, method)
        answer = send(path, json.dumps(body), content_type="application/json")
        transaction.set_rollback(True)
    return answer.status_code, read(answer)


def test_to_a_program_outside_a_guess_is_answered_like_what_never_was(secret: Secret) -> None:
    assert not _differing(secret, _some_addresses(secret))


@pytest.mark.walk
def test_to_a_program_outside_any_guess_is_answered_like_what_never_was(secret: Secret) -> None:
    assert not _differing(secret, every_address())


def _differing(secret: Secret, addresses: Iterable[Address]) -> str:
    """What a program outside is answered to guesses in another way than to what never was."""
    program, differing = secret.program("outsider"), list[Any]()
    for method, path, (schema, shape) in _operations(secret, addresses):
        never = path.replace(KEY, BOGUS_KEY)
        bodies = zip(_bodies(schema, shape, KEY), _bodies(schema, shape, BOGUS_KEY), strict=True)
        for body, other in bodies:
            kept = _send(program, method, path, body)
            none = _send(program, method, never, other)
            is_taken = (method, path) == _KEY_CANNOT_BE_HAD and body.get("key") == KEY
            if traces(kept[1].replace(KEY, "")) or kept[0] >= 500:
                differing.append((method, path, body, kept))
            elif _plain(kept) != _plain(none) and not is_taken:
                differing.append((method, path, body, kept, none))
    return "\n".join(map(str, differing))[:6000]


def _plain(answer: tuple[int, str]) -> tuple[int, str]:
    """A status and a body without what was asked for, moments, and numbers of what was made."""
    body = answer[1].partition("\n")[0].replace(KEY, "…").replace(BOGUS_KEY, "…")
    return answer[0], _OF_A_MOMENT.sub("…", body)


def test_a_key_that_is_taken_cannot_be_had_and_that_is_all_that_is_said(secret: Secret) -> None:
    program, answers = secret.program("outsider"), []
    for key in (KEY, "preview"):
        body = {"key": key, "name": "Mine", "criteria": is_in("shared"), "groups": ["France"]}
        answers.append(_send(program, "post", "/api/segments/", body))
    assert answers[0] == answers[1], "taken or reserved: the answer is the same"
    assert answers[0][0] == 400


def test_a_key_made_of_a_name_does_not_tell_who_else_has_the_name(secret: Secret) -> None:
    body = {"name": KEY, "criteria": is_in("shared"), "groups": ["France"]}
    status, text = _send(secret.program("outsider"), "post", "/api/segments/", body)
    assert (status, json.loads(text.splitlines()[0])["key"]) == (201, f"france-{KEY}")


@pytest.mark.parametrize("which", ["reader", "outsider", "groupless"])
def test_nothing_that_is_sent_from_outside_or_without_the_scope_changes_the_secret(
    secret: Secret, which: str
) -> None:
    program = secret.program(which)
    before = Segment.objects.filter(pk=ID).values().get()
    for method, path, (schema, shape) in _operations(secret, every_address()):
        if f"/{KEY}/" not in path:
            continue
        for body in ({}, *_bodies(schema, shape, KEY)):
            send = getattr(program, method)
            answer = send(path, json.dumps(body), content_type="application/json")
            # Who may write somewhere is told what is wrong with the body, before anything is found.
            expected = {403} if which == "reader" else {404} if not body else {400, 404}
            assert answer.status_code in expected, (method, path, body)
    assert Segment.objects.filter(pk=ID).values().get() == before


def _forms(addresses: list[Address], secret: Secret) -> Iterator[str]:
    for address in addresses:
        is_ours = address.template.startswith(_ROOMS) and not address.template.endswith("history/")
        if is_ours:
            yield from address.paths(choices_of(address, secret))


def test_no_kind_of_form_tells_a_trace_to_whoever_guesses(secret: Secret) -> None:
    found = _told_by(secret, _forms(_some_addresses(secret), secret))
    assert not found, found


@pytest.mark.walk
def test_no_form_tells_a_trace_to_whoever_guesses(secret: Secret) -> None:
    found = _told_by(secret, _forms(every_address(), secret))
    assert not found, found


def _told_by(secret: Secret, paths: Iterable[str]) -> str:
    """What forms say of the secret when somebody outside sends them guesses."""
    outsider, found = secret.session("outsider"), []
    given = {
        "name": "Mine",
        "key": KEY,
        "segment": str(ID),
        "segments": [KEY],
        "keys": KEY,
        "contact": str(secret.member_id),
        "refresh_mode": "once",
        "groups": ["France"],
        "criteria": json.dumps(is_in(KEY)),
    }
    for path in dict.fromkeys(paths):
        cookies = copy(outsider.cookies)
        with transaction.atomic():
            answer = outsider.post(path, given)
            text = read(answer)
            transaction.set_rollback(True)
        outsider.cookies = cookies
        for asked in (KEY, str(ID)):
            text = text.replace(asked, "")
        if answer.status_code >= 500 or traces(text):
            found.append((path, answer.status_code, traces(text)[:3]))
    return "\n".join(map(str, found))
