"""Runs the benchmarks: `make bench ARGS="--size 1m --documents --write"`."""

import argparse
import os
import sys

from config.embedded import keys, paths, servers

from . import bench_workspace


def main(arguments: list[str]) -> int:
    """Measure what was asked for; returns 1 where members differ."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--size", choices=bench_workspace.SIZES, default="100k")
    parser.add_argument("--documents", action="store_true", help="the ten documents")
    parser.add_argument("--preview", action="store_true", help="what a preview adds to its query")
    parser.add_argument("--mix", action="store_true", help="a hundred segments")
    parser.add_argument(
        "--refresh", action="store_true", help="writing members: difference, replacement"
    )
    parser.add_argument(
        "--import", action="store_true", dest="imports", help="contacts from a file"
    )
    parser.add_argument("--ingest", action="store_true", help="events by the batch")
    parser.add_argument("--actions", action="store_true", help="tags and consents by the segment")
    parser.add_argument("--insights", action="store_true", help="overlap, metrics, explanations")
    parser.add_argument(
        "--incremental",
        action="store_true",
        help="contacts that changed, and time that went by; by itself, without other engines",
    )
    parser.add_argument(
        "--http",
        action="store_true",
        help="events over HTTP, up to the membership; by itself, without other engines",
    )
    parser.add_argument(
        "--codes", type=int, metavar="N", help="gift-card codes made by a job; by itself"
    )
    parser.add_argument(
        "--publications", type=int, metavar="N", help="codes given to contacts; by itself"
    )
    parser.add_argument(
        "--mechanisms",
        action="store_true",
        help="who may have which mechanism; by itself, without other engines",
    )
    parser.add_argument(
        "--points", type=int, metavar="N", help="points of so many members; by itself"
    )
    parser.add_argument(
        "--redemptions", type=int, metavar="N", help="cards that pay, each once; by itself"
    )
    parser.add_argument("--journeys", type=int, metavar="N", help="so many on a journey; by itself")
    parser.add_argument("--messages", type=int, metavar="N", help="so many e-mails; by itself")
    parser.add_argument(
        "--uploads", type=int, metavar="N", help="metrics of so many to a vendor; by itself"
    )
    parser.add_argument(
        "--rehearsals", type=int, metavar="N", help="drafts on so many contacts; by itself"
    )
    parser.add_argument(
        "--metrics",
        action="store_true",
        help="all computed metrics, and those of a website; by itself, without other engines",
    )
    parser.add_argument("--explain", metavar="Q", help="the plan of one of the ten documents")
    parser.add_argument("--runs", type=int, default=5, help="of which the median is taken")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    size = bench_workspace.SIZES[options.size]
    place = bench_workspace.choose_place(size)
    keys.generate_missing(place)
    with servers.in_use(paths.var_directory(os.environ), os.environ):
        import django

        django.setup()
        if options.incremental:
            from . import incremental

            return incremental.run(size, place, options.runs, writes=options.write)
        if options.http:
            from . import over_http

            return over_http.run(size, place, writes=options.write)
        if options.codes or options.publications:
            from . import gift_cards

            given = options.publications or 100_000
            return gift_cards.run(
                code_count=max(options.codes or 0, 2 * given),
                publication_count=given,
                writes=options.write,
            )
        if options.mechanisms:
            from . import rewards

            return rewards.run(size, place, options.runs, writes=options.write)
        if options.points:
            from . import points

            return points.run(member_count=options.points, writes=options.write)
        if options.redemptions:
            from . import redemptions

            return redemptions.run(place, count=options.redemptions, writes=options.write)
        if options.uploads:
            from . import uploads

            return uploads.run(contact_count=options.uploads, writes=options.write)
        if options.messages:
            from . import messages

            return messages.run(message_count=options.messages, writes=options.write)
        if options.rehearsals:
            from . import rehearsals

            return rehearsals.run(contact_count=options.rehearsals, writes=options.write)
        if options.journeys:
            from . import journeys

            return journeys.run(participant_count=options.journeys, writes=options.write)
        if options.metrics:
            from . import metrics

            return metrics.run(size, place, writes=options.write)
        from .runs import run

        return run(size, place, options)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
