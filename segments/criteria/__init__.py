"""Criteria: the only door to the language that says which contacts belong to a segment.

`parse` reads a document, `compile_members` gives the SQL, `explain` says it in words. Nothing
here knows Django, a model or the clock: what may be asked comes in as a `Catalog`, and `now` too.
"""

from pathlib import Path

from .catalog import (
    CONTACT_FIELDS,
    MASK,
    Catalog,
    cyclic_segments,
    register_fact,
    register_keyed_fact,
    registered_facts,
    registered_keyed_facts,
)
from .clauses import compile_clauses
from .compile import (
    Query,
    compile_count,
    compile_members,
    compile_sample,
    compile_where,
)
from .contradictions import Contradiction, find_contradiction, without_paths
from .counts import CountQuery, compile_counts
from .describe import describe
from .errors import CriteriaInvalid, Problem
from .explain import explain, explain_clause
from .parse import check, parse, parse_where
from .references import References, references
from .storage import attribute_expression, attribute_index
from .syntax import (
    AttributeField,
    ContactField,
    Criteria,
    Event,
    Fact,
    Item,
    KeyedFact,
    MetricField,
    SegmentItem,
    Type,
)
from .topics import topics
from .turned import Clock, NeedsFull, Turned, Turns, compile_turned, prepare_clock, turns_by_time
from .vector import Vector, compile_vector, prepare_vector

FUNCTIONS_SQL = Path(__file__).with_name("functions.sql").read_text("utf-8")
"""The functions that compiled criteria call; for a migration. It holds no placeholders."""

__all__ = [
    "CONTACT_FIELDS",
    "FUNCTIONS_SQL",
    "MASK",
    "AttributeField",
    "Catalog",
    "Clock",
    "ContactField",
    "Contradiction",
    "CountQuery",
    "Criteria",
    "CriteriaInvalid",
    "Event",
    "Fact",
    "Item",
    "KeyedFact",
    "MetricField",
    "NeedsFull",
    "Problem",
    "Query",
    "References",
    "SegmentItem",
    "Turned",
    "Turns",
    "Type",
    "Vector",
    "attribute_expression",
    "attribute_index",
    "check",
    "compile_clauses",
    "compile_count",
    "compile_counts",
    "compile_members",
    "compile_sample",
    "compile_turned",
    "compile_vector",
    "compile_where",
    "cyclic_segments",
    "describe",
    "explain",
    "explain_clause",
    "find_contradiction",
    "parse",
    "parse_where",
    "prepare_clock",
    "prepare_vector",
    "references",
    "register_fact",
    "register_keyed_fact",
    "registered_facts",
    "registered_keyed_facts",
    "topics",
    "turns_by_time",
    "without_paths",
]
