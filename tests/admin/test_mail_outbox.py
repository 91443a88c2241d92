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
