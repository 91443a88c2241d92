"""The criteria in words; the SQL; the plan; why a contact is in or out."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from segments import explanation, facts, lifecycle
from segments.models import Segment
from workspace import console
from workspace.access import SYSTEM
from workspace.errors import DomainError
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Explain a segment."""

    help = "The criteria of a segment in words; with options the SQL, the plan, or one contact."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", metavar="KEY")
        parser.add_argument("--contact", type=int, metavar="ID", help="why this contact is in")
        parser.add_argument("--sql", action="store_true", help="the statement that is run")
        parser.add_argument("--analyze", action="store_true", help="run it and show its plan")
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        as_of = options["as_of"] or timezone.now()
        try:
            segment = lifecycle.find_segment(options["key"], actor=SYSTEM)
            found: dict[str, Any] = {
                "segment": segment.key,
                "as_of": as_of,
                "sentence": facts.explain(facts.criteria_of(segment)),
            }
            if options["sql"]:
                found["sql"] = explanation.written_sql(segment, as_of=as_of)
            if options["analyze"]:
                found["plan"] = explanation.analyzed_plan(segment, as_of=as_of)
            if options["contact"] is not None:
                contact_id = options["contact"]
                why = explanation.explain_contact(segment, contact_id, as_of=as_of)
                found |= {name: part for name, part in asdict(why).items() if name != "root"}
        except DomainError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            found.setdefault("status", segment.status)
            console.facts(self, found, as_json=True)
            return
        self._print(segment, found)

    def _print(self, segment: Segment, found: dict[str, Any]) -> None:
        self.stdout.write(f"{segment.name} ({segment.status}): {found['sentence']}")
        for part in ("sql", "plan"):
            if part in found:
                self.stdout.write(f"\n{found[part]}")
        if "clauses" not in found:
            return
        state = "in" if found["member"] else "out"
        self.stdout.write(f"\nContact {found['contact_id']} is {state} as of {found['as_of']}.")
        for clause in found["clauses"]:
            sign = "yes" if clause["holds"] else "no "
            since = f", since {clause['since']}" if clause["since"] else ""
            until = f", until {clause['until']}" if clause["until"] else ""
            mark = " (decides)" if clause["deciding"] else ""
            where = clause["path"] or "(outermost)"
            self.stdout.write(f"  {sign} {where}: {clause['sentence']}{mark}")
            self.stdout.write(f"      compared: {clause['value']}{since}{until}")
        for change in found["would_change"]:
            verb = "hold" if change["should_hold"] else "not hold"
            self.stdout.write(f"  It would turn if this did {verb}: {change['sentence']}")
        if found["changes_at"]:
            self.stdout.write(f"  By itself it turns at {found['changes_at']}.")
