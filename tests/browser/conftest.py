"""A browser, and an administrator who is logged in with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from workspace.models import User

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """What serves static files looks for their folder when the server starts."""
    django_settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def address(settings: Any, tmp_path: Path, live_server: Any) -> str:
    """Where the product answers, with static files as they lie in the checkout."""
    storage = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": storage}
    cache.clear()
    return str(live_server.url)


@pytest.fixture
def person(address: str, settings: Any) -> User:
    """An administrator; passwords are hashed quickly here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_superuser("ada", "ada@example.com", PASSWORD)


@pytest.fixture
def page(browser: Browser, address: str, person: User) -> Iterator[Page]:
    """A page on which nobody is logged in; what the browser complains of fails the test."""
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    opened.on("console", listen)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture
def logged_in(page: Page, address: str, person: User) -> Page:
    """The same, with the administrator logged in: by the session's cookie, not by typing."""
    client = Client()
    client.force_login(person, "django.contrib.auth.backends.ModelBackend")
    session = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [{"name": django_settings.SESSION_COOKIE_NAME, "value": session, "url": address}]
    )
    page.goto("/admin/")
    return page
