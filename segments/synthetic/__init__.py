"""A workspace of any size made of numbers: the same for the same size and seed, whoever makes it.

It serves benchmarks and trials, so its distributions are a contract (docs/benchmarks.md): every
run on any machine means the same. The believable people of the demo workspace are elsewhere.
"""

from .errors import WorkspaceNotEmpty
from .generation import AS_OF, Generated, generate_workspace

__all__ = ["AS_OF", "Generated", "WorkspaceNotEmpty", "generate_workspace"]
