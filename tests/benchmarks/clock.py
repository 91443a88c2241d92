"""Taking times: warm, and the median of several."""

import statistics
from collections.abc import Callable, Sequence
from time import perf_counter


def seconds(work: Callable[[], object]) -> float:
    """How long one run of `work` took."""
    began_at = perf_counter()
    work()
    return perf_counter() - began_at


def median_seconds(work: Callable[[], object], *, runs: int, within_seconds: float = 20) -> float:
    """The median of `runs` runs after one to warm up; fewer, once the time is used up."""
    first = seconds(work)
    taken: list[float] = []
    while len(taken) < runs and (not taken or sum(taken) + first < within_seconds):
        taken.append(seconds(work))
    return statistics.median(taken)


def alternating_medians(
    works: Sequence[Callable[[], object]], *, runs: int, within_seconds: float = 60
) -> list[float]:
    """The median of each of `works`, which take turns, so that what disturbs one disturbs all."""
    for work in works:
        work()
    taken: list[list[float]] = []
    while len(taken) < runs and (not taken or sum(map(sum, taken)) < within_seconds):
        taken.append([seconds(work) for work in works])
    return [statistics.median(times) for times in zip(*taken, strict=True)]
