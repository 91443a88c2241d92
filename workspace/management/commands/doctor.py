import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from workspace.checkup import examine_all


class Command(BaseCommand):
    """Looks at every part that has to run, one line each; exits 1 where one does not work."""

    help = (
        "Check database, migrations, broker, worker, beat, rounds, mail, disk, clock and stuck"
        " work. Exits 1 if one of them fails."
    )
    # What is broken is the finding, not a reason to say nothing.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, **options: Any) -> None:
        is_well = True
        for finding in examine_all():
            is_well = is_well and finding.is_well
            if options["json"]:
                line = {"part": finding.part, "ok": finding.is_well, "message": finding.sentence}
                self.stdout.write(json.dumps(line, ensure_ascii=False))
            else:
                mark = "ok   " if finding.is_well else "FAILS"
                self.stdout.write(f"{mark} {finding.part:<10} {finding.sentence}")
        if not is_well:
            raise SystemExit(1)
