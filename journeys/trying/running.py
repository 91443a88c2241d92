"""Which journeys are being tested: asked by whoever changes a draft."""

from collections.abc import Collection

from journeys.models import Journey, JourneyVersion, Lane


def running_test(journey: Journey) -> JourneyVersion | None:
    """The version that is being tested; None where no test runs."""
    tests = JourneyVersion.objects.filter(journey=journey, lane=Lane.TEST, ended_at=None)
    return tests.select_related("journey").first()


def is_testing(journey: Journey) -> bool:
    """Whether a test runs: then the draft stays as it is."""
    return running_test(journey) is not None


def tested_ids(journey_ids: Collection[int]) -> set[int]:
    """Those of the journeys that are being tested; one query."""
    tests = JourneyVersion.objects.filter(journey__in=journey_ids, lane=Lane.TEST, ended_at=None)
    return set(tests.values_list("journey_id", flat=True))
