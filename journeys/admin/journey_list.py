"""The list of journeys, and how each stands: the version that runs, who is inside, who finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Max, Q, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin

from journeys.admin.journey_badges import state_badge
from journeys.admin.journey_filters import GroupFilter
from journeys.models import Journey, JourneyVersion, Lane, Passage
from journeys.trying.running import tested_ids
from workspace.admin import EmptyState
from workspace.admin.pictures import badge, number

_ENTERED = Q(node="", outcome="entered")
_REFUSED = Q(node="", outcome__startswith="refused:")
_ENDED = Q(to_place=-1) & ~_REFUSED
_FAILED = Q(outcome="failed")
_BACK = Q(outcome="brought_back")


@dataclass(slots=True)
class Standing:
    """How one journey stands, over all its live versions."""

    version: int | None = None
    entered: int = 0
    finished: int = 0
    failed: int = 0
    is_tested: bool = False

    @property
    def inside(self) -> int:
        """How many have entered and not left yet."""
        return max(0, self.entered - self.finished - self.failed)


def standing_of(journey_ids: Sequence[int]) -> dict[int, Standing]:
    """How some journeys stand. Three queries, over hourly counts: nobody is counted anew."""
    found = {pk: Standing() for pk in journey_ids}
    versions = JourneyVersion.objects.filter(journey__in=journey_ids, lane=Lane.LIVE)
    numbers = versions.order_by().values_list("journey").annotate(newest=Max("number"))
    for pk, newest in numbers:
        found[pk].version = newest
    passages = Passage.objects.filter(version__in=versions).order_by()
    counted = passages.values_list("version__journey").annotate(
        entered=Coalesce(Sum("count", filter=_ENTERED), 0),
        finished=Coalesce(Sum("count", filter=_ENDED & ~_FAILED), 0),
        failed=Coalesce(Sum("count", filter=_FAILED), 0) - Coalesce(Sum("count", filter=_BACK), 0),
    )
    for pk, entered, finished, failed in counted:
        one = found[pk]
        one.entered, one.finished, one.failed = entered, finished, failed
    for pk in tested_ids(journey_ids):
        found[pk].is_tested = True
    return found


class JourneyListing(ModelAdmin):
    """The columns of the list; the figures of all rows are asked for at once."""

    list_display: Any = ("name_and_state", "version", "inside", "finished", "failed", "changed")
    list_display_links = None
    search_fields = ("name", "key", "description")
    list_filter = ("state", GroupFilter)
    sortable_by = ("name_and_state", "changed")
    ordering = ("name", "pk")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    empty_state = EmptyState(
        gettext_lazy(
            "A journey says what happens with a contact, step by step: a message, a wait for what"
            " he does, another message. Draw it, test it with your own address, publish it."
        ),
        icon="route",
        steps=(
            (
                gettext_lazy("Begin with a ready drawing"),
                "admin:journeys_journey_add",
                "route",
                "journeys.add_journey",
            ),
        ),
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        answer: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            shown = answer.context_data.get("cl")
            if shown is not None:
                rows = list(shown.result_list)
                standing = standing_of([one.pk for one in rows])
                for one in rows:
                    one.standing = standing[one.pk]
        return answer

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_state(self, journey: Any) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><a class="rg-strong rg-break" href="{}">{}</a>'
            '<span class="rg-row rg-badges">{}</span></span>',
            reverse("admin:journeys_journey_change", args=[journey.pk]),
            journey.name,
            state_badge(journey, is_tested=journey.standing.is_tested),
        )

    @admin.display(description=gettext_lazy("version"))
    def version(self, journey: Any) -> str:
        return str(journey.standing.version or "–")

    @admin.display(description=gettext_lazy("inside"))
    def inside(self, journey: Any) -> str:
        return number(journey.standing.inside)

    @admin.display(description=gettext_lazy("finished"))
    def finished(self, journey: Any) -> str:
        return number(journey.standing.finished)

    @admin.display(description=gettext_lazy("failed"))
    def failed(self, journey: Any) -> SafeString | str:
        count = journey.standing.failed
        return badge(number(count), "bad") if count else "0"

    @admin.display(description=gettext_lazy("changed"), ordering="updated_at")
    def changed(self, journey: Journey) -> Any:
        return journey.updated_at
