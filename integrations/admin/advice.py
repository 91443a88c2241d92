"""What to do about an event that could not be used as it is, by the code of the reason."""

from typing import Any

from django.utils.translation import gettext_lazy

_ADVICE: dict[str, Any] = {
    "no_user_anon_id": gettext_lazy(
        "Add a userId and replay it. Then have the sender identify people: the libraries do"
        " so by themselves when identify was called."
    ),
    "event_missing": gettext_lazy("Give the event a name and replay it."),
    "name_too_long": gettext_lazy(
        "Give the event a shorter name below. A name that holds an id or an address is a sign that"
        " it belongs into a property."
    ),
    "properties_not_object": gettext_lazy(
        "Write the properties as an object with names, such as {“amount”: 12}, and replay it."
    ),
    "message_too_large": gettext_lazy(
        "Take out what nobody asks for, and replay it. Have the sender leave it out, too."
    ),
    "message_id_too_long": gettext_lazy(
        "Replay it: it then goes by the beginning of its messageId. Have the sender shorten them."
    ),
    "message_id_invalid": gettext_lazy(
        "Replay it: it then goes by its messageId without what cannot be kept."
    ),
    "group_id_missing": gettext_lazy("Add a groupId and replay it."),
    "previous_id_missing": gettext_lazy(
        "Add as previousId by what the contact was known before, and replay it."
    ),
    "unsupported_type": gettext_lazy(
        "If it is a mistake of the sender, correct the type and replay it; else dismiss it."
    ),
    "not_an_object": gettext_lazy("The sender has to send an object. Dismiss this one."),
    "timestamp_invalid": gettext_lazy(
        "It counts for the moment when we received it. Have the sender write times as"
        " 2026-05-01T12:00:00Z."
    ),
    "timestamp_in_future": gettext_lazy(
        "It counts for the moment when we received it. Look at the clock of the sender."
    ),
    "wrong_type": gettext_lazy(
        "Correct the value and replay it, or choose another place for this trait on the page"
        " Traits of the source."
    ),
    "wrong_value": gettext_lazy(
        "Correct the value and replay it, or choose another place for this trait on the page"
        " Traits of the source. The rest of the event was used already."
    ),
    "trait_unknown": gettext_lazy(
        "Choose where this trait goes on the page Traits of the source, and replay what is held."
    ),
    "trait_unusable": gettext_lazy(
        "Choose an attribute for it on the page Traits of the source, and replay what is held."
    ),
    "too_many_attributes": gettext_lazy(
        "Choose an attribute for it on the page Traits of the source, or leave it out there."
    ),
    "target_unknown": gettext_lazy(
        "Choose another place for this trait on the page Traits of the source."
    ),
    "no_usable_id": gettext_lazy("Correct the ids and replay it."),
    "schema_breach": gettext_lazy(
        "Correct the properties and replay it, or change what the definition of the event"
        " declares and replay all of them."
    ),
    "defect": gettext_lazy(
        "The fault is ours. Replay it after the next update; nothing of it is lost."
    ),
    "too_large": gettext_lazy(
        "The sender was told, and has these events still: have it send smaller requests."
    ),
    "invalid_json": gettext_lazy(
        "The sender was told, and has these events still: what it sends is no JSON."
    ),
    "write_key_retired": gettext_lazy(
        "A program still sends with a key that has stopped: give it the one on the page Set up."
    ),
    "source_disabled": gettext_lazy("Enable the source on the page Settings, or stop the sender."),
    "too_many_requests": gettext_lazy(
        "The sender was asked to wait, and has these events still: have it send batches."
    ),
    "signature_wrong": gettext_lazy(
        "Paste the signing secret of the page Set up into the destination at Segment."
    ),
    "signature_missing": gettext_lazy(
        "Paste the signing secret of the page Set up into the destination at Segment."
    ),
    "signing_secret_missing": gettext_lazy("Make a signing secret on the page Set up."),
    "identity_invalid": gettext_lazy(
        "Correct it and replay it. The rest of the event was used already."
    ),
}


def advice_for(code: str) -> Any:
    """A sentence, or an empty text where the reason says it all."""
    return _ADVICE.get(code, "")
