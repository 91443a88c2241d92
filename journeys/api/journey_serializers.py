"""The shapes of journeys in the API: the drawing as spec'd, settings beside it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from journeys.drawing.settings import SETTINGS
from journeys.hiding import Hiding
from journeys.models import Journey, JourneyVersion, Participant, Reading, Transition
from journeys.participants import Passed, nodes_at
from workspace.api.serializers import AnyJSONField, StrictSerializer

NAMES = tuple(field.name for field in SETTINGS)
_DEFAULTS = {field.name: field.default for field in SETTINGS}


@extend_schema_field({"type": "object", "additionalProperties": True})
class DrawingField(AnyJSONField):
    """A drawing: `nodes` with `id`, `kind`, `config`, and `edges` with `from`, `outcome`, `to`."""


class SettingsSerializer(serializers.Serializer[Any]):
    """What stands beside the drawing; null is as if nothing was said."""

    re_entry = AnyJSONField(
        allow_null=True,
        required=False,
        help_text='`never`, `always` (as soon as it is out) or `{"after": duration}`.',
    )
    timeout = AnyJSONField(
        allow_null=True, required=False, help_text='A duration, `{"amount": 91, "unit": "day"}`.'
    )
    exit = AnyJSONField(
        allow_null=True,
        required=False,
        help_text='`{"criteria": …}` or `{"event": name, "where": …}`.',
    )
    goal = AnyJSONField(allow_null=True, required=False, help_text="As `exit`.")
    caps = AnyJSONField(
        allow_null=True, required=False, help_text='`{"messages": 2, "per": duration}`.'
    )
    quiet_hours = AnyJSONField(
        allow_null=True,
        required=False,
        help_text='`{"from": "21:00", "to": "08:00", "zone": "contact"}`.',
    )
    starts_at = AnyJSONField(
        allow_null=True,
        required=False,
        help_text="ISO 8601; without an offset in the journey's time zone.",
    )
    ends_at = AnyJSONField(
        allow_null=True, required=False, help_text="As `starts_at`; nobody enters after it."
    )
    time_zone = AnyJSONField(allow_null=True, required=False, help_text="As `Europe/Warsaw`.")
    delivery = AnyJSONField(
        allow_null=True, required=False, help_text="`at_least_once` or `at_most_once`."
    )


def hiding_of(context: Any) -> Hiding:
    """What hides things from the reader, one for all of an answer."""
    found: Hiding = context.setdefault("hiding", Hiding(context["view"].actor))
    return found


def shown_settings(settings: Any, hiding: Hiding) -> dict[str, Any]:
    """All settings by name, as the reader may see them; those not said as they are by default."""
    shown = hiding.settings(settings)
    return {name: shown.get(name, _DEFAULTS[name]) for name in NAMES}


class JourneySerializer(SettingsSerializer):
    """A journey: its draft, and how far it is."""

    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    state = serializers.ChoiceField(choices=Journey.State.choices)
    version = serializers.IntegerField(
        allow_null=True, help_text="The number of the latest version; null before it is published."
    )
    draft_number = serializers.IntegerField(
        help_text="Counts the changes of the draft: send it back with a change."
    )
    groups = serializers.ListField(child=serializers.CharField())
    drawing = DrawingField()
    state_changed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def to_representation(self, journey: Journey) -> dict[str, Any]:
        hiding = hiding_of(self.context)
        plain = ("key", "name", "description", "state", "draft_number")
        times = ("state_changed_at", "created_at", "updated_at")
        return {
            **{name: getattr(journey, name) for name in plain},
            "version": getattr(journey, "latest_number", None),
            "groups": sorted(group.name for group in journey.groups.all()),
            "drawing": hiding.drawing(journey.drawing),
            **shown_settings(journey.settings, hiding),
            **{name: getattr(journey, name) for name in times},
        }


class JourneyDraftSerializer(StrictSerializer, SettingsSerializer):
    """What can be changed of a draft; what is not named stays."""

    name = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    groups = serializers.ListField(child=serializers.CharField(), required=False)
    drawing = DrawingField(required=False)
    draft_number = serializers.IntegerField(
        required=False, help_text="The draft that is changed; another one is refused."
    )


class JourneyCreationSerializer(StrictSerializer, SettingsSerializer):
    """A new draft; without a key one is made of the name."""

    key = serializers.CharField(required=False)
    name = serializers.CharField(default="", allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    groups = serializers.ListField(child=serializers.CharField(), required=False)
    drawing = DrawingField(required=False)


class JourneyCheckSerializer(StrictSerializer, SettingsSerializer):
    """What is checked in the place of the draft; nothing of it is kept."""

    drawing = DrawingField(required=False)


class JourneyNameSerializer(StrictSerializer):
    """How a copy is called; “[NAME]_copy” where nothing is said."""

    name = serializers.CharField(required=False, max_length=200)


class JourneyPublishingSerializer(StrictSerializer):
    """Which draft is published; the present one where nothing is said."""

    draft_number = serializers.IntegerField(required=False)


class CriteriaFaultSerializer(serializers.Serializer[Any]):
    """One fault of a criteria document."""

    path = serializers.CharField(allow_blank=True)
    code = serializers.CharField()
    message = serializers.CharField()


class DrawingFaultSerializer(serializers.Serializer[Any]):
    """One fault of a journey. `node` is empty where it is none of an activity."""

    node = serializers.CharField(allow_blank=True)
    path = serializers.CharField(allow_blank=True)
    code = serializers.CharField()
    message = serializers.CharField()
    severity = serializers.ChoiceField(choices=["error", "warning"])
    criteria = CriteriaFaultSerializer(
        many=True, required=False, help_text="Of the code `criteria`: what is wrong in them."
    )


class DrawingFaultsSerializer(serializers.Serializer[Any]):
    """All faults and warnings; `is_sound` where none stands against a test and publishing."""

    is_sound = serializers.BooleanField()
    faults = DrawingFaultSerializer(many=True)


class JourneyVersionSerializer(SettingsSerializer):
    """What was published. It never changes; `is_open` while contacts enter it."""

    number = serializers.IntegerField()
    is_open = serializers.BooleanField()
    published_at = serializers.DateTimeField()
    published_by = serializers.CharField()
    closed_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    drawing = DrawingField()

    def to_representation(self, version: JourneyVersion) -> dict[str, Any]:
        hiding = hiding_of(self.context)
        plain = ("number", "is_open", "published_at", "published_by", "closed_at", "ended_at")
        return {
            **{name: getattr(version, name) for name in plain},
            "drawing": hiding.drawing(version.drawing),
            **shown_settings(version.settings, hiding),
        }


class StoppingSerializer(serializers.Serializer[Any]):
    """Whom stopping would take out, and by the activities at which they stand."""

    inside = serializers.IntegerField(source="inside_count")
    by_node = serializers.DictField(child=serializers.IntegerField())
    messages = serializers.IntegerField(source="message_count")


class _NodeCountsSerializer(serializers.Serializer[Any]):
    waiting = serializers.IntegerField()
    ready = serializers.IntegerField()
    failed = serializers.IntegerField()
    passed = serializers.DictField(child=serializers.IntegerField())


class _GoalCountsSerializer(serializers.Serializer[Any]):
    reached = serializers.IntegerField()
    entered = serializers.IntegerField()
    control_reached = serializers.IntegerField()
    control_entered = serializers.IntegerField()
    difference = AnyJSONField(
        allow_null=True,
        help_text="`{difference, low, high, is_certain}`: of the shares, with 95 % certainty.",
    )


class _ReadingSerializer(serializers.Serializer[Any]):
    """The last reading of the segment, the next one, and what is waited for."""

    state = serializers.ChoiceField(choices=Reading.State.choices, allow_null=True)
    read = serializers.IntegerField(source="read_count")
    entered = serializers.IntegerField(source="entered_count")
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    next_at = serializers.DateTimeField(allow_null=True)
    waiting_for = serializers.CharField()


class _TrendSerializer(serializers.Serializer[Any]):
    """Counts by the hour, day, week or month, whose local begins are in `begins`."""

    step = serializers.CharField()
    begins = serializers.ListField(child=serializers.CharField())
    counts = serializers.DictField(child=serializers.ListField(child=serializers.IntegerField()))


class JourneyStatisticsSerializer(serializers.Serializer[Any]):
    """A version in figures."""

    version = serializers.IntegerField()
    since = serializers.DateTimeField(allow_null=True)
    entered = serializers.IntegerField()
    inside = serializers.IntegerField()
    failed = serializers.IntegerField()
    finished = serializers.DictField(child=serializers.IntegerField())
    refused = serializers.DictField(child=serializers.IntegerField())
    goal = _GoalCountsSerializer()
    reading = _ReadingSerializer(
        allow_null=True, help_text="Of a version that reads a segment: how far it is with that."
    )
    nodes = serializers.DictField(child=_NodeCountsSerializer())
    entrance_trend = _TrendSerializer(help_text="Who entered and who finished.")
    message_trend = _TrendSerializer(
        help_text="Messages sent, opened, clicked, bounced: each when that happened."
    )
    messages = AnyJSONField(
        help_text='By activity and channel: `{"first": {"email": {"sent": 3, …}}}`.'
    )


class _JourneyUseSerializer(serializers.Serializer[Any]):
    """One thing that names a journey; `url` is its page in the back office."""

    kind = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of a use
    name = serializers.CharField()
    key = serializers.CharField(allow_blank=True)
    state = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)


class JourneyUsesSerializer(serializers.Serializer[Any]):
    """What names a journey, kind after kind."""

    uses = _JourneyUseSerializer(many=True)


class ParticipantSerializer(serializers.ModelSerializer[Participant]):
    """A contact's passage through a version, and where it stands."""

    version = serializers.IntegerField(source="version.number")
    nodes = serializers.SerializerMethodField()

    class Meta:
        model = Participant
        fields = (
            *("id", "contact_id", "version", "state", "place", "nodes", "steps", "entered_at"),
            *("arrived_at", "wake_at", "entrance", "is_control", "goal_at", "finished_at"),
            *("outcome", "problem"),
        )
        read_only_fields = fields

    def get_nodes(self, participant: Participant) -> list[str]:
        """The activities at which it stands; side by side it waits for the first of them."""
        is_over = participant.state == Participant.State.DONE
        return nodes_at(participant.version, None if is_over else participant.place)


class JourneyStepSerializer(serializers.ModelSerializer[Transition]):
    """One step: what let it go, which way, why, when it was due and when it was noticed."""

    data = AnyJSONField(allow_null=True)  # type: ignore[assignment]  # a field of a step

    class Meta:
        model = Transition
        fields = (
            *("step", "node", "outcome", "cause", "from_place", "to_place", "at", "noticed_at"),
            "data",
        )
        read_only_fields = fields


class PassedSerializer(serializers.Serializer[Passed]):
    """A participant with what came with it and all its steps."""

    participant = ParticipantSerializer()
    context = AnyJSONField(source="participant.context")  # type: ignore[assignment]  # the same
    steps = JourneyStepSerializer(many=True)
