"""How often chance is asked: seldom in the tests of every change, often in walks.

`make test-walks` runs what is decorated here again, with CHANCE=often.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import settings

_IS_OFTEN = os.environ.get("CHANCE") == "often"
_Test = TypeVar("_Test", bound=Callable[..., Any])


def chance(*, seldom: int, often: int, **given: Any) -> Callable[[_Test], _Test]:
    """Ask so many examples; `given` are settings of hypothesis."""
    count = often if _IS_OFTEN else seldom
    several = settings(max_examples=count, **{"deadline": None, **given})

    def decorate(test: _Test) -> _Test:
        marked: _Test = pytest.mark.chance(several(test))
        return marked

    return decorate
