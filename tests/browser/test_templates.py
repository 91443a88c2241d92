"""Templates in a browser: the preview follows, gaps are put where one writes; axe looks."""

import re
from typing import Any, Literal

import pytest
from django.core.mail import EmailMultiAlternatives
from playwright.sync_api import Page, expect

from integrations import suppressions, templates
from integrations.suppressions import Unwanted
from tests.browser.looking import dress, serious_faults, settle
from tests.factories import NOW, make_contact
from workspace.access import SYSTEM

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]
ADD = "/admin/integrations/template/add/"


def test_the_preview_follows_and_a_gap_is_put_where_one_writes(logged_in: Page) -> None:
    make_contact(email="ola@example.com", first_name="Ola", city="")
    page = logged_in
    page.goto(f"{ADD}?start=letter")
    text = page.locator("[name=text]")
    text.fill("Dear ")
    page.locator("[popovertarget=gaps]").click()
    page.locator("[data-gap-search]").fill("first_name")
    page.keyboard.press("Enter")
    expect(text).to_have_value(re.compile(r"Dear \{\{ contact\.first_name \}\}"))
    expect(page.locator("[data-preview] [data-text]")).to_have_text("Dear Anna")
    page.locator("[data-find-text]").fill("ola@")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("[data-preview] [data-text]")).to_have_text("Dear Ola")
    text.fill("{{ contact.city }}")
    expect(page.locator("[data-remarks]")).to_contain_text("contact.city")
    text.fill("{{ contact.cty }}")
    expect(page.locator("[data-faults]")).to_contain_text("Did you mean")


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_no_page_of_messages_has_a_serious_fault(
    logged_in: Page, width: int, theme: Literal["light", "dark"], settings: Any, tmp_path: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path
    template = templates.create_template(
        actor=SYSTEM, at=NOW, name="Card", subject="Card", html="<h1>Hi</h1>", language="en"
    )
    suppressions.note([Unwanted("a@x.pl", "bounce", "550 gone")], at=NOW)
    mail = EmailMultiAlternatives("Card", "Your code", "shop@x.pl", ["anna@x.pl"])
    mail.attach_alternative("<html lang='en'><title>x</title><p>Your code</p></html>", "text/html")
    mail.send()
    page = logged_in
    dress(page, width=width, theme=theme)
    page.goto("/admin/mail/")
    letter = page.locator(".rg-mail-list li a").first.get_attribute("href")
    found = {}
    for path in (
        ADD,
        f"{ADD}?start=welcome",
        f"{ADD}?start=thank-you-push",
        f"/admin/integrations/template/{template.pk}/change/",
        f"/admin/integrations/template/{template.pk}/change/?language=pl",
        "/admin/integrations/suppression/",
        "/admin/integrations/suppression/add/",
        str(letter),
        f"{letter}?as=source",
    ):
        page.goto(path)
        settle(page)
        if faults := serious_faults(page):
            found[path] = faults
        overflow = page.evaluate("document.documentElement.scrollWidth")
        assert overflow <= width, path
    assert found == {}
