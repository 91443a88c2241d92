"""Emarsys as a system that one can connect to, and import segments from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.connector import Http
from integrations.connectors.emarsys import client as calls
from integrations.connectors.emarsys.client import Client
from integrations.connectors.emarsys.payloads import EMAIL_FIELD
from integrations.connectors.emarsys.reading import Reading
from integrations.errors import PermanentError
from integrations.vendors.importers import Importer, RemoteSegment, register_importer
from integrations.vendors.registry import (
    CredentialField,
    SettingField,
    SyncRun,
    Vendor,
    Verified,
    register_vendor,
)

KIND = "emarsys"
_OAUTH, _WSSE = "oauth2", "wsse"
_EMAIL, _EXTERNAL = "email", "external_id"


def register() -> None:
    """Let people connect to Emarsys, and import its segments."""
    register_vendor(VENDOR)
    register_importer(
        KIND,
        Importer(list_segments, fetch_members, identity=identity_of, count_members=count_members),
    )


def list_segments(run: SyncRun) -> Sequence[RemoteSegment]:
    """All segments and combined segments of the account."""
    return _reading(run).segments()


def fetch_members(run: SyncRun, remote_id: str) -> Iterator[Sequence[str]]:
    """The keys of those who are in one of them."""
    return _reading(run).keys(remote_id)


def count_members(run: SyncRun, remote_id: str) -> int | None:
    """How many are in one of them, where Emarsys knows at once."""
    return _reading(run).count(remote_id)


def identity_of(settings: Mapping[str, Any]) -> str:
    """Which names of ours the keys are compared with."""
    return "user_id" if settings.get("match_by") == _EXTERNAL else "email"


def base_url() -> str:
    """The host that is called, also where the setting names a version of the interface."""
    given = (django_settings.EMARSYS_URL or calls.BASE_URL).rstrip("/")
    return re.sub(r"/api(/v\d+)?$", "", given)


def verify(http: Http, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> Verified:
    """Ask for the segments, and for the field that contacts are known by."""
    client = client_of(http, credentials, settings)
    client.list_segments()
    if settings.get("match_by") == _EXTERNAL:
        field = str(settings.get("external_field") or "").strip()
        if field not in client.field_names():
            words = _("Emarsys has no field with the number “%(field)s”.")
            raise PermanentError(words % {"field": field[:40]})
    return Verified(account_name=credentials["user"])


def key_field_of(settings: Mapping[str, Any]) -> str:
    """The number of the field by which contacts are known there."""
    if settings.get("match_by") == _EXTERNAL:
        return str(settings.get("external_field") or "").strip()
    return EMAIL_FIELD


def _reading(run: SyncRun) -> Reading:
    client = client_of(run.http, run.credentials, run.settings)
    return Reading(run, client, field=key_field_of(run.settings))


def client_of(http: Http, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> Client:
    """The client of an account."""
    return Client(
        http,
        user=credentials["user"],
        secret=credentials["secret"],
        is_oauth=settings.get("auth", _OAUTH) != _WSSE,
        auth_url=django_settings.EMARSYS_AUTH_URL or calls.AUTH_URL,
    )


VENDOR = Vendor(
    kind=KIND,
    label="Emarsys",
    description=gettext_lazy(
        "Segments of Emarsys become segments here, with those of their contacts who are loyalty"
        " members, and are brought up to date daily."
    ),
    base_url=lambda settings: base_url(),
    credentials=(
        CredentialField(
            "user",
            gettext_lazy("Client id, or API user"),
            help=gettext_lazy("With OAuth2 the client id; with WSSE the name of the API user."),
        ),
        CredentialField("secret", gettext_lazy("Secret"), is_secret=True),
    ),
    settings=(
        SettingField(
            "auth",
            gettext_lazy("Way to authorize"),
            default=_OAUTH,
            kind="choice",
            choices=(
                (_OAUTH, gettext_lazy("OAuth2 (API v3)")),
                (_WSSE, gettext_lazy("WSSE (API v2, until the end of 2026)")),
            ),
            help=gettext_lazy(
                "Emarsys ends WSSE with the year 2026: choose it only where you have no OAuth2"
                " credentials yet."
            ),
            is_asked=True,
        ),
        SettingField(
            "sync_hour",
            gettext_lazy("Synchronize at"),
            default="",
            kind="choice",
            choices=(
                ("", gettext_lazy("the hour at which it was authorized")),
                *((str(hour), f"{hour:02}:00") for hour in range(24)),
            ),
            help=gettext_lazy("In the time zone of the workspace, for what is done daily."),
        ),
        SettingField(
            "match_by",
            gettext_lazy("Contacts are the same by"),
            default=_EMAIL,
            kind="choice",
            choices=(
                (_EMAIL, gettext_lazy("e-mail address (field 3)")),
                (_EXTERNAL, gettext_lazy("external id, in the field below")),
            ),
        ),
        SettingField(
            "external_field",
            gettext_lazy("Field of the external id"),
            help=gettext_lazy(
                "The number of the field of Emarsys that holds our external ids; needed only where"
                " contacts are the same by external id."
            ),
        ),
    ),
    help=(
        gettext_lazy(
            "In Emarsys open Management → Security Settings → API Credentials, and create"
            " credentials of the kind OpenID Connect: they are a client id and a secret. (For WSSE:"
            " API Users in the same place.)"
        ),
        gettext_lazy(
            "Give it these permissions: segment.list, segment.get, segment.contact.list, running"
            " segments, combinedsegment.list, contactlist (list and data), contact.getdata,"
            " field.list."
        ),
        gettext_lazy(
            "Enter client id and secret here; Emarsys is asked at once whether it takes them."
        ),
    ),
    help_url="https://dev.emarsys.com/docs/emarsys-core-api-guides",
    icon="campaign",
    remains=gettext_lazy(
        "Nothing of ours is in Emarsys. Segments that were imported stay here with their last"
        " members."
    ),
    verify=verify,
)
