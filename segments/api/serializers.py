"""The shapes of this room in the API."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from segments.masks import Mask
from segments.models import Calculation, Finding, ImportedSegment, Segment
from workspace.api.serializers import AnyJSONField, StrictSerializer


@extend_schema_field({"type": "object", "additionalProperties": True})
class CriteriaField(AnyJSONField):
    """A criteria document; what is wrong with it is told under `criteria` of the problem."""


@extend_schema_field({"type": "object", "additionalProperties": True})
class ReadableCriteriaField(AnyJSONField):
    """A criteria document as the reader may see it: segments hidden from him are masked."""

    def to_representation(self, value: Any) -> Any:
        context: Any = self.context
        # One for all documents of an answer.
        mask: Mask = context.setdefault("mask", Mask(context["view"].actor))
        return super().to_representation(mask.of(value))


class EverySerializer(StrictSerializer):
    """From one refresh to the next."""

    amount = serializers.IntegerField()
    unit = serializers.ChoiceField(choices=Segment.Unit.choices)


class RefreshSerializer(StrictSerializer):
    """When a segment is refreshed."""

    mode = serializers.ChoiceField(choices=Segment.RefreshMode.choices)
    every = EverySerializer(required=False, allow_null=True)


class CalculationSerializer(serializers.Serializer[Any]):
    """What is known of the members, and until when."""

    state = serializers.ChoiceField(choices=Segment.CalculationState.choices)
    calculated_at = serializers.DateTimeField(allow_null=True)
    ready_until = serializers.DateTimeField(allow_null=True)
    members = serializers.IntegerField()
    failure = serializers.CharField(allow_blank=True)


class ImportedSerializer(serializers.Serializer[ImportedSegment]):
    """Where an imported segment comes from; the counts are those of the last reading.

    `skipped_non_members` are in the base and no loyalty members, `skipped_unknown` not in the base.
    `missing_since`: the other system has it no more. `stopped_at`: it is read no more.
    """

    connection = serializers.IntegerField(source="connection_id")
    system = serializers.CharField(source="connection.kind")
    remote_id = serializers.CharField()
    remote_name = serializers.CharField()
    match_by = serializers.CharField()
    imported_at = serializers.DateTimeField()
    last_sync_at = serializers.DateTimeField(allow_null=True)
    source_count = serializers.IntegerField()
    matched = serializers.IntegerField(source="matched_count")
    skipped_non_members = serializers.IntegerField(source="non_member_count")
    skipped_unknown = serializers.IntegerField(source="unknown_count")
    skipped_unreadable = serializers.IntegerField(source="unreadable_count")
    duplicates = serializers.IntegerField(source="duplicate_count")
    error = serializers.CharField(allow_blank=True)
    missing_since = serializers.DateTimeField(allow_null=True)
    stopped_at = serializers.DateTimeField(allow_null=True)


class SegmentSerializer(serializers.Serializer[Segment]):
    """A segment."""

    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    criteria = ReadableCriteriaField()
    version = serializers.IntegerField(source="version_number")
    status = serializers.ChoiceField(choices=Segment.Status.choices)
    groups = serializers.SerializerMethodField()
    members_only = serializers.BooleanField()
    calculation = serializers.SerializerMethodField()
    refresh = serializers.SerializerMethodField()
    readiness_hours = serializers.IntegerField(allow_null=True)
    source = serializers.ChoiceField(choices=Segment.Source.choices)  # type: ignore[assignment]  # a field of a segment, not of a serializer
    imported = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @extend_schema_field(ImportedSerializer(allow_null=True))
    def get_imported(self, segment: Segment) -> dict[str, Any] | None:
        if segment.source != Segment.Source.IMPORTED or not hasattr(segment, "imported"):
            return None
        return ImportedSerializer(segment.imported).data

    def get_groups(self, segment: Segment) -> list[str]:
        return sorted(group.name for group in segment.groups.all())

    @extend_schema_field(CalculationSerializer)
    def get_calculation(self, segment: Segment) -> dict[str, Any]:
        return {
            "state": segment.calculation_state(at=timezone.now()),
            "calculated_at": segment.calculated_at,
            "ready_until": segment.ready_until,
            "members": segment.member_count,
            "failure": segment.failure,
        }

    @extend_schema_field(RefreshSerializer)
    def get_refresh(self, segment: Segment) -> dict[str, Any]:
        every = {"amount": segment.refresh_amount, "unit": segment.refresh_unit}
        is_by_clock = segment.refresh_mode == Segment.RefreshMode.INTERVAL
        return {"mode": segment.refresh_mode, "every": every if is_by_clock else None}


class SegmentChangeSerializer(StrictSerializer):
    """What can be changed of a segment."""

    name = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    criteria = CriteriaField(required=False, allow_null=True)
    groups = serializers.ListField(
        child=serializers.CharField(), required=False, help_text=_("Names of user groups.")
    )
    members_only = serializers.BooleanField(required=False)
    mail_findings = serializers.BooleanField(
        required=False, help_text=_("Mail what is found wrong with it to its owner.")
    )
    refresh = RefreshSerializer(required=False)
    readiness_hours = serializers.IntegerField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The settings as `segments.lifecycle` names them."""
        refresh: Mapping[str, Any] | None = attrs.pop("refresh", None)
        if refresh is not None:
            every = refresh.get("every") or {}
            attrs["refresh_mode"] = refresh["mode"]
            attrs["refresh_amount"] = every.get("amount")
            attrs["refresh_unit"] = every.get("unit", "")
        return attrs


class SegmentCreationSerializer(SegmentChangeSerializer):
    """A new segment; without a key one is made of the name."""

    key = serializers.CharField(required=False)
    # Checked together with the criteria, so that one answer tells all.
    name = serializers.CharField(default="", allow_blank=True)
    criteria = CriteriaField(allow_null=True)


class SegmentCopySerializer(StrictSerializer):
    """How the copy is called; without a name or key they are made of those of the original."""

    name = serializers.CharField(required=False)
    key = serializers.CharField(required=False)
    groups = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text=_("Names of user groups. Default: those of the original that one may choose."),
    )


class MemberContactSerializer(serializers.Serializer[Any]):
    """A contact in a list of members."""

    id = serializers.IntegerField()
    external_id = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_blank=True)


class MemberSerializer(serializers.Serializer[Any]):
    """A contact in a segment, since when."""

    contact = MemberContactSerializer()
    entered_at = serializers.DateTimeField()


class ChangeSerializer(serializers.Serializer[Any]):
    """A contact entered or left."""

    contact_id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=["entered", "left"])
    at = serializers.DateTimeField()
    cause = serializers.CharField()


class HistorySerializer(serializers.ModelSerializer[Calculation]):
    """One calculation of a segment."""

    members = serializers.IntegerField(source="member_count")
    entered = serializers.IntegerField(source="entered_count")
    left = serializers.IntegerField(source="left_count")
    milliseconds = serializers.FloatField()

    class Meta:
        model = Calculation
        fields = ("at", "members", "entered", "left", "milliseconds", "cause")


class VersionSerializer(serializers.Serializer[Any]):
    """Criteria that a segment had from an instant on, in words, and what they changed."""

    number = serializers.IntegerField(source="version.number")
    criteria = ReadableCriteriaField(source="version.criteria")
    author = serializers.CharField(source="version.author", allow_blank=True)
    created_at = serializers.DateTimeField(source="version.created_at")
    sentence = serializers.CharField()
    difference = serializers.ListField(
        child=serializers.CharField(),
        source="difference_sentences",
        help_text=_("How it differs from the version before, a sentence for each change."),
    )


class SegmentNameSerializer(serializers.Serializer[Segment]):
    """A segment, named."""

    key = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=Segment.Status.choices)


class UseSerializer(serializers.Serializer[Any]):
    """One thing that uses a segment; `url` is its page in the back office.

    `effect` is what becomes of it when the members go, where it can say so.
    """

    kind = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of a use, not of a serializer
    name = serializers.CharField()
    key = serializers.CharField(allow_blank=True)
    state = serializers.CharField(allow_blank=True)
    effect = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)


class UsesSerializer(serializers.Serializer[Any]):
    """What uses a segment: other segments by name, and everything with its kind."""

    segments = SegmentNameSerializer(many=True)
    uses = UseSerializer(many=True)


class FindingSerializer(serializers.Serializer[Any]):
    """Something that is wrong with a segment, and what to do about it."""

    kind = serializers.ChoiceField(choices=Finding.Kind.choices)
    message = serializers.CharField()
    advice = serializers.CharField()
    found_at = serializers.DateTimeField()
    others = SegmentNameSerializer(many=True, help_text=_("The segments that it is about besides."))


class HealthSerializer(serializers.Serializer[Any]):
    """What is wrong with a segment, the worst first, and whether its owner is mailed about it."""

    findings = FindingSerializer(many=True)
    mail_findings = serializers.BooleanField()


class PreviewRequestSerializer(StrictSerializer):
    """Criteria to try."""

    criteria = CriteriaField(allow_null=True)
    as_of = serializers.DateTimeField(required=False)
    members_only = serializers.BooleanField(default=False)
    segment = serializers.CharField(
        required=False, help_text=_("The key of the segment that is being changed.")
    )


class PreviewSerializer(serializers.Serializer[Any]):
    """How many contacts criteria hold for: at least so many where the count is not exact."""

    count = serializers.IntegerField()
    exact = serializers.BooleanField()
    sample = serializers.ListField(child=serializers.DictField())
    as_of = serializers.DateTimeField()
    milliseconds = serializers.FloatField()
    sentence = serializers.CharField()
    total = serializers.IntegerField(help_text=_("About how many contacts there are."))
    share = serializers.FloatField(help_text=_("The count as a part of the total, 0 to 1."))


class ClauseCountSerializer(serializers.Serializer[Any]):
    """How many contacts a part of criteria holds for; null where that is not known in time."""

    count = serializers.IntegerField(allow_null=True)
    exact = serializers.BooleanField(help_text=_("Else there are at least so many."))


class ClauseCountsSerializer(serializers.Serializer[Any]):
    """A count for every rule and group without a fault, by path; the whole has the path ""."""

    counts = serializers.DictField(child=ClauseCountSerializer())


class SuggestionSerializer(serializers.Serializer[Any]):
    """A value as criteria write it."""

    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of a value, not of a serializer
    count = serializers.IntegerField(allow_null=True)


class SuggestionsSerializer(serializers.Serializer[Any]):
    """At most 20 values, the likeliest first."""

    values = SuggestionSerializer(many=True)


class OverlapSetSerializer(serializers.Serializer[Any]):
    """How many contacts are in all of these segments; `only`: and in none of the others asked.

    `share` is `count` of those who are in at least one of the segments asked, 0 to 1.
    """

    keys = serializers.ListField(child=serializers.CharField())
    count = serializers.IntegerField()
    only = serializers.IntegerField()
    share = serializers.FloatField()


class OverlapPairSerializer(serializers.Serializer[Any]):
    """How alike two segments are; shares are 0 to 1.

    `jaccard`: how many are in both, of those in at least one of the two.
    """

    keys = serializers.ListField(child=serializers.CharField())
    count = serializers.IntegerField()
    jaccard = serializers.FloatField()
    share_of_first = serializers.FloatField()
    share_of_second = serializers.FloatField()


class OverlapSerializer(serializers.Serializer[Any]):
    """Every combination of the segments, and every pair; `total` are in at least one."""

    total = serializers.IntegerField()
    sets = OverlapSetSerializer(many=True)
    pairs = OverlapPairSerializer(many=True)


class SegmentOfContactSerializer(SegmentNameSerializer):
    """A segment that a contact is in, since when."""

    entered_at = serializers.DateTimeField()


class ClauseSerializer(serializers.Serializer[Any]):
    """One rule: whether it holds, what it compared, and when time alone turns it around.

    `since`: since when, where that is known; `deciding`: whether it is part of a reason why the
    contact is in, or is not; `words`: the rule as a part of a sentence; `events`: when the newest
    events happened that it counts, of `event_count`.
    """

    path = serializers.CharField()
    holds = serializers.BooleanField(allow_null=True)
    value = AnyJSONField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    sentence = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    deciding = serializers.BooleanField()
    words = serializers.CharField()
    events = serializers.ListField(child=serializers.DateTimeField())
    event_count = serializers.IntegerField(allow_null=True)


class WouldChangeSerializer(serializers.Serializer[Any]):
    """A rule that would have to turn, so that the contact entered or left."""

    path = serializers.CharField()
    should_hold = serializers.BooleanField()
    sentence = serializers.CharField()
    words = serializers.CharField()


class ExplanationSerializer(serializers.Serializer[Any]):
    """What the criteria of a segment say about one contact.

    `would_change`: the fewest rules that would have to turn so that `member` does. `changes_at`:
    when time alone turns it, if nothing else happens; never too late.
    """

    contact_id = serializers.IntegerField()
    segment = serializers.CharField()
    member = serializers.BooleanField()
    entered_at = serializers.DateTimeField(allow_null=True)
    as_of = serializers.DateTimeField()
    sentence = serializers.CharField()
    clauses = ClauseSerializer(many=True)
    would_change = WouldChangeSerializer(many=True)
    changes_at = serializers.DateTimeField(allow_null=True)
