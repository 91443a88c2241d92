"""The catalog of activities: what each kind is called, what it is told, how one leaves it.

The canvas draws its palette and its forms from it, the validator reads what it asks for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from journeys.drawing.faults import Translate, gettext_noop
from journeys.drawing.fields import Field, FieldType
from journeys.drawing.kinds import ELSE, ERROR, NEXT, NODE_LIMIT, REACTIONS, TIMEOUT

TIMEOUT_FIELDS = (
    Field(
        "timeout",
        FieldType.DURATION,
        gettext_noop("Define the event timeout"),
        gettext_noop("Of events that stand side by side one is enough: it covers all of them."),
    ),
    Field(
        "timeout_path",
        FieldType.BOOLEAN,
        gettext_noop("Set a timeout path"),
        gettext_noop("A way of its own for those to whom it did not happen in time."),
        only_with="timeout",
    ),
)
REACTION_LABELS = {
    "email_opened": gettext_noop("E-mail opened"),
    "email_clicked": gettext_noop("E-mail clicked"),
    "email_bounced": gettext_noop("E-mail bounced"),
    "push_opened": gettext_noop("Push opened"),
}
OUTCOME_LABELS = {
    NEXT: gettext_noop("next"),
    ERROR: gettext_noop("on an error"),
    TIMEOUT: gettext_noop("on timeout"),
    ELSE: gettext_noop("all others"),
}
GROUPS = {
    "entry": gettext_noop("Entries"),
    "event": gettext_noop("Events"),
    "orchestration": gettext_noop("Orchestration"),
    "action": gettext_noop("Actions"),
    "end": gettext_noop("End"),
}
RATE_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of activity.

    `outcomes` are the ways out that it always has, `outcomes_if` those that it has where a field
    is on ("timeout" where `timeout_path`), `paths` the field whose names are ways out. Of the
    fields in `one_of` exactly one is filled, of those in `some_of` at least one.
    """

    name: str
    group: str
    label: str
    description: str
    fields: tuple[Field, ...] = ()
    outcomes: tuple[str, ...] = (NEXT,)
    outcomes_if: Mapping[str, str] | None = None
    paths: str = ""
    one_of: tuple[str, ...] = ()
    some_of: tuple[str, ...] = ()

    def outcomes_of(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """The ways out of an activity that is told this, in the order in which they are drawn."""
        paths = config.get(self.paths) if self.paths else None
        named = [
            path["name"]
            for path in (paths if isinstance(paths, list) else ())
            if isinstance(path, Mapping) and isinstance(path.get("name"), str)
        ]
        conditional = [
            outcome
            for outcome, name in (self.outcomes_if or {}).items()
            if config.get(name) is True and (name != "timeout_path" or config.get("timeout"))
        ]
        return tuple(dict.fromkeys([*self.outcomes, *named, *conditional]))

    def as_json(self, translate: Translate) -> Mapping[str, Any]:
        """The kind as the canvas reads it."""
        return {
            "kind": self.name,
            "group": self.group,
            "label": translate(self.label),
            "description": translate(self.description),
            "fields": [field.as_json(translate) for field in self.fields],
            "outcomes": list(self.outcomes),
            "outcomes_if": dict(self.outcomes_if or {}),
            "paths": self.paths,
            "one_of": list(self.one_of),
            "some_of": list(self.some_of),
        }


def _where(label: str) -> Field:
    return Field("where", FieldType.WHERE, label)


CATALOG: Sequence[Kind] = (
    Kind(
        "read_segment",
        "entry",
        gettext_noop("Read segment"),
        gettext_noop("Everybody in a segment enters: once, at a time, or again and again."),
        (
            Field("segment", FieldType.SEGMENT, gettext_noop("Segment"), required=True),
            Field(
                "schedule",
                FieldType.SCHEDULE,
                gettext_noop("When"),
                gettext_noop("Without it once, as soon as the journey is published."),
            ),
            Field(
                "only_new",
                FieldType.BOOLEAN,
                gettext_noop("Only who entered the segment since the last reading"),
            ),
            Field(
                "rate",
                FieldType.NUMBER,
                gettext_noop("Contacts per second"),
                gettext_noop("Without it as fast as it goes."),
                least=1,
                most=RATE_LIMIT,
            ),
        ),
    ),
    Kind(
        "event_entry",
        "entry",
        gettext_noop("Event"),
        gettext_noop("Who does this enters, at once."),
        (
            Field("event", FieldType.EVENT, gettext_noop("Event"), required=True),
            _where(gettext_noop("Only where")),
        ),
    ),
    Kind(
        "segment_entry",
        "entry",
        gettext_noop("Segment entered or left"),
        gettext_noop("Who enters a segment, or leaves it, enters the journey."),
        (
            Field("segment", FieldType.SEGMENT, gettext_noop("Segment"), required=True),
            Field(
                "on",
                FieldType.CHOICE,
                gettext_noop("When a contact"),
                required=True,
                default="entered",
                choices=(
                    ("entered", gettext_noop("enters it")),
                    ("left", gettext_noop("leaves it")),
                ),
            ),
        ),
    ),
    Kind(
        "event",
        "event",
        gettext_noop("Wait for an event"),
        gettext_noop("Waits until the contact does this."),
        (
            Field("event", FieldType.EVENT, gettext_noop("Event"), required=True),
            _where(gettext_noop("Only where")),
            Field(
                "same",
                FieldType.SAME,
                gettext_noop("The same as in the event of the entry"),
                gettext_noop("For example the number of the order."),
            ),
            *TIMEOUT_FIELDS,
        ),
        outcomes_if={TIMEOUT: "timeout_path"},
    ),
    Kind(
        "reaction",
        "event",
        gettext_noop("Reaction"),
        gettext_noop("Waits for what the contact does with a message of this journey."),
        (
            Field("to", FieldType.MESSAGE, gettext_noop("To the message"), required=True),
            Field(
                "reaction",
                FieldType.CHOICE,
                gettext_noop("What happens"),
                required=True,
                choices=tuple((name, REACTION_LABELS[name]) for name in REACTIONS),
            ),
            *TIMEOUT_FIELDS,
        ),
        outcomes_if={TIMEOUT: "timeout_path"},
    ),
    Kind(
        "wait",
        "orchestration",
        gettext_noop("Wait"),
        gettext_noop("Waits some time, until a time of day, or until a date of the contact."),
        (
            Field("duration", FieldType.DURATION, gettext_noop("How long")),
            Field("until", FieldType.UNTIL, gettext_noop("Until")),
        ),
        one_of=("duration", "until"),
    ),
    Kind(
        "condition",
        "orchestration",
        gettext_noop("Condition"),
        gettext_noop(
            "The first path that is open, from the top: by criteria, by the time of day, by the"
            " date, or for so many and no more."
        ),
        (
            Field("paths", FieldType.CRITERIA_PATHS, gettext_noop("Paths"), required=True),
            Field("else", FieldType.BOOLEAN, gettext_noop("Show a path for all others")),
        ),
        outcomes=(),
        outcomes_if={ELSE: "else"},
        paths="paths",
    ),
    Kind(
        "split",
        "orchestration",
        gettext_noop("Split"),
        gettext_noop(
            "Shares contacts out by percentages. A path named “holdout” is the control group."
        ),
        (Field("paths", FieldType.PERCENT_PATHS, gettext_noop("Paths"), required=True),),
        outcomes=(),
        paths="paths",
    ),
    Kind(
        "message",
        "action",
        gettext_noop("Message"),
        gettext_noop("Sends an e-mail, a push message, or both."),
        (
            Field("email", FieldType.EMAIL_TEMPLATE, gettext_noop("E-mail")),
            Field("push", FieldType.PUSH_TEMPLATE, gettext_noop("Push message")),
            Field(
                "purpose",
                FieldType.CONSENT,
                gettext_noop("Purpose"),
                gettext_noop("The consent that it needs; without one it goes to everybody."),
            ),
        ),
        outcomes=(NEXT, ERROR),
        some_of=("email", "push"),
    ),
    Kind(
        "webhook",
        "action",
        gettext_noop("Webhook"),
        gettext_noop("Tells another system."),
        (
            Field("connection", FieldType.CONNECTION, gettext_noop("Webhook")),
            Field("url", FieldType.URL, gettext_noop("Address")),
            Field(
                "body",
                FieldType.LIQUID,
                gettext_noop("Body"),
                gettext_noop("JSON with gaps, in Liquid."),
            ),
            Field(
                "timeout",
                FieldType.DURATION,
                gettext_noop("Wait for an answer"),
                gettext_noop("Where there is a way for a timeout; 30 seconds if nothing is said."),
            ),
        ),
        outcomes=(NEXT, ERROR, TIMEOUT),
        one_of=("connection", "url"),
    ),
    Kind(
        "update_vendor",
        "action",
        gettext_noop("Update Dotdigital or Emarsys"),
        gettext_noop("Changes what another system knows of the contact."),
        (
            Field("vendor", FieldType.VENDOR, gettext_noop("Account"), required=True),
            Field(
                "fields",
                FieldType.VENDOR_FIELDS,
                gettext_noop("Fields"),
                gettext_noop("As that system names them, with texts that may have gaps in Liquid."),
                required=True,
            ),
            Field(
                "timeout",
                FieldType.DURATION,
                gettext_noop("Wait for an answer"),
                gettext_noop("Where there is a way for a timeout; 30 seconds if nothing is said."),
            ),
        ),
        outcomes=(NEXT, ERROR, TIMEOUT),
    ),
    Kind(
        "update",
        "action",
        gettext_noop("Update the contact"),
        gettext_noop("Changes tags, categories, a consent or an attribute."),
        (
            Field("add_tag", FieldType.TAG, gettext_noop("Add the tag")),
            Field("remove_tag", FieldType.TAG, gettext_noop("Remove the tag")),
            Field("add_category", FieldType.CATEGORY, gettext_noop("Add the category")),
            Field("remove_category", FieldType.CATEGORY, gettext_noop("Remove the category")),
            Field("consent", FieldType.CONSENT_CHANGE, gettext_noop("Set the consent")),
            Field("attribute", FieldType.ATTRIBUTE_CHANGE, gettext_noop("Set the attribute")),
        ),
        some_of=(
            *("add_tag", "remove_tag", "add_category", "remove_category"),
            *("consent", "attribute"),
        ),
    ),
    Kind(
        "voucher",
        "action",
        gettext_noop("Gift card"),
        gettext_noop("Gives a gift card; later messages may name its code."),
        (Field("campaign", FieldType.CAMPAIGN, gettext_noop("Campaign"), required=True),),
        outcomes=(NEXT, ERROR),
    ),
    Kind(
        "jump",
        "action",
        gettext_noop("Jump"),
        gettext_noop("The contact enters another journey too, and goes on in this one."),
        (Field("journey", FieldType.JOURNEY, gettext_noop("Journey"), required=True),),
    ),
    Kind(
        "end",
        "end",
        gettext_noop("End"),
        gettext_noop("The journey is over here. Only for the eye: it ends without it, too."),
        outcomes=(),
    ),
)
KINDS_BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in CATALOG}


def describe_kinds(translate: Translate = str) -> dict[str, Any]:
    """The catalog as the canvas reads it, in words that `translate` gives."""
    return {
        "groups": [{"name": name, "label": translate(label)} for name, label in GROUPS.items()],
        "outcomes": {name: translate(label) for name, label in OUTCOME_LABELS.items()},
        "kinds": [kind.as_json(translate) for kind in CATALOG],
        "node_limit": NODE_LIMIT,
    }
