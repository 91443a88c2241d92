"""What a push message says, complete when it is queued, within what push services take."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from integrations.push import tokens
from integrations.push.errors import PushInvalid
from workspace.errors import Problem

# Push services take bodies of 4096 bytes, of which the encryption's header and mark are 103.
# *Source:* RFC 8291, 4.
SIZE_LIMIT = 4096 - 103
# What the device is told; the rest of a payload is ours.
_TOLD = ("title", "body", "url", "icon", "message", "token", "opened")


def payload(
    *,
    title: str,
    body: str,
    at: datetime,
    url: str = "",
    icon: str = "",
    message_id: int | None = None,
    contact_id: int | None = None,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What is queued for the devices of a contact; the same for each of them.

    With a `message_id` the device tells when it is opened: then the event `push_opened` of the
    contact says `message` and what `about` says (`participant`, `journey`, `node`). `url` is what
    opens, absolute or a path of the shop. Raises PushInvalid where it is empty or too large.
    """
    made: dict[str, Any] = {"title": title.strip(), "body": body.strip()}
    if url:
        made["url"] = url
    if icon:
        made["icon"] = icon
    if message_id is not None:
        if contact_id is None:
            raise ValueError("Of a message that is told of when it is opened, say whose it is.")
        token = tokens.make(message_id=message_id, contact_id=contact_id, about=about or {}, at=at)
        made |= {
            "message": message_id,
            "token": token,
            "opened": f"{settings.BASE_URL}/push/opened",
        }
    if not made["title"] and not made["body"]:
        raise _invalid("title", "required", _("A push message needs a title or a text."))
    for name, address in (("url", url), ("icon", icon)):
        if address and not address.startswith(("https://", "http://", "/")):
            words = _("Write it as https://example.com/page, or as a path like /page.")
            raise _invalid(name, "invalid", words)
    size = len(told(made))
    if size > SIZE_LIMIT:
        words = _(
            "The push message has %(size)d bytes; push services take %(limit)d. Shorten its text"
            " or its addresses."
        )
        raise _invalid("body", "too_large", words % {"size": size, "limit": SIZE_LIMIT})
    return made


def told(payload: Mapping[str, Any]) -> bytes:
    """What a device is told of a payload, as JSON."""
    shown = {name: payload[name] for name in _TOLD if payload.get(name) not in (None, "")}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()


def _invalid(path: str, code: str, message: str) -> PushInvalid:
    return PushInvalid(message, problems=[Problem(path, code, message)])
