"""Our own path: a criteria document is parsed, compiled, asked, and its members are written."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from django.db.models import Count, OuterRef, Subquery, Sum
from django.utils import timezone

from contacts.models import Contact, Event
from segments import indexes, membership
from segments import preview as previews
from segments.criteria import Catalog, Query, compile_count, compile_members, parse
from segments.facts import catalog_for, zone
from segments.models import Segment
from workspace import sql
from workspace.access import SYSTEM

if TYPE_CHECKING:
    from .engines import Ids

from .questions import AS_OF, Question


def make_segments(questions: list[Question]) -> dict[str, Segment]:
    """An active segment for each question, and indexes on the attributes that they ask about."""
    for question in questions:
        Segment.objects.get_or_create(
            key=_key(question), defaults={"name": question.name, "criteria": question.document}
        )
    indexes.bring_into_step()
    found = {segment.key: segment for segment in Segment.objects.filter(key__startswith="bench-")}
    return {question.name: found[_key(question)] for question in questions}


def refresh(segment: Segment, *, catalog: Catalog | None = None) -> membership.Refreshed:
    """Compute and write the members, as the product does on its schedule."""
    return membership.refresh(segment.pk, as_of=AS_OF, cause="benchmark", catalog=catalog)


def members(question: Question) -> "Ids":
    """Who the product says fits, in order of id."""
    tree = parse(question.document, catalog_for(SYSTEM), zone())
    found = [row[0] for row in _ask(compile_members(tree, now=AS_OF))]
    return np.array(sorted(found), dtype=np.int64)


def written_members(segment: Segment) -> "Ids":
    """Who is written as a member, in order of id."""
    rows = sql.rows(
        "SELECT contact_id FROM segments_membership WHERE segment_id = %s ORDER BY contact_id",
        [segment.pk],
    )
    return np.array([row["contact_id"] for row in rows], dtype=np.int64)


def count(question: Question, catalog: Catalog) -> int:
    """How many fit: parse, compile, ask. What a preview does."""
    tree = parse(question.document, catalog, zone())
    return int(_ask(compile_count(tree, now=AS_OF))[0][0])


def preview(question: Question) -> None:
    """What the criteria builder asks for after each change: the number, ten of them, words."""
    found = previews.preview(question.document, actor=SYSTEM, as_of=AS_OF)
    if not found.exact:
        raise AssertionError(f"{question.name} was not counted to its end.")


def count_set_operations(text: str) -> int:
    """The same by set operations, as a straightforward compiler would have it."""
    escaped = text.replace("%", "%%")
    return int(sql.one(f"SELECT count(*) FROM ({escaped}) q"))


def explained(question: Question) -> str:
    """The plan of the query for the members, as it really ran."""
    tree = parse(question.document, catalog_for(SYSTEM), zone())
    query = compile_members(tree, now=AS_OF)
    with sql.local_settings(query.settings):
        rows = sql.rows(f"EXPLAIN (ANALYZE, BUFFERS) {query.text}", query.params)
    lines = [str(row["QUERY PLAN"]) for row in rows]
    return "\n".join([str(dict(query.settings)), query.text, repr(query.params), *lines])


def correlated_purchases(count: int, days: int, amount: int) -> int:
    """Q3 as an ORM has it: a count for each contact in a subquery."""
    purchases = _of_each("purchase", days).filter(amount__gt=amount)
    counted = purchases.annotate(n=Count("message_id")).values("n")
    return Contact.objects.annotate(n=Subquery(counted)).filter(n__gte=count).count()


def correlated_spending(least: int, days: int, visit_days: int) -> int:
    """Q6 as an ORM has it: a sum and a count for each contact in subqueries."""
    spent = _of_each("purchase", days).annotate(n=Sum("amount")).values("n")
    visits = _of_each("page_visit", visit_days).annotate(n=Count("message_id")).values("n")
    contacts = Contact.objects.annotate(spent=Subquery(spent), visits=Subquery(visits))
    return contacts.filter(spent__gte=least, visits__gte=1).count()


def replace_members(segment: Segment) -> None:
    """What a refresh would be without the difference: all members out, all members in."""
    tree = parse(segment.criteria, catalog_for(SYSTEM), zone())
    query = compile_members(tree, now=AS_OF)
    with sql.local_settings(query.settings):
        sql.execute("DELETE FROM segments_membership WHERE segment_id = %s", [segment.pk])
        sql.execute(
            "INSERT INTO segments_membership (segment_id, contact_id, entered_at)"
            f" SELECT %s, n.contact_id, %s FROM ({query.text}) n",
            [segment.pk, timezone.now(), *query.params],
        )


def churn(segment: Segment, share: float) -> None:
    """Let one half of `share` of the members be missing, and as many others be in wrongly."""
    some = int(segment.member_count * share / 2)
    sql.execute(
        "DELETE FROM segments_membership WHERE segment_id = %s AND contact_id IN"
        " (SELECT contact_id FROM segments_membership WHERE segment_id = %s"
        " ORDER BY hashint8(contact_id) LIMIT %s)",
        [segment.pk, segment.pk, some],
    )
    sql.execute(
        "INSERT INTO segments_membership (segment_id, contact_id, entered_at)"
        " SELECT %s, c.id, now() FROM contacts_contact c WHERE NOT EXISTS"
        " (SELECT FROM segments_membership m WHERE m.segment_id = %s AND m.contact_id = c.id)"
        " ORDER BY hashint8(c.id) LIMIT %s",
        [segment.pk, segment.pk, some],
    )


def tidy() -> None:
    """What autovacuum would do meanwhile, so that it does not do it in the middle."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) segments_membership, segments_membershipchange")


def _of_each(event: str, days: int) -> Any:
    since = AS_OF - timedelta(days=days)
    return (
        Event.objects.filter(
            contact=OuterRef("pk"),
            definition__name=event,
            occurred_at__gt=since,
            occurred_at__lte=AS_OF,
        )
        .order_by()
        .values("contact")
    )


def _ask(query: Query) -> list[tuple[Any, ...]]:
    with sql.local_settings(query.settings), connection.cursor() as cursor:
        cursor.execute(query.text, query.params)
        return list(cursor.fetchall())


def _key(question: Question) -> str:
    return "bench-" + question.name.lower().replace(".", "-")
