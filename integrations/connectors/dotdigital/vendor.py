"""What there is to know of Dotdigital: how to authorize, what can be set, what stays there."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as product
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.connector import Http
from integrations.connectors.dotdigital import payloads
from integrations.connectors.dotdigital.client import DotdigitalClient
from integrations.errors import ConnectionInvalid, MalformedAnswer
from integrations.models import Connection
from integrations.vendors import registry
from integrations.vendors.registry import CredentialField, SettingField, Vendor, Verified
from workspace.errors import Problem

KIND = Connection.Kind.DOTDIGITAL.value
COLLECTION = "SS_Segmentation_Data"
EMAIL, MOBILE = "email", "mobileNumber"
# Whatever the region: it says of which one the account is.
_FIRST = "https://r1-api.dotdigital.com"
_HOSTS = "dotdigital.com"
# By our identities; what is none of these is an identifier of the account that holds our id.
_NAMESPACES = {EMAIL: "email", MOBILE: "phone"}


def client_of(http: Http, credentials: Mapping[str, str]) -> DotdigitalClient:
    """The client of an account."""
    return DotdigitalClient(http, credentials.get("username", ""), credentials.get("password", ""))


def namespace_of(identifier: str) -> str:
    """Which of our identities the names are that contacts have there."""
    return _NAMESPACES.get(identifier, "user_id")


def base_url(settings: Mapping[str, Any]) -> str:
    """Where one asks of which region an account is."""
    return product.DOTDIGITAL_URL or _FIRST


def verify(http: Http, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> Verified:
    """Ask whose account it is, and try the address of its region.

    Raises ConnectionInvalid for settings that cannot be, and the errors of the client.
    """
    if problems := check_settings(settings):
        raise ConnectionInvalid(problems[0].message, problems=problems)
    account = client_of(http, credentials).account()
    check_endpoint(account.endpoint)
    there = _Elsewhere(http, account.endpoint)
    client_of(there, credentials).account()
    return Verified(account_name=account.name, endpoint=account.endpoint)


def check_endpoint(endpoint: str) -> None:
    """Raises MalformedAnswer for an address that is not the vendor's.

    Credentials are sent there: an answer that leads elsewhere is not followed.
    """
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    is_theirs = parts.scheme == "https" and (host == _HOSTS or host.endswith(f".{_HOSTS}"))
    is_set = bool(product.DOTDIGITAL_URL) and parts.scheme in {"http", "https"} and bool(host)
    if not (is_theirs or is_set):
        words = _("Dotdigital leads to “%(endpoint)s”, which is no address of dotdigital.com.")
        raise MalformedAnswer(words % {"endpoint": endpoint[:100]})


def check_settings(settings: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the settings of a connection."""
    problems = []
    if not payloads.COLLECTION.fullmatch(str(settings.get("collection", COLLECTION))):
        words = _(
            "The name of a collection has 2 to 255 letters, digits, - and _, and does not begin"
            " with a digit."
        )
        problems.append(Problem("collection", "invalid", words))
    if not payloads.IDENTIFIER.fullmatch(str(settings.get("identifier", EMAIL))):
        words = _(
            "Write email, mobileNumber, or the name of an identifier of your account: up to 50"
            " letters, digits, - and _."
        )
        problems.append(Problem("identifier", "invalid", words))
    for line in field_lines(settings):
        name, is_given, new_name = (part.strip() for part in line.partition("="))
        if not (is_given and payloads.IDENTIFIER.fullmatch(new_name) and name):
            words = _("“%(line)s” is no name of a field: write metric = field on each line.")
            problems.append(Problem("field_names", "invalid", words % {"line": line[:60]}))
    return problems


def field_lines(settings: Mapping[str, Any]) -> list[str]:
    """The lines that give fields other names."""
    return [line for line in str(settings.get("field_names") or "").splitlines() if line.strip()]


def field_names(settings: Mapping[str, Any]) -> dict[str, str]:
    """The fields that are to have another name there, by the name they have."""
    pairs = (line.partition("=") for line in field_lines(settings))
    return {name.strip(): new_name.strip() for name, _sign, new_name in pairs}


class _Elsewhere:
    """An `Http` whose paths are below another address."""

    def __init__(self, http: Http, endpoint: str) -> None:
        self._http, self._endpoint = http, endpoint
        self.note_limit, self.now = http.note_limit, http.now

    def request(self, method: str, path: str, **given: Any) -> Any:
        return self._http.request(method, f"{self._endpoint}{path}", **given)


def register() -> None:
    """Let people connect to Dotdigital."""
    registry.register_vendor(
        Vendor(
            kind=KIND,
            label="Dotdigital",
            description=gettext_lazy(
                "Appends metrics to the contacts of your account, as Insight data on which you"
                " build segments there; keeps lists that mirror segments."
            ),
            base_url=base_url,
            credentials=(
                CredentialField(
                    "username",
                    gettext_lazy("API username"),
                    help=gettext_lazy("As apiuser-1a2b3c4d5e6f@apiconnector.com"),
                ),
                CredentialField("password", gettext_lazy("API password"), is_secret=True),
            ),
            verify=verify,
            settings=(
                SettingField(
                    "collection",
                    gettext_lazy("Collection"),
                    default=COLLECTION,
                    help=gettext_lazy(
                        "Where Insight data are kept: choose it in Dotdigital's segment builder."
                        " With another name everything is uploaded anew, and what is under the"
                        " old one is deleted."
                    ),
                ),
                SettingField(
                    "metrics",
                    gettext_lazy("Metrics"),
                    help=gettext_lazy(
                        "The names of the fields to upload, separated by blanks or commas, as"
                        " ss_ordercountlast30days. Empty: all metrics that are computed."
                    ),
                ),
                SettingField(
                    "field_names",
                    gettext_lazy("Names of fields"),
                    help=gettext_lazy(
                        "Where fields are to have other names there, one on each line:"
                        " ss_ordercountlast30days = orders_30d"
                    ),
                    kind="text",
                ),
                SettingField(
                    "identifier",
                    gettext_lazy("Contacts are found by"),
                    default=EMAIL,
                    help=gettext_lazy(
                        "email, mobileNumber, or the name of an identifier of your account that"
                        " holds our external id."
                    ),
                ),
            ),
            help=(
                gettext_lazy("Log in to Dotdigital, and hover over your name at the bottom left."),
                gettext_lazy("Open Settings → Access, and there the tab API users."),
                gettext_lazy(
                    "Edit an API user at its right, or add one: “Add New API User” at the top left,"
                    " which newer accounts call “New user”."
                ),
                gettext_lazy(
                    "Give it a description, a password, a rate limit where the form asks for one,"
                    " and the status Enabled; then Save. The username is made by Dotdigital."
                ),
                gettext_lazy("Copy username and password into the form here, and Authorize."),
            ),
            help_url="https://developer.dotdigital.com/docs/setting-up-an-api-user",
            icon="ads_click",
            has_websites=True,
            remains=gettext_lazy(
                "The Insight data that were uploaded, the lists, and the contacts on them stay in"
                " your Dotdigital account, and so do the segments built on them, unless the data"
                " are deleted with the access."
            ),
        )
    )
