"""What the record of a merge tells people."""

from django.utils.translation import gettext as _

from contacts.models import ContactMerge
from contacts.timeline.identities import namespace_name


def told_reason(merge: ContactMerge) -> str:
    """Why two contacts are one person, as far as it is still known."""
    names = " + ".join(f"{namespace_name(namespace)} “{value}”" for namespace, value in merge.names)
    return " · ".join(part for part in (names, merge.evidence, merge.cause) if part)


def moved_words() -> dict[str, str]:
    """What went over in a merge, in words."""
    return {
        "events": _("events"),
        "identities": _("identities"),
        "tags": _("tags"),
        "categories": _("categories"),
        "consents": _("lines about consents"),
        "scores": _("lead scores"),
        "metrics": _("metrics"),
        "loyalty": _("loyalty member"),
        "claims": _("rewards and reached challenges"),
        "segments": _("places in segments"),
        "integrations": _("received events"),
    }
