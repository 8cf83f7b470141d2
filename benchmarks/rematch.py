"""A whole town seeded and matched by the worker: seconds, memory and what it takes in the database.

    python -m benchmarks.rematch --stalls 5000 --anchors 50000 --repeats 3

Seeds a town in a temporary folder, starts what `manage.py up` starts, and asks for everybody's lists with
`manage.py rematch`. The first time stores every list; the times after it change the commission of each
stall before, so that most lists differ again. `seconds` are those of the job, from the worker's claim to its
end; `worker_cpu_seconds` what the worker computed meanwhile, the first time with its start;
`command_seconds` those of the command. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from typing import Any

from benchmarks.private_town import Town, add_town_options, cpu_seconds, peak_mb, private_town, rss_mb


def measure(town: Town, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    seeded = town.seed(options.stalls, options.anchors)
    print(f"seeded in {seeded:.1f} s", file=sys.stderr)
    town.set_up_django()
    empty = town.database_mb()
    runs, computed, commands, stored = [], [], [], []
    with town.up() as (_address, supervisor):
        for number in range(options.repeats):
            if number:
                _change_commissions(number)
            before = cpu_seconds(supervisor, "compute") if number else 0.0
            commands.append(town.manage("rematch"))
            computed.append(cpu_seconds(supervisor, "compute") - before)
            seconds, count = _last_job()
            runs.append(seconds)
            stored.append(count)
            print(f"rematched in {seconds:.1f} s, {count} lists stored", file=sys.stderr)
            if number == 0:
                full = town.database_mb()
        peak, memory = peak_mb(supervisor, "compute"), rss_mb(supervisor)
    return {
        "stalls": options.stalls,
        "anchors": options.anchors,
        "database": "postgresql" if "DATABASE_URL" in town.environment else "embedded",
        "load_average": os.getloadavg(),
        "seed_seconds": round(seeded, 1),
        "seconds": {
            "first": round(runs[0], 1),
            "p50": round(statistics.median(runs), 1),
            "min": round(min(runs), 1),
            "max": round(max(runs), 1),
        },
        "worker_cpu_seconds": [round(seconds, 1) for seconds in computed],
        "command_seconds": [round(seconds, 1) for seconds in commands],
        "lists_stored": stored,
        "worker_peak_mb": peak,
        "rss_mb": memory,
        "database_mb": {"seeded": round(empty), "with_lists": round(full)},
    }


def _last_job() -> tuple[float, int]:
    from jobs.models import Job

    job = Job.objects.filter(kind="matching.rematch", state="done").latest("pk")
    return (job.finished_at - job.started_at).total_seconds(), job.result["stored"]


def _change_commissions(number: int) -> None:
    """Change every stall's offer without a message to anybody; the rematch reads all rows anyway."""
    from decimal import Decimal

    from django.db.models import F

    from accounts.models import Stall

    step = Decimal("0.01") if number % 2 else Decimal("-0.01")
    changed = Stall.objects.filter(commission_rate__range=("0.05", "0.60"))
    changed.update(commission_rate=F("commission_rate") + step, version=F("version") + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_town_options(parser, stalls=5000, anchors=50000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with private_town(options) as town:
        print(json.dumps(measure(town, options)))


if __name__ == "__main__":
    main()
