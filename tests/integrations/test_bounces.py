"""Mails that came back: which of ours is meant, and what follows."""

import mailbox
import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from contacts.erasure import erase_contact
from integrations.bounces import heard, mailboxes, marks
from integrations.bounces.heard import ARRIVED, Heard, Kind, Told, hear
from integrations.bounces.mailboxes import read_imap
from integrations.bounces.reports import read_report
from integrations.errors import MailboxUnreadable
from integrations.models import MailReport, Suppression
from integrations.suppressions import suppressed_addresses
from tests.factories import HOUR, NOW, make_contact
from tests.integrations.returning import KEY, bounce, complaint, headers_of, queue, sent, verp
from workspace.access import SYSTEM

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _ours(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "Regulars <regulars@shop.example>"
    settings.BOUNCE_ADDRESS = "bounces@shop.example"


@pytest.fixture
def listener() -> Iterator[list[Heard]]:
    """What a floor above is told."""
    got: list[Heard] = []
    heard.register_listener("test", lambda some, at: got.extend(some))
    yield got
    del heard._listeners["test"]


def soft(number: int, at: datetime = NOW, address: str = "anna@example.com") -> Told:
    return Told(Kind.SOFT_BOUNCE, address, "dsn", f"r{number}", at, f"k:{number}", "4.2.2 full")


class TestReading:
    @pytest.mark.parametrize(
        ("status", "diagnostic", "kind"),
        [
            ("5.1.1", "smtp; 550 5.1.1 No such user", Kind.HARD_BOUNCE),
            ("5.1.2", "smtp; no such domain", Kind.HARD_BOUNCE),
            ("5.2.1", "smtp; 550 account disabled", Kind.HARD_BOUNCE),
            ("5.0.0", "smtp; 550 User unknown in virtual mailbox table", Kind.HARD_BOUNCE),
            ("5.0.0", "smtp; 554 Message rejected", Kind.SOFT_BOUNCE),
            ("5.2.2", "smtp; 552 Mailbox full", Kind.SOFT_BOUNCE),
            ("5.7.1", "smtp; 554 Looks like spam", Kind.SOFT_BOUNCE),
            ("4.4.1", "smtp; connection timed out, user unknown", Kind.SOFT_BOUNCE),
        ],
    )
    def test_only_an_address_that_is_gone_is_a_hard_bounce(
        self, status: str, diagnostic: str, kind: str
    ) -> None:
        (told,) = read_report(bounce(status, diagnostic), at=NOW)
        assert (told.kind, told.key, told.address) == (kind, KEY, "anna@example.com")
        assert told.detail.startswith(status)

    def test_a_delay_is_no_news_and_an_arrival_is(self) -> None:
        assert read_report(bounce(action="delayed"), at=NOW) == []
        (told,) = read_report(bounce("2.0.0", action="delivered"), at=NOW)
        assert told.kind == ARRIVED

    def test_headers_alone_are_enough(self) -> None:
        content = bounce(original=headers_of(sent()), returned="text/rfc822-headers")
        assert [told.key for told in read_report(content, at=NOW)] == [KEY]

    def test_the_address_that_it_came_back_to_is_enough(self) -> None:
        content = bounce(original="nothing of ours", returned="text/plain", to=verp().upper())
        assert [told.key for told in read_report(content, at=NOW)] == [KEY]

    def test_words_of_an_old_server_are_understood(self) -> None:
        content = (
            f"Return-Path: <>\nFrom: MAILER-DAEMON@old.example\nTo: {verp()}\n\n"
            "Hi. This is the qmail-send program at old.example.\n"
            "<anna@example.com>:\n550 5.1.1 Sorry, no mailbox here by that name.\n"
        )
        (told,) = read_report(content.encode(), at=NOW)
        assert (told.kind, told.key) == (Kind.HARD_BOUNCE, KEY)

    def test_an_answer_of_a_person_is_no_bounce(self) -> None:
        content = (
            f"From: anna@example.com\nTo: {verp()}\nAuto-Submitted: auto-replied\n\n"
            "I am away until 5.1.1. Call 550 123.\n"
        )
        assert read_report(content.encode(), at=NOW) == []

    def test_a_complaint_is_read(self) -> None:
        (told,) = read_report(complaint(), at=NOW)
        assert (told.kind, told.key, told.address) == (Kind.COMPLAINT, KEY, "anna@example.com")
        assert read_report(complaint("not-spam"), at=NOW) == []

    def test_nobody_can_forge_one(self) -> None:
        forged = sent().replace(marks.mark_of(KEY), f"{KEY}:forged")
        assert read_report(bounce(original=forged), at=NOW) == []
        wrong = verp().replace("=", "=1", 1)
        content = bounce(original="x", returned="text/plain", to=wrong)
        assert read_report(content, at=NOW) == []

    def test_a_former_secret_key_still_reads_its_marks(self, settings: Any) -> None:
        mark, address = marks.mark_of(KEY), verp()
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "new" * 20
        assert (marks.key_of(mark), marks.key_of_address(address)) == (KEY, KEY)

    @given(content=st.binary(max_size=300))
    def test_whatever_comes_is_read_or_passed_over(self, content: bytes) -> None:
        assert read_report(content, at=NOW) == []

    def test_nested_without_end_is_passed_over(self) -> None:
        deep = b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000)
        )
        assert read_report(deep, at=NOW) == []

    def test_a_long_key_comes_back_to_the_plain_address(self) -> None:
        assert marks.bounce_address("template-test:1:user:3:2026-03-02T12:00:00") == (
            "bounces@shop.example"
        )


@pytest.mark.django_db
class TestHearing:
    def test_a_hard_bounce_suppresses_the_address_that_was_written_to(
        self, listener: list[Heard]
    ) -> None:
        contact = make_contact(email="Anna@example.com")
        queue(to="Anna@example.com", contact_id=contact.pk)
        # It was passed on to another mailbox, which is gone.
        told = read_report(bounce(address="anna.private@other.example"), at=NOW)
        hear(told, at=NOW)
        assert suppressed_addresses(["anna@example.com", "anna.private@other.example"]) == {
            "anna@example.com": "bounce"
        }
        (got,) = listener
        assert (got.key, got.subject, got.contact_id) == (KEY, "message:12", contact.pk)
        assert (got.is_bounce, got.is_hard) == (True, True)
        assert Suppression.objects.get().contact_id == contact.pk

    def test_what_is_told_twice_is_heard_once(self, listener: list[Heard]) -> None:
        told = read_report(bounce(), at=NOW)
        assert [len(hear(told, at=NOW)), len(hear(told, at=NOW))] == [1, 0]
        assert len(hear([*told, *told], at=NOW)) == 0
        assert len(listener) == 1

    def test_a_delivery_that_is_forgotten_is_still_told_of(self, listener: list[Heard]) -> None:
        hear(read_report(bounce(), at=NOW), at=NOW)
        assert [(one.key, one.subject) for one in listener] == [(KEY, "")]

    def test_three_soft_bounces_are_a_hard_one(self, settings: Any) -> None:
        for number in range(3):
            assert suppressed_addresses(["anna@example.com"]) == {}
            hear([soft(number, NOW + number * DAY)], at=NOW)
        assert suppressed_addresses(["anna@example.com"]) == {"anna@example.com": "bounce"}
        assert "3 times" in Suppression.objects.get().detail

    def test_soft_bounces_long_ago_count_no_more(self, settings: Any) -> None:
        days = settings.SOFT_BOUNCE_DAYS
        for number, at in enumerate((NOW - days * DAY, NOW - HOUR, NOW)):
            hear([soft(number, at)], at=NOW)
        assert suppressed_addresses(["anna@example.com"]) == {}
        hear([soft(3, NOW)], at=NOW)
        assert suppressed_addresses(["anna@example.com"])

    def test_soft_bounces_before_an_arrival_count_no_more(self) -> None:
        hear([soft(1), soft(2)], at=NOW)
        hear([Told(ARRIVED, "anna@example.com", "postmark", "x", NOW + HOUR)], at=NOW)
        hear([soft(3, NOW + DAY)], at=NOW)
        assert suppressed_addresses(["anna@example.com"]) == {}
        assert MailReport.objects.count() == 3

    def test_two_reports_of_one_mail_count_once(self) -> None:
        many = [
            Told(Kind.SOFT_BOUNCE, "a@x.pl", "dsn", f"r{number}", NOW, "k:1") for number in range(5)
        ]
        hear(many, at=NOW)
        assert suppressed_addresses(["a@x.pl"]) == {}

    def test_many_cost_as_many_queries_as_one(self, django_assert_max_num_queries: Any) -> None:
        queue()
        with django_assert_max_num_queries(8):
            hear([soft(number, address=f"p{number}@x.pl") for number in range(200)], at=NOW)

    def test_what_a_listener_raises_undoes_it(self) -> None:
        def fail(some: Any, at: datetime) -> None:
            raise ValueError("not now")

        heard.register_listener("test", fail)
        try:
            with pytest.raises(ValueError, match="not now"):
                hear(read_report(bounce(), at=NOW), at=NOW)
        finally:
            del heard._listeners["test"]
        assert not MailReport.objects.exists()
        assert not Suppression.objects.exists()

    def test_it_is_forgotten_with_the_contact_and_with_time(self) -> None:
        contact = make_contact(email="anna@example.com")
        hear([soft(1), soft(2, address="other@x.pl")], at=NOW)
        erase_contact(contact.pk, actor=SYSTEM, at=NOW)
        assert [one.address for one in MailReport.objects.all()] == ["other@x.pl"]
        heard.purge(NOW + heard.KEPT + DAY)
        assert not MailReport.objects.exists()


@pytest.mark.django_db
class TestMailboxes:
    def test_a_maildir_is_read_once(self, tmp_path: Path, capsys: Any) -> None:
        box = mailbox.Maildir(tmp_path / "box")
        for content in (bounce(), b"Subject: Offer\n\nBuy!", complaint()):
            box.add(content)
        call_command("read_bounces", maildir=tmp_path / "box", json=True)
        assert '"mails": 3, "about_ours": 2, "news": 2' in capsys.readouterr().out
        call_command("read_bounces", maildir=tmp_path / "box", json=True)
        assert '"mails": 0' in capsys.readouterr().out
        assert suppressed_addresses(["anna@example.com"]) == {"anna@example.com": "complaint"}

    def test_a_mailbox_is_read_over_imap(self) -> None:
        with PostOffice([bounce(), b"Subject: Offer\r\n\r\nBuy!"]) as office:
            url = f"imap://us%40shop:pass%20word@127.0.0.1:{office.port}/Bounces"
            first, second = read_imap(url, at=NOW), read_imap(url, at=NOW)
        assert (first.mails, first.ours, first.heard, second.mails) == (2, 1, 1, 0)
        said = " ".join(office.said)
        assert 'LOGIN us@shop "pass word"' in said
        assert 'SELECT "Bounces"' in said

    def test_a_mailbox_that_is_away_is_said(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"imap://u:p@127.0.0.1:{probe.getsockname()[1]}/"
            with pytest.raises(MailboxUnreadable, match="cannot be read"):
                read_imap(url, at=NOW)

    def test_who_asks_whether_all_is_well_hears_of_the_mailbox(self, settings: Any) -> None:
        settings.BOUNCE_IMAP_URL = ""
        assert mailboxes.examine().is_well
        with PostOffice([]) as office:
            settings.BOUNCE_IMAP_URL = f"imap://u:p@127.0.0.1:{office.port}/"
            assert mailboxes.examine().is_well
        found = mailboxes.examine()
        assert not found.is_well
        assert "127.0.0.1 cannot be read" in found.sentence


class PostOffice:
    """An IMAP server that knows as much as is needed."""

    def __init__(self, mails: list[bytes]) -> None:
        self.unread = dict(enumerate(mails, start=1))
        self.said: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "PostOffice":
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                line, _address = self._server.accept()
            except OSError:
                return
            with line, line.makefile("rwb") as talk:
                talk.write(b"* OK ready\r\n")
                talk.flush()
                for asked in talk:
                    self.said.append(asked.decode().strip())
                    talk.write(self._answer(asked.decode().split()))
                    talk.flush()

    def _answer(self, words: list[str]) -> bytes:
        tag, verb = words[0].encode(), words[2] if words[1] == "UID" else words[1]
        done = tag + b" OK done\r\n"
        if verb == "CAPABILITY":
            return b"* CAPABILITY IMAP4rev1\r\n" + done
        if verb == "SELECT":
            return b"* %d EXISTS\r\n" % len(self.unread) + done
        if verb == "SEARCH":
            return b"* SEARCH " + " ".join(map(str, self.unread)).encode() + b"\r\n" + done
        if verb == "FETCH":
            mail = self.unread[int(words[3])]
            return b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%b)\r\n" % (len(mail), mail) + done
        if verb == "STORE":
            del self.unread[int(words[3])]
        if verb == "LOGOUT":
            return b"* BYE\r\n" + done
        return done
