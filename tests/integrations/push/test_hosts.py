"""Which push services are called, and what people call a browser."""

from typing import Any

import pytest

from integrations.push.hosts import is_allowed
from integrations.push.user_agents import device_of


@pytest.mark.parametrize(
    ("endpoint", "is_called"),
    [
        ("https://fcm.googleapis.com/fcm/send/x", True),
        ("https://FCM.googleapis.com:443/x", True),
        ("https://wns2.notify.windows.com/w/?token=x", True),
        ("https://notify.windows.com/x", False),
        ("https://evilnotify.windows.com/x", False),
        ("https://fcm.googleapis.com.evil.example/x", False),
        ("https://evil.example/?fcm.googleapis.com", False),
        ("https://fcm.googleapis.com@evil.example/x", False),
        ("http://wns2.notify.windows.com/x", False),
        ("ftp://fcm.googleapis.com/x", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_only_services_that_are_named_are_called(
    settings: Any, endpoint: str, is_called: bool
) -> None:
    settings.PUSH_HOSTS = ["fcm.googleapis.com", "*.notify.windows.com"]

    assert is_allowed(endpoint) is is_called


def test_a_star_stands_for_any_host_that_encrypts(settings: Any) -> None:
    settings.PUSH_HOSTS = ["*"]

    assert is_allowed("https://push.somewhere.example/x")
    assert not is_allowed("http://push.somewhere.example/x")


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
         "Firefox on Linux"),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36",
         "Chrome on Android"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/131.0 Safari/537.36 Edg/131.0",
         "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Safari/604.1",
         "Safari on iPhone"),
        ("curl/8.5", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_browser_is_called_as_people_call_it(agent: str, name: str) -> None:
    assert device_of(agent) == name
