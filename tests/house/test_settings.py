"""A wrong setting stops the start with one sentence: which, why, an example."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.embedded.paths import CHECKOUT

PRODUCTION = {
    "SECRET_KEY": "a9f0c1d2e3b4-a9f0c1d2e3b4-a9f0c1d2e3b4-a9f0c1d2e3b4-x",
    "FIELD_ENCRYPTION_KEYS": "bm90LWEtc2VjcmV0LWtleS1mb3ItdGVzdHMtMzJieXQ=",
    "BASE_URL": "https://regulars.example.com",
    "DATABASE_URL": "postgresql://regulars:secret@127.0.0.1:5432/regulars",
    "BROKER_URL": "redis://127.0.0.1:6379/0",
    "EMAIL_URL": "smtps://user:password@mail.example.com:465",
}


def _run(tmp_path: Path, program: list[str], **given: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "REGULARS_VAR": str(tmp_path), **given}
    # Empty settings win over a developer's .env file.
    absent = {name: "" for name in (*PRODUCTION, "DEBUG", "TIME_ZONE", "PORT") if name not in given}
    return subprocess.run(
        [sys.executable, *program],
        env={**environ, **absent},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _read(tmp_path: Path, expression: str = "", **given: str) -> subprocess.CompletedProcess[str]:
    program = f"from config import settings; print({expression or 1!r})"
    if expression:
        program = f"from config import settings; print(settings.{expression})"
    return _run(tmp_path, ["-c", program], **{**PRODUCTION, **given})


_WRONG = [
    ("SECRET_KEY", "", "is missing"),
    ("DEBUG", "perhaps", "must be 1 or 0"),
    ("DATABASE_URL", "mysql://root@127.0.0.1/x", "must begin with postgresql://"),
    ("EMAIL_URL", "http://mail", "must be smtp://"),
    ("BASE_URL", "regulars.example.com", "must be the public address"),
    # Each needs a process of its own.
    *(
        pytest.param(*one, marks=pytest.mark.walk)
        for one in [
            ("FIELD_ENCRYPTION_KEYS", "", "is missing"),
            ("FIELD_ENCRYPTION_KEYS", "too-short", "is no key"),
            ("TIME_ZONE", "Europe/Warschau", "must name a time zone"),
            ("DATABASE_URL", "postgresql://127.0.0.1", "names no database"),
            ("DATABASE_URL", "postgresql://h:port/x", "port that is none"),
            ("DATABASE_URL", "postgresql://u@[::1/x", "is no address"),
            ("BROKER_URL", "memory://", "must begin with"),
            ("EMAIL_URL", "smtp://mail:often", "port that is none"),
            ("EMAIL_URL", "smtp://mail:70000", "port that is none"),
            ("SOFT_BOUNCE_LIMIT", "0", "must be a whole number"),
            ("PORT", "eighty", "must be a whole number"),
            ("BASE_URL", "http://regulars.example.com:x", "must be the public address"),
            ("BASE_URL", "http://[::1", "must be the public address"),
            ("EVENT_RETENTION_DAYS", "-1", "must be a whole number"),
            ("CACHE_URL", "memcached://127.0.0.1", "must begin with"),
        ]
    ),
]


@pytest.mark.parametrize(("name", "value", "reason"), _WRONG)
def test_a_wrong_setting_is_named_with_the_reason_and_an_example(
    tmp_path: Path, name: str, value: str, reason: str
) -> None:
    done = _read(tmp_path, **{name: value})
    assert done.returncode != 0
    [line] = done.stderr.strip().splitlines()
    assert line.startswith(f"Setting {name} "), line
    assert reason in line
    assert f"For example: {name}=" in line


def test_a_provider_of_mail_is_named_with_its_keys(tmp_path: Path) -> None:
    given = {
        "EMAIL_URL": "",
        "EMAIL_PROVIDER": "postmark",
        "ANYMAIL_POSTMARK_SERVER_TOKEN": "token",
    }
    done = _read(tmp_path, "ANYMAIL['POSTMARK_SERVER_TOKEN'], settings.EMAIL_BACKEND", **given)
    assert done.stdout.strip() == "token anymail.backends.postmark.EmailBackend"
    done = _read(tmp_path, EMAIL_URL="", EMAIL_PROVIDER="pigeon")
    assert done.returncode != 0
    assert "Setting EMAIL_PROVIDER must be one of" in done.stderr


def test_a_rabbitmq_needs_a_cache_of_its_own(tmp_path: Path) -> None:
    done = _read(tmp_path, BROKER_URL="amqp://guest:guest@127.0.0.1:5672//")
    assert done.returncode != 0
    assert "Setting CACHE_URL is missing" in done.stderr
    done = _read(
        tmp_path,
        "CACHES['default']['LOCATION']",
        BROKER_URL="amqp://guest:guest@127.0.0.1:5672//",
        CACHE_URL="redis://127.0.0.1:6379/1",
    )
    assert done.stdout.strip() == "redis://127.0.0.1:6379/1"


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file-from-a-file-from-a-file-from-a-file-x\n", "utf-8")
    done = _read(tmp_path, "SECRET_KEY", SECRET_KEY="", SECRET_KEY_FILE=str(secret))
    assert done.stdout.strip() == "from-a-file-from-a-file-from-a-file-from-a-file-x"


@pytest.mark.walk
def test_the_documented_production_settings_are_clean(tmp_path: Path) -> None:
    done = _run(tmp_path, ["manage.py", "check", "--deploy", "--fail-level", "INFO"], **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
