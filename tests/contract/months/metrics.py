"""Metrics at Dotdigital, while websites, metrics and the password change."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from contacts import metric_definitions
from contacts.formulas import Formula
from contacts.models import WebsiteMetrics
from integrations.models import ConnectionWebsite, UploadedRecord, VendorConnection
from integrations.sandbox.dotdigital import Dotdigital
from integrations.vendors import credentials, leaving
from tests.contract.months.world import Month
from workspace.access import SYSTEM
from workspace.models import Website

COLLECTION = "SS_Segmentation_Data"
State = ConnectionWebsite.State
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def as_there(values: dict[str, Any]) -> dict[str, Any]:
    """Values as they are uploaded: a day is its first instant there."""
    return {
        name: f"{value}T00:00:00Z"
        if isinstance(value, str) and _DAY.fullmatch(value)
        else float(value)
        if isinstance(value, Decimal)
        else value
        for name, value in values.items()
    }


@dataclass
class Metrics:
    """The metrics of two websites' customers."""

    month: Month
    box: Dotdigital
    connection: VendorConnection = field(init=False)
    dark_until: datetime | None = None

    def __post_init__(self) -> None:
        self.websites = [Website.objects.create(key=key, name=key) for key in ("north", "south")]
        self.connection = self.month.authorize(
            "dotdigital",
            {"username": self.box.username, "password": self.box.password},
            websites=self.websites,
        )

    def acts(self) -> Sequence[Callable[[], None]]:
        return []

    def turns(self) -> Sequence[Callable[[], None]]:
        return [self.drop_website, self.define_metric, self.go_dark, self.take_website_back]

    def drop_website(self) -> None:
        leaving.remove_websites(
            self.connection.pk,
            websites=self.websites[1:],
            actor=SYSTEM,
            at=self.month.clock.now(),
        )

    def take_website_back(self) -> None:
        if self._rows(State.LEAVING).exists():
            # It is refused while its data are being deleted.
            return
        leaving.attach_websites(
            self.connection.pk, websites=self.websites, actor=SYSTEM, at=self.month.clock.now()
        )

    def define_metric(self) -> None:
        metric_definitions.define_metric(
            key="orders_this_week",
            label="Orders this week",
            formula=Formula("count", window_days=7),
            actor=SYSTEM,
            at=self.month.clock.now(),
        )

    def go_dark(self) -> None:
        """The vendor takes the password no more, for two days."""
        self.box.is_enabled = False
        self.dark_until = self.month.clock.now() + timedelta(days=2)

    def come_back(self) -> None:
        self.box.is_enabled, self.box.password, self.dark_until = True, "sandbox-2", None
        given = {"username": self.box.username, "password": self.box.password}
        calm, self.box.chaos = self.box.chaos, lambda request: None
        credentials.renew_credentials(
            self.connection.pk, credentials=given, actor=SYSTEM, at=self.month.clock.now()
        )
        self.box.chaos = calm

    def night(self) -> None:
        if self.dark_until is not None and self.month.clock.now() >= self.dark_until:
            self.come_back()
        self.box.insight.failing = self.month.dice.choice([0, 0, 0, 1]) if self.month.odds else 0
        self.delete_websites()
        self.month.synchronize(self.connection, "metrics")

    def delete_websites(self) -> None:
        clock = self.month.clock
        if self._rows(State.LEAVING).filter(connection__error="").exists():
            self.month.patiently(
                lambda: leaving.run_leaving(self.connection.pk, now=clock.now, sleep=clock.sleep)
            )

    def sent(self) -> int:
        is_well = VendorConnection.objects.filter(pk=self.connection.pk, error="").exists()
        due = UploadedRecord.objects.filter(state__in=["due", "sending", "leaving"])
        assert not (is_well and due.exists())
        return len(self.box.asked("/insightData/v3/import", method="PUT")) + len(
            self.box.asked("/deleteRecords")
        )

    def is_as_meant(self) -> None:
        """There is a record of each contact that Dotdigital knows, on each website of ours."""
        held = {
            key: (email, {name: value for name, value in document.items() if name != "computed_at"})
            for key, (email, document) in self.box.records(COLLECTION).items()
        }
        known = self.box.contacts.by_email
        rows = WebsiteMetrics.objects.filter(
            website__in=self._rows(State.ATTACHED).values("website")
        )
        meant = {
            f"{row.contact.email}:{row.website.key}": (row.contact.email, as_there(row.values))
            for row in rows.select_related("contact", "website")
            if row.contact.email in known
        }
        assert held == meant
        assert any("ss_ordersthisweek" in document for _email, document in held.values())
        assert not self._rows(State.LEAVING).exists()

    def _rows(self, state: State) -> "QuerySet[ConnectionWebsite]":
        return ConnectionWebsite.objects.filter(connection=self.connection, state=state)
