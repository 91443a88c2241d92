"""What there is to know of each vendor's system, in one place: how to authorize, what is synced.

A vendor's connector registers a `Vendor`; the connector and the floors above register what they
synchronize with it. Nothing else names a vendor.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.utils.functional import Promise

from integrations.connector import Http

_Words = str | Promise
_Choices = Sequence[tuple[str, _Words]]


@dataclass(frozen=True, slots=True)
class CredentialField:
    """A field of the form that authorizes. A secret one is never shown again."""

    name: str
    label: _Words
    is_secret: bool = False
    is_required: bool = True
    help: _Words = ""


@dataclass(frozen=True, slots=True)
class SettingField:
    """A setting of a connection that is no secret. `choices` are (value, words)."""

    name: str
    label: _Words
    default: Any = ""
    help: _Words = ""
    choices: _Choices | Callable[[], _Choices] = ()
    kind: str = "text"
    """text, choice, choices (several), flag, number, or types (of facts, as webhooks hear)."""
    check: Callable[[Any], str | Promise] | None = None
    """Says what is wrong with a value of the right kind; "" where nothing is."""
    empty: _Words = ""
    """What it means that nothing is said, for people."""
    is_asked: bool = False
    """Whether it is asked for beside the credentials, when one authorizes."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a vendor said of an account when it took the credentials.

    `account_id` is by what it tells accounts apart, "" where it does not say.
    """

    account_name: str = ""
    endpoint: str = ""
    account_id: str = ""


class Verify(Protocol):
    """Asks a vendor whether it takes credentials."""

    def __call__(
        self, http: Http, credentials: Mapping[str, str], settings: Mapping[str, Any]
    ) -> Verified:
        """Raises CredentialsRejected, TemporaryError, PermanentError with a sentence for people."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's system. `kind` is the connections' kind, `base_url` where one begins to ask.

    `remains` says what stays at the vendor after access was revoked. `help` are the steps by which
    one finds the credentials.
    """

    kind: str
    label: str
    description: _Words
    base_url: Callable[[Mapping[str, Any]], str]
    credentials: Sequence[CredentialField]
    verify: Verify
    settings: Sequence[SettingField] = ()
    help: Sequence[_Words] = ()
    help_url: str = ""
    icon: str = "hub"
    has_websites: bool = False
    remains: _Words = ""
    unproven: _Words = ""
    """What one does to see that the credentials are right, where the vendor does not tell."""


@dataclass(slots=True)
class SyncRun:
    """A synchronization in the hands of who does it.

    `connection_id` and what was registered; `http` speaks to the vendor and `credentials` are in
    clear: neither may be written down. `now` is the present and `sleep` waits, so that a test can
    drive both. `check` raises workspace.jobs.Cancelled where somebody cancelled; `advance` says how
    far it is. `counts` are kept with the run, whatever becomes of it.
    """

    connection_id: int
    settings: Mapping[str, Any]
    credentials: Mapping[str, str] = field(repr=False)
    http: Http = field(repr=False)
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    advance: Callable[[int, int | None, str], None]
    counts: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise Cancelled where the work is to stop."""
        self.advance(-1, None, "")


@dataclass(frozen=True, slots=True)
class Sync:
    """Something that is synchronized with a vendor, one at a time for each connection.

    `is_periodic` ones run every `sync_hours` of the connection, in the order of registration.
    """

    name: str
    label: _Words
    run: Callable[[SyncRun], None]
    is_periodic: bool = True


_vendors: dict[str, Vendor] = {}
_syncs: dict[str, dict[str, Sync]] = {}
# Of a connection: why a website's data are not there any more. Deletes them at the vendor; returns
# how many, or None where it goes on and has to be asked again.
DeleteData = Callable[[SyncRun, int], int | None]
# How many records of a website (by its id) a connection (by its id) has at the vendor.
CountData = Callable[[int, int], int]
_deleters: dict[str, DeleteData] = {}
_counters: dict[str, CountData] = {}


def register_vendor(vendor: Vendor) -> None:
    """Let people connect to this system. May be called again."""
    _vendors[vendor.kind] = vendor


def register_sync(kind: str, sync: Sync) -> None:
    """Synchronize this with vendors of this kind. May be called again."""
    _syncs.setdefault(kind, {})[sync.name] = sync


def register_deleter(kind: str, delete: DeleteData, *, count: CountData | None = None) -> None:
    """Have `delete` called with a run and a website's id to delete its data at the vendor.

    `count` says beforehand how many records that will be, by the connection's and the website's
    ids. May be called again.
    """
    _deleters[kind] = delete
    if count is not None:
        _counters[kind] = count


def vendors() -> list[Vendor]:
    """All systems that one can connect to, by label."""
    return sorted(_vendors.values(), key=lambda one: one.label)


def find_vendor(kind: str) -> Vendor | None:
    """The system of this kind; None where there is none."""
    return _vendors.get(kind)


def syncs_of(kind: str) -> list[Sync]:
    """What is synchronized with vendors of this kind, in the order of registration."""
    return list(_syncs.get(kind, {}).values())


def deleter_of(kind: str) -> DeleteData | None:
    """What deletes a website's data at vendors of this kind."""
    return _deleters.get(kind)


def record_count(kind: str, connection_id: int, website_id: int) -> int | None:
    """How many records of a website a connection has at the vendor; None where nobody counts."""
    count = _counters.get(kind)
    return None if count is None else count(connection_id, website_id)


def choices_of(setting: SettingField) -> list[tuple[str, _Words]]:
    """What one may choose for a setting, as things stand."""
    return list(setting.choices() if callable(setting.choices) else setting.choices)
