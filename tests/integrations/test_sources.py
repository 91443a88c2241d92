"""Sources and their write keys: made, changed, rotated without loss, retired."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from integrations import sources
from integrations.errors import LastWriteKey, NoWebhookSource, SourceExists, SourceInvalid
from integrations.models import Source, WriteKey
from tests.factories import HOUR, NOW
from workspace import encryption
from workspace.access import SYSTEM, Actor
from workspace.errors import NotAllowed
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db


def make_source(name: str = "Shop", **given: Any) -> tuple[Source, str]:
    return sources.create_source(name=name, actor=SYSTEM, at=NOW, **given)


def working(source: Source, at: Any) -> set[str]:
    return {
        one.text
        for one in sources.shown_keys(source, actor=SYSTEM)
        if one.retires_at is None or one.retires_at > at
    }


def run(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue().strip()


def test_a_new_source_has_a_key_made_of_its_name_and_one_write_key() -> None:
    source, text = make_source("Online Shop")
    assert (source.key, source.is_enabled) == ("online-shop", True)
    assert text.startswith("wk_")
    assert working(source, NOW) == {text}
    row = WriteKey.objects.get()
    assert row.digest == sources.digest_of(text)
    assert text not in (row.digest, row.sealed)
    assert AuditEntry.objects.get(action="source.created").object_label == "Online Shop"


def test_names_that_make_one_key_get_two_keys_and_a_name_is_taken_once() -> None:
    assert make_source("Shop")[0].key == "shop"
    assert make_source("Shop!")[0].key == "shop-2"
    assert make_source("店")[0].key == "source"
    with pytest.raises(SourceExists, match="“Shop” with the key “shop”"):
        make_source(" SHOP ")
    assert Source.objects.count() == 3


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"name": "x" * 121}, {"kind": "fax"}, {"key": "no spaces"}]
)
def test_a_source_that_cannot_be_is_refused_with_the_field(wrong: dict[str, str]) -> None:
    with pytest.raises(SourceInvalid) as caught:
        make_source(**wrong)
    assert [problem.path for problem in caught.value.problems] == list(wrong)
    assert not Source.objects.exists()


def test_a_change_is_checked_and_told_to_the_trail() -> None:
    make_source("Blog")
    source, _text = make_source("Shop")
    changed = sources.change_source(
        source.key, values={"name": "Store", "new_traits": "keep_aside"}, actor=SYSTEM, at=NOW
    )
    assert (changed.key, changed.name) == ("shop", "Store")
    entry = AuditEntry.objects.get(action="source.changed")
    assert entry.changes == {"name": ["Shop", "Store"], "new_traits": ["make", "keep_aside"]}
    with pytest.raises(SourceExists):
        sources.change_source("shop", values={"name": "blog"}, actor=SYSTEM, at=NOW)


def test_rotation_lets_the_former_key_work_for_the_grace() -> None:
    source, old = make_source()
    new = sources.rotate_write_key("shop", actor=SYSTEM, at=NOW, grace=HOUR)
    assert working(source, NOW + HOUR - timedelta(microseconds=1)) == {old, new}
    assert working(source, NOW + HOUR) == {new}


def test_rotation_never_prolongs_a_key_that_ends_sooner() -> None:
    source, first = make_source()
    second = sources.rotate_write_key("shop", actor=SYSTEM, at=NOW, grace=HOUR)
    third = sources.rotate_write_key("shop", actor=SYSTEM, at=NOW, grace=3 * HOUR)
    assert working(source, NOW + 2 * HOUR) == {second, third}
    assert first not in working(source, NOW + HOUR)


def test_rotation_without_grace_stops_the_former_keys_at_once() -> None:
    source, _old = make_source()
    new = sources.rotate_write_key("shop", actor=SYSTEM, at=NOW, grace=timedelta(0))
    assert working(source, NOW) == {new}


def test_the_last_working_write_key_cannot_be_retired() -> None:
    source, old = make_source()
    (only,) = source.write_keys.all()
    with pytest.raises(LastWriteKey):
        sources.retire_write_key("shop", only.pk, actor=SYSTEM, at=NOW)
    new = sources.issue_write_key("shop", actor=SYSTEM, at=NOW)
    assert working(source, NOW) == {old, new}
    sources.retire_write_key("shop", only.pk, actor=SYSTEM, at=NOW)
    assert working(source, NOW) == {new}


def test_write_keys_are_shown_to_who_may_change_the_source_only() -> None:
    source, _text = make_source()
    viewer = Actor(
        AuditEntry.ActorKind.USER, 1, "Vera", permissions=frozenset({"integrations.view_source"})
    )
    with pytest.raises(NotAllowed):
        sources.shown_keys(source, actor=viewer)


def test_enabling_and_disabling_tell_the_trail_once() -> None:
    make_source()
    for _time in range(2):
        assert not sources.disable_source("shop", actor=SYSTEM, at=NOW).is_enabled
    assert sources.enable_source("shop", actor=SYSTEM, at=NOW).is_enabled
    told = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(told) == ["source.created", "source.disabled", "source.enabled"]


def test_a_signing_secret_is_sealed_and_the_former_one_good_for_the_grace() -> None:
    make_source(kind="webhook")
    first = sources.set_signing_secret("shop", actor=SYSTEM, at=NOW)
    sources.set_signing_secret("shop", actor=SYSTEM, at=NOW, secret="agreed-by-mail", grace=HOUR)
    source = sources.find_source("shop")
    assert sources.signing_secrets(source, at=NOW) == ["agreed-by-mail", first]
    assert sources.signing_secrets(source, at=NOW + HOUR) == ["agreed-by-mail"]
    assert first not in source.signing_secret
    trail = json.dumps(list(AuditEntry.objects.values_list("changes", flat=True)))
    assert "agreed" not in trail
    assert first not in trail


def test_only_a_webhook_has_a_signing_secret() -> None:
    make_source()
    with pytest.raises(NoWebhookSource):
        sources.set_signing_secret("shop", actor=SYSTEM, at=NOW)


def test_the_command_prints_the_write_key_alone_and_refuses_a_second_time() -> None:
    text = run("create_source", "Shop")
    assert working(sources.find_source("shop"), NOW) == {text}
    with pytest.raises(CommandError, match=r"There is a source “Shop” .* already\."):
        run("create_source", "Shop")
    found = json.loads(run("create_source", "Blog", "--kind", "web", "--json"))
    assert found["key"] == "blog"
    assert found["kind"] == "web"
    assert working(sources.find_source("blog"), NOW) == {found["write_key"]}


def test_a_change_of_encryption_keys_loses_no_secret(settings: Any) -> None:
    source, text = make_source(kind="webhook")
    secret = sources.set_signing_secret("shop", actor=SYSTEM, at=NOW)
    new = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, *settings.FIELD_ENCRYPTION_KEYS]
    printed = run("rotate_encryption").splitlines()
    assert "integrations.WriteKey.sealed: 1 resealed, 0 unreadable" in printed
    assert {line.split(": ")[1] for line in run("rotate_encryption").splitlines()} == {
        "0 resealed, 0 unreadable"
    }
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert working(source, NOW) == {text}
    assert sources.signing_secrets(sources.find_source("shop"), at=NOW) == [secret]


def test_a_secret_under_a_lost_key_is_told_and_left_alone(settings: Any) -> None:
    source, _text = make_source()
    sealed = source.write_keys.get().sealed
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="1 secrets are sealed under a key"):
        run("rotate_encryption")
    assert source.write_keys.get().sealed == sealed
    with pytest.raises(encryption.SecretUnreadable):
        sources.shown_keys(source, actor=SYSTEM)
