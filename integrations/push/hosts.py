"""Which push services we hand messages to.

The address of one comes from whoever subscribes, and write keys of websites are no secret: so only
the services of the known browsers are called, unless the setting PUSH_HOSTS says otherwise.
"""

from urllib.parse import urlsplit

from django.conf import settings


def is_allowed(endpoint: str) -> bool:
    """Whether a push service with this address may be called.

    Of PUSH_HOSTS "*" stands for any host, "*.example.com" for those below one. Without encryption
    a host is called only where it is named in full.
    """
    try:
        parts = urlsplit(endpoint)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if not host or parts.scheme not in {"https", "http"}:
        return False
    if host in settings.PUSH_HOSTS:
        return True
    return parts.scheme == "https" and any(
        name == "*" or (name.startswith("*.") and host.endswith(name[1:]))
        for name in settings.PUSH_HOSTS
    )
