"""Readers of environment variables that refuse a wrong value with one clear sentence."""

import base64
import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.embedded.dotenv import read_dotenv as read_dotenv


class SettingInvalid(SystemExit):
    """A setting is missing or wrong. The message says which, why, and gives an example."""

    def __init__(self, name: str, reason: str, example: str) -> None:
        super().__init__(f"Setting {name} {reason}. For example: {name}={example}")


def env_text(name: str, default: str = "") -> str:
    """The text of `name`, or `default` where it is absent or empty."""
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, default: bool = False) -> bool:
    """True for 1, true, yes, on; false for 0, false, no, off (any case)."""
    text = env_text(name).lower()
    if not text:
        return default
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise SettingInvalid(name, f"must be 1 or 0, not “{text}”", "1")


def env_int(name: str, default: int | None, *, least: int, most: int) -> int | None:
    """A whole number between `least` and `most`, both included."""
    text = env_text(name)
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
        raise SettingInvalid(
            name, f"must be a whole number from {least} to {most}, not “{text}”", str(least)
        )
    return int(text)


def env_list(name: str, default: str = "") -> list[str]:
    """The comma-separated parts of `name`, without blanks and empty ones."""
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_networks(name: str) -> list[IPv4Network | IPv6Network]:
    """The comma-separated networks of `name`, as 10.0.0.0/8; a single address is one, too."""
    try:
        return [ip_network(part) for part in env_list(name)]
    except ValueError as error:
        raise SettingInvalid(name, f"must be networks: {error}", "10.0.0.0/8,127.0.0.1") from error


def env_rate(name: str) -> tuple[int, str] | None:
    """So many within an hour, a day or a week ("3/week"), as (3, "week"); None where absent."""
    text = env_text(name)
    if not text:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,5})\s*/\s*(hour|day|week)", text)
    if found is None:
        raise SettingInvalid(
            name, f"must be a number within an hour, a day or a week, not “{text}”", "3/week"
        )
    return int(found[1]), found[2]


def env_secret(name: str, fallback: Path | None = None) -> str:
    """The secret `name`, or the content of the file named by `NAME_FILE`, or of `fallback`."""
    if text := env_text(name):
        return text
    if file := env_text(f"{name}_FILE"):
        try:
            return Path(file).read_text("utf-8").strip()
        except OSError as error:
            raise SettingInvalid(
                f"{name}_FILE",
                f"names a file that cannot be read ({error.strerror})",
                "/run/secret",
            ) from error
    if fallback is not None and fallback.is_file():
        return fallback.read_text("utf-8").strip()
    return ""


def env_time_zone(name: str, default: str) -> str:
    """A time zone name of the IANA database."""
    text = env_text(name, default)
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingInvalid(
            name, f"must name a time zone of the IANA database, not “{text}”", "Europe/Warsaw"
        ) from error
    return text


def env_url(name: str, default: str = "") -> str:
    """An address that begins with http:// or https://, without a slash at its end."""
    text = env_text(name, default)
    if text and not re.match(r"https?://[^/\s]+", text):
        raise SettingInvalid(
            name, f"must begin with http:// or https://, not “{text}”", "http://127.0.0.1:8300"
        )
    return text.rstrip("/")


def _split(name: str, url: str, example: str) -> tuple[SplitResult, int | None]:
    """The parts of an address, and its port."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingInvalid(name, "is no address", example) from error
    try:
        return parts, parts.port
    except ValueError as error:
        raise SettingInvalid(name, "has a port that is none", example) from error


def database_from_url(name: str, url: str) -> dict[str, Any]:
    """Django's database settings for a `postgresql://` address.

    Takes libpq's forms: host in the address or, for a socket directory, as `?host=/dir`.
    """
    example = "postgresql://regulars:secret@127.0.0.1:5432/regulars"
    parts, port = _split(name, url, example)
    query = dict(parse_qsl(parts.query))
    if parts.scheme not in {"postgres", "postgresql"}:
        raise SettingInvalid(name, "must begin with postgresql://", example)
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise SettingInvalid(name, "names no database", example)
    host = query.pop("host", "") or unquote(parts.hostname or "")
    user = query.pop("user", "") or unquote(parts.username or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database,
        "HOST": host,
        "PORT": query.pop("port", "") or (str(port) if port else ""),
        "USER": user,
        "PASSWORD": unquote(parts.password or ""),
        "OPTIONS": dict(query),
    }


def email_from_url(name: str, url: str) -> Mapping[str, object]:
    """Django's `EMAIL_…` settings for an `smtp://` or `smtps://` address."""
    example = "smtps://user:password@mail.example.com:465"
    parts, port = _split(name, url, example)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise SettingInvalid(name, "must be smtp://host:port or smtps://host:port", example)
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or (465 if parts.scheme == "smtps" else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_TIMEOUT": 20,
    }


# Those that django-anymail keeps up with and that need no package besides.
MAIL_PROVIDERS = (
    *("brevo", "mailersend", "mailgun", "mailjet", "mailtrap", "mandrill", "postal", "postmark"),
    *("resend", "sparkpost", "unisender_go"),
)


def email_from_provider(name: str) -> Mapping[str, object]:
    """Django's setting for a provider of e-mail with an API, as django-anymail names it."""
    provider = env_text(name).lower()
    if provider not in MAIL_PROVIDERS:
        raise SettingInvalid(name, f"must be one of {', '.join(MAIL_PROVIDERS)}", "postmark")
    return {"EMAIL_BACKEND": f"anymail.backends.{provider}.EmailBackend"}


def anymail_settings() -> dict[str, Any]:
    """What the variables that begin with ANYMAIL_ say, as django-anymail names it."""
    prefix = "ANYMAIL_"
    return {
        name.removeprefix(prefix): value.strip()
        for name, value in os.environ.items()
        if name.startswith(prefix) and value.strip()
    }


def is_fernet_key(text: str) -> bool:
    """Whether `text` is 32 bytes in URL-safe base64, as field encryption needs them."""
    try:
        return len(base64.urlsafe_b64decode(text.encode("ascii"))) == 32
    except ValueError:
        return False
