"""Mail that is written to disk because no mail server is set."""

from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection, send_mail
from django.test import Client
from django.urls import reverse


def test_messages_are_shown_newest_first_with_their_text(admin: Client) -> None:
    send_mail("First", "Hello Anna", "shop@example.com", ["anna@example.com"])
    both = EmailMultiAlternatives("Second", "Zażółć", "shop@example.com", ["ewa@example.com"])
    both.attach_alternative("<p>Zażółć</p>", "text/html")
    both.send()
    page = admin.get(reverse("mail_outbox"))
    subjects = [mail.subject for mail in page.context["mails"]]
    assert sorted(subjects) == ["First", "Second"]
    second = next(mail for mail in page.context["mails"] if mail.subject == "Second")
    address = reverse("mail_message", args=[second.name, second.position])
    assert "Zażółć" in admin.get(address).content.decode()


def test_several_messages_of_one_connection_are_told_apart(admin: Client) -> None:
    with get_connection() as connection:
        for number in range(3):
            EmailMessage(f"Mail {number}", "x", to=["a@example.com"], connection=connection).send()
    found = admin.get(reverse("mail_outbox")).context["mails"]
    assert [mail.subject for mail in found] == ["Mail 2", "Mail 1", "Mail 0"]


def test_no_other_file_can_be_read(admin: Client) -> None:
    for name in ("..", "secret_key", "missing.log"):
        assert admin.get(f"/admin/mail/{name}/0/").status_code == 404
    send_mail("First", "Hello", "shop@example.com", ["anna@example.com"])
    [mail] = admin.get(reverse("mail_outbox")).context["mails"]
    assert admin.get(reverse("mail_message", args=[mail.name, 7])).status_code == 404


def test_an_empty_outbox_says_what_it_is_for(admin: Client) -> None:
    assert "No messages yet" in admin.get(reverse("mail_outbox")).content.decode()


def test_a_message_is_read_as_html_text_or_source(admin: Client) -> None:
    mail = EmailMultiAlternatives(
        "Card", "Your code: https://shop.example/x", "shop@x.pl", ["anna@x.pl"]
    )
    mail.attach_alternative(
        "<p onclick='x'>Your <b>code</b></p><script>alert(1)</script>", "text/html"
    )
    mail.extra_headers["List-Unsubscribe"] = "<https://shop.example/u>"
    mail.send()
    [found] = admin.get(reverse("mail_outbox")).context["mails"]
    address = reverse("mail_message", args=[found.name, found.position])
    seen = admin.get(address)
    page = seen.content.decode()
    # Nothing of the message is part of the page: it is shut up in a frame without scripts.
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert "https:" in seen["Content-Security-Policy"].split("img-src")[1].split(";")[0]
    assert "can be unsubscribed" in page
    text = admin.get(f"{address}?as=text").content.decode()
    assert '<a href="https://shop.example/x"' in text
    assert "iframe" not in text
    assert "Message-ID" in admin.get(f"{address}?as=source").content.decode()


def test_messages_are_found_by_what_they_say(admin: Client) -> None:
    send_mail("First", "Hello Anna", "shop@x.pl", ["anna@x.pl"])
    send_mail("Second", "Hello Ewa", "shop@x.pl", ["ewa@x.pl"])
    found = admin.get(f"{reverse('mail_outbox')}?q=EWA").context["mails"]
    assert [mail.subject for mail in found] == ["Second"]
    assert "No message says that" in admin.get(f"{reverse('mail_outbox')}?q=zzz").content.decode()
