"""Suspicions as people read them."""

from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.models import Suspicion


def subject_in_words(subject: str) -> str:
    """Who it is: “contact 12”, “address 203.0.113.7”."""
    kind, _colon, value = subject.partition(":")
    words = {"value": value}
    return {
        "contact": _("contact %(value)s"),
        "ip": _("address %(value)s"),
        "api_user": _("API user %(value)s"),
        "client_key": _("publishable key %(value)s"),
        "mailbox": _("several contacts with one mailbox"),
    }.get(kind, "%(value)s") % words


def words_of(suspicion: Suspicion) -> str:
    """What was seen, in a sentence."""
    count, minutes = suspicion.count, suspicion.details.get("minutes", 0)
    words = {"count": count, "minutes": minutes, "hours": minutes // 60}
    if suspicion.kind == Suspicion.Kind.UNKNOWN_CODES:
        text = ngettext(
            "%(count)d code that does not exist was tried.",
            "%(count)d codes that do not exist were tried.",
            count,
        )
        return f"{text % words} {_lock(suspicion)}".strip()
    return _SENTENCES.get(suspicion.details.get("sign", ""), lambda: "")() % words


def _lock(suspicion: Suspicion) -> str:
    until = suspicion.details.get("locked_until")
    if not until:
        return ""
    at = date_format(localtime(datetime.fromisoformat(until)), "DATETIME_FORMAT")
    return _("Locked out until %(at)s.") % {"at": at}


_SENTENCES = {
    "redemptions": lambda: _("%(count)d redemptions within %(minutes)d minutes."),
    "publications": lambda: _("%(count)d cards within %(hours)d hours."),
    "mailbox": lambda: _(
        "%(count)d contacts whose addresses arrive in one mailbox got cards within %(hours)d hours."
    ),
    "program": lambda: _("Gave cards to %(count)d different contacts within %(minutes)d minutes."),
    "validations": lambda: _(
        "More than %(count)d validations from one address within %(minutes)d minutes."
    ),
}
