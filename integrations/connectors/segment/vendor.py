"""What there is to know of Segment: how to authorize, what can be set, what stays there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import announcements, gates, registry
from integrations.connector import Http
from integrations.connectors.segment import payloads
from integrations.connectors.segment.connector import BASE_URLS, SegmentConnector, base_url
from integrations.errors import ConnectionInvalid, CredentialsRejected
from integrations.gates import Stop
from integrations.models import Connection, Delivery
from integrations.registry import Room
from integrations.vendors import registry as vendors
from integrations.vendors.registry import CredentialField, SettingField, Vendor, Verified
from workspace.errors import Problem

KIND = Connection.Kind.SEGMENT.value
CONNECTOR = SegmentConnector()
# Segment recommends no more than 1000 requests a second; a batch is one.
_ROOM = Room(share=4000, batch=1000, per_second=50)
NO_IDENTITY = "no_identity"


def verify(http: Http, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> Verified:
    """Look whether the address answers. Segment tells nobody whether a write key is one.

    Nothing is sent to the source. Raises ConnectionInvalid for settings that cannot be,
    CredentialsRejected for what is no write key by its form.
    """
    if str(settings.get("region") or "us") not in BASE_URLS:
        words = _("Choose the region of your Segment workspace.")
        raise ConnectionInvalid(words, problems=[Problem("region", "invalid", words)])
    write_key = credentials.get("write_key", "")
    if len(write_key) < 8 or not write_key.isascii() or not write_key.isprintable():
        raise CredentialsRejected(
            _("It is no write key: copy it from Sources → your source → Settings → API Keys.")
        )
    http.request("GET", "/", headers={}, seconds=10, limit=2000)
    return Verified(account_name=f"Segment …{write_key[-4:]}")


def stop_nameless(batch: Sequence[Delivery], at: datetime) -> dict[int, Stop]:
    """Facts of contacts that have no id for Segment, and of nobody, are not sent. A gate."""
    words = _("Not sent: it is of no contact with an id by which Segment knows it.")
    return {
        one.pk: Stop(NO_IDENTITY, words)
        for one in batch
        if not payloads.is_of_somebody(one.payload)
    }


def register() -> None:
    """Let people connect to Segment, and facts go there. May be called again."""
    registry.register(KIND, CONNECTOR, room=_ROOM)
    announcements.register_kind(KIND, name_there=payloads.call_name)
    gates.register_gate("segment identities", stop_nameless, kinds=[KIND])
    vendors.register_vendor(
        Vendor(
            kind=KIND,
            label="Twilio Segment",
            description=gettext_lazy(
                "Sends what happens here to a source of your Segment workspace, at once: cards that"
                " were given and redeemed, messages, who comes into segments and leaves them."
            ),
            base_url=base_url,
            credentials=(
                CredentialField(
                    "write_key",
                    gettext_lazy("Write key"),
                    is_secret=True,
                    help=gettext_lazy("Of the source that is to hear of it."),
                ),
            ),
            verify=verify,
            settings=(
                SettingField(
                    "region",
                    gettext_lazy("Region"),
                    default="us",
                    choices=(("us", "US (Oregon)"), ("eu", "EU (Dublin)")),
                    help=gettext_lazy("That of your Segment workspace."),
                    kind="choice",
                    is_asked=True,
                ),
                SettingField(
                    "types",
                    gettext_lazy("Events"),
                    default=[],
                    help=gettext_lazy(
                        "What is sent. Codes of gift cards are in the event “A code was given to a"
                        " contact”; a distribution can send them without it."
                    ),
                    kind="types",
                    is_asked=True,
                ),
                SettingField(
                    "names",
                    gettext_lazy("Names of events"),
                    default=payloads.DOTTED,
                    choices=(
                        (payloads.DOTTED, gettext_lazy("as here: customer.publication.succeeded")),
                        (payloads.TITLES, gettext_lazy("titles: Customer Publication Succeeded")),
                    ),
                    kind="choice",
                ),
                SettingField(
                    "identity",
                    gettext_lazy("Contacts are known there by"),
                    default="user_id",
                    help=gettext_lazy(
                        "The identity that becomes Segment's userId. user_id is the external id;"
                        " contacts without one are left out and counted."
                    ),
                ),
                SettingField(
                    "memberships",
                    gettext_lazy("Segments are told as"),
                    default=payloads.EVENTS,
                    choices=(
                        (payloads.EVENTS, gettext_lazy("events: entered and left")),
                        (payloads.TRAITS, gettext_lazy("traits: true for who is in, else false")),
                    ),
                    help=gettext_lazy("Tick the two events above for either."),
                    kind="choice",
                ),
                SettingField(
                    "segments",
                    gettext_lazy("Which segments"),
                    help=gettext_lazy(
                        "Their keys, separated by blanks or commas. Empty: all segments."
                    ),
                    empty=gettext_lazy("all"),
                ),
                SettingField(
                    "per_second",
                    gettext_lazy("Calls a second, at most"),
                    default=50,
                    help=gettext_lazy("A call takes up to 1000 events."),
                    kind="number",
                ),
                SettingField(
                    "compress",
                    gettext_lazy("Compress what is sent"),
                    default=False,
                    help=gettext_lazy(
                        "As gzip: a tenth of the traffic, where nothing in between minds."
                    ),
                    kind="flag",
                ),
                SettingField(
                    "exclude",
                    gettext_lazy("Not to these destinations"),
                    help=gettext_lazy(
                        "Names of destinations of Segment, separated by commas, that must not get"
                        " what comes from here, as one that would send it back."
                    ),
                    empty=gettext_lazy("none is left out"),
                ),
            ),
            help=(
                gettext_lazy("In Segment, open Connections → Sources and choose Add source."),
                gettext_lazy("Pick the source in the catalog, or HTTP API, and give it a name."),
                gettext_lazy(
                    "Open its Settings → API Keys (in new sources: the tab Configuration) and copy"
                    " the write key."
                ),
                gettext_lazy("Paste it here, tick the events, and Authorize."),
                gettext_lazy(
                    "Whatever happens next appears in the source's Debugger; connect destinations"
                    " to the source that act on it."
                ),
            ),
            help_url="https://segment.com/docs/connections/find-writekey/",
            icon="alt_route",
            unproven=gettext_lazy(
                "Segment tells nobody whether a write key is right: send a test event, and look"
                " whether it arrives in the source's Debugger."
            ),
            remains=gettext_lazy(
                "What was sent stays in your Segment workspace and at its destinations."
            ),
        )
    )
