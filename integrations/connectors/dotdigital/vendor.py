"""What there is to know of Dotdigital: how to authorize, what can be set, what stays there."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as product
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import ComputedMetric
from integrations.connector import Http
from integrations.connectors.dotdigital import payloads
from integrations.connectors.dotdigital.client import DotdigitalClient
from integrations.errors import MalformedAnswer
from integrations.models import Connection
from integrations.vendors import registry
from integrations.vendors.registry import CredentialField, SettingField, Vendor, Verified

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

    Raises the errors of the client.
    """
    account = client_of(http, credentials).account()
    check_endpoint(account.endpoint)
    endpoint = account.endpoint
    if _is_theirs(endpoint) and not _is_theirs(base_url(settings)):
        # What stands in for the vendor repeats what the vendor's pages show: stay with it.
        endpoint = base_url(settings).rstrip("/")
    there = _Elsewhere(http, endpoint)
    client_of(there, credentials).account()
    return Verified(account_name=account.name, endpoint=endpoint, account_id=account.id)


def check_endpoint(endpoint: str) -> None:
    """Raises MalformedAnswer for an address that is not the vendor's.

    Credentials are sent there: an answer that leads elsewhere is not followed.
    """
    parts = urlsplit(endpoint)
    is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
    if not (_is_theirs(endpoint) or (product.DOTDIGITAL_URL and is_url)):
        words = _("Dotdigital leads to “%(endpoint)s”, which is no address of dotdigital.com.")
        raise MalformedAnswer(words % {"endpoint": endpoint[:100]})


def _is_theirs(address: str) -> bool:
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "https" and (host == _HOSTS or host.endswith(f".{_HOSTS}"))


def check_collection(name: str) -> str:
    """What is wrong with the name of a collection; "" where nothing is."""
    if payloads.COLLECTION.fullmatch(name):
        return ""
    return _(
        "The name of a collection has 2 to 255 letters, digits, - and _, and does not begin with a"
        " digit."
    )


def check_identifier(name: str) -> str:
    """What is wrong with the name of an identifier; "" where nothing is."""
    if payloads.IDENTIFIER.fullmatch(name):
        return ""
    return _(
        "Write email, mobileNumber, or the name of an identifier of your account: up to 50 letters,"
        " digits, - and _."
    )


def check_field_names(text: str) -> str:
    """What is wrong with names that fields are given; "" where nothing is."""
    for pair in _pairs(text):
        name, is_given, new_name = (part.strip() for part in pair.partition("="))
        if not (is_given and name and payloads.IDENTIFIER.fullmatch(new_name)):
            words = _("“%(pair)s” names no field: write metric = field, separated by commas.")
            return words % {"pair": pair[:60]}
    return ""


def field_names(settings: Mapping[str, Any]) -> dict[str, str]:
    """The fields that are to have another name there, by the name they have."""
    pairs = (one.partition("=") for one in _pairs(str(settings.get("field_names") or "")))
    return {name.strip(): new_name.strip() for name, _sign, new_name in pairs}


def _pairs(text: str) -> list[str]:
    return [one.strip() for one in re.split(r"[,;\n]", text) if one.strip()]


def _metrics() -> list[tuple[str, str]]:
    """The fields that there are to be chosen from."""
    found = ComputedMetric.objects.order_by("upload_name").values_list(
        "upload_name", "metric__label", "function"
    )
    return [
        (
            name,
            _("%(label)s (%(name)s), changes every day") % {"label": label, "name": name}
            if function == ComputedMetric.Function.DAYS_SINCE
            else f"{label} ({name})",
        )
        for name, label, function in found
    ]


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
                    check=check_collection,
                ),
                SettingField(
                    "metrics",
                    gettext_lazy("Metrics"),
                    default=[],
                    help=gettext_lazy(
                        "None chosen: all metrics that are computed are uploaded, later ones, too."
                        " With one that changes every day, each contact's record is sent every day:"
                        " choose all others to leave it out."
                    ),
                    choices=_metrics,
                    kind="choices",
                ),
                SettingField(
                    "field_names",
                    gettext_lazy("Names of fields"),
                    help=gettext_lazy(
                        "Where fields are to have other names there, separated by commas:"
                        " ss_ordercountlast30days = orders_30d"
                    ),
                    check=check_field_names,
                ),
                SettingField(
                    "identifier",
                    gettext_lazy("Contacts are found by"),
                    default=EMAIL,
                    help=gettext_lazy(
                        "email, mobileNumber, or the name of an identifier of your account that"
                        " holds our external id. With another one everything is uploaded anew."
                    ),
                    check=check_identifier,
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
                "What was not deleted there stays in your Dotdigital account: Insight data, the"
                " lists, the contacts on them, and the segments built on them."
            ),
        )
    )
