"""Thousands of edits in a few seconds: how many jobs they make, and when every list is fresh again.

    python -m benchmarks.herd --stalls 300 --anchors 3000 --edits 5000 --within 10

Seeds a town in a temporary folder, serves it as `manage.py up` does, and changes parties through the
services, each edit its own transaction, spread over both sides. `jobs` counts those written for it, by kind:
they are to be at most edits / 50. `fresh_after_seconds` is the time from the last edit until every list is of
the newest version and no job is open. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.private_town import Town, add_town_options, private_town

_PATIENCE_SECONDS = 900.0


def measure(town: Town, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    town.seed(options.stalls, options.anchors)
    town.set_up_django()
    with town.up():
        town.manage("rematch")
        from jobs.models import Job

        last = Job.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        took = _edit(options)
        print(f"{options.edits} edits in {took:.1f} s", file=sys.stderr)
        fresh_after = _await_fresh()
        kinds = Counter(Job.objects.filter(pk__gt=last, queue="compute").values_list("kind", flat=True))
    return {
        "stalls": options.stalls,
        "anchors": options.anchors,
        "edits": options.edits,
        "edit_seconds": round(took, 1),
        "jobs": dict(kinds),
        "jobs_in_all": sum(kinds.values()),
        "most_allowed": options.edits // 50,
        "fresh_after_seconds": round(fresh_after, 1),
        "load_average": os.getloadavg(),
    }


def _edit(options: argparse.Namespace) -> float:
    """Change parties one by one, not faster than asked; return the seconds it took."""
    from accounts.models import Anchor, Stall
    from accounts.services.anchors import update_anchor
    from accounts.services.stalls import update_stall

    rng = random.Random(621)  # noqa: S311
    stalls = list(Stall.objects.filter(archived_at=None).values_list("pk", flat=True))
    anchors = list(Anchor.objects.filter(archived_at=None).values_list("pk", flat=True))
    begun = time.perf_counter()
    for number in range(options.edits):
        data = {"commission_rate": f"0.{rng.randint(10, 40)}"}
        if number % 2:
            update_stall(actor=None, stall=Stall.objects.get(pk=rng.choice(stalls)), data=data)
        else:
            update_anchor(actor=None, anchor=Anchor.objects.get(pk=rng.choice(anchors)), data=data)
        time.sleep(max(0.0, begun + options.within * (number + 1) / options.edits - time.perf_counter()))
    return time.perf_counter() - begun


def _await_fresh() -> float:
    """Wait until nothing is to be done and every list knows its party's newest version."""
    from jobs.models import Job, JobState
    from matching.models import DueParty

    begun = time.perf_counter()
    open_jobs = Job.objects.filter(state__in=(JobState.QUEUED, JobState.RUNNING), queue="compute")
    while time.perf_counter() - begun < _PATIENCE_SECONDS:
        if not open_jobs.exists() and not DueParty.objects.exists():
            late = sum(map(_late_lists, ("stall", "anchor")))
            if late:
                raise RuntimeError(f"{late} lists are older than their parties, and nothing is to be done")
            return time.perf_counter() - begun
        time.sleep(0.1)
    waiting = list(open_jobs.values("kind", "error"))
    raise TimeoutError(f"not fresh after {_PATIENCE_SECONDS:.0f} s: {waiting}")


def _late_lists(side: str) -> int:
    from matching.models import RecommendationList
    from matching.snapshot.market import read_versions

    current = RecommendationList.objects.filter(superseded_at=None, side=side)
    listed = dict(current.values_list("subject_id", "subject_version"))
    ids, versions = read_versions(side)
    return sum(listed.get(pk, -1) < v for pk, v in zip(ids.tolist(), versions.tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_town_options(parser, stalls=300, anchors=3000)
    parser.add_argument("--edits", type=int, default=5000)
    parser.add_argument("--within", type=float, default=10.0, help="seconds over which the edits are spread")
    options = parser.parse_args()
    with private_town(options) as town:
        print(json.dumps(measure(town, options)))


if __name__ == "__main__":
    main()
