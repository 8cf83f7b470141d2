"""Everybody's lists stored as the product does, beside one row a pair.

    python -m benchmarks.storing --stalls 5000 [--services]

Invented lists of 50 partners with 23 parts each go into an empty database. `ours` is what a re-match does:
every list packed, compared with the current ones, staged, and all of them published in one step.
`ours_unchanged` stages the same lists again: all are found to be as they were.
`ours_direct` is `store_lists`, as for a few changed parties. `packed` only inserts the rows, made before.
`pairs` is `bulk_create` of one lean row a pair in batches of 1,000, objects included.
`copy` is PostgreSQL's COPY of the same rows, made before.
Tables are emptied between, which no figure holds. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, cast

import numpy as np

from benchmarks.private_town import Town, add_town_options, private_town
from matching.engine.results import Recommendations
from matching.engine.types import Rule, Side

K, PARTS, PIECE = 50, 23, 1000


def invented(stalls: int, anchors: int, rng: np.random.Generator) -> Recommendations:
    """Lists of the right shape with values that compress no better than real ones."""
    return Recommendations(
        side=Side.STALL,
        subject_ids=np.arange(1, stalls + 1, dtype=np.int64),
        partner_ids=rng.integers(1, anchors + 1, (stalls, K), dtype=np.int64),
        scores=-np.sort(-rng.uniform(5, 60, (stalls, K)), axis=1),
        base=12.0,
        parts=rng.integers(-900, 900, (stalls, K, PARTS), dtype=np.int16),
        part_codes=tuple(f"part_{number}" for number in range(PARTS)),
        confidence=rng.uniform(0, 1, (stalls, K)).astype(np.float32),
        adjustments=np.zeros((stalls, K, 3), dtype=np.int16),
        propensity=np.ones((stalls, K), dtype=np.float32),
        reasons_counts=np.zeros((stalls, len(Rule) + 1), dtype=np.uint32),
        pool_floor=rng.uniform(0, 5, stalls),
    )


def pieces(lists: Recommendations) -> list[Recommendations]:
    """The same lists as the pieces of a re-match."""
    arrays = ("subject_ids", "partner_ids", "scores", "parts", "confidence")
    arrays += ("adjustments", "propensity", "reasons_counts", "pool_floor")
    return [
        replace(lists, **{name: getattr(lists, name)[first : first + PIECE] for name in arrays})
        for first in range(0, len(lists), PIECE)
    ]


class Store:
    """The ways to store one set of lists; Django is set up and the database empty."""

    def __init__(self, lists: Recommendations) -> None:
        from matching.models import EngineRun
        from matching.snapshot.market import Market

        self.lists, self.pieces = lists, pieces(lists)
        run = EngineRun.objects.create(fingerprint="0" * 64, model=b"", part_codes=list(lists.part_codes))
        ids = lists.subject_ids
        versions = {
            "stall": (ids, np.zeros(len(ids), dtype=np.int64)),
            "anchor": (ids, np.zeros(1, dtype=np.int64)),
        }
        nothing = cast(Any, None)  # storing reads the versions alone
        self.market = Market(run, nothing, nothing, nothing, versions, date.today())  # noqa: DTZ011

    def ours(self) -> None:
        from matching.services.recommendations.storing import publish_run, stage_lists

        staged = [stage_lists(market=self.market, lists=piece) for piece in self.pieces]
        confirmed = [pk for piece in staged for pk in piece["confirmed"]]
        publish_run(market=self.market, confirmed={"stall": confirmed}, checksum="")

    def ours_direct(self) -> None:
        from matching.services.recommendations import store_lists

        for piece in self.pieces:
            store_lists(market=self.market, lists=piece)

    def packed_rows(self) -> Callable[[], None]:
        """The bare insert of rows made before: the least that storing lists can take."""
        from django.db import transaction
        from django.utils import timezone

        from matching.models import RecommendationList
        from matching.packing import pack_all
        from matching.services.recommendations.storing import insert_lists

        rows = [
            RecommendationList(
                side="stall",
                subject_id=subject_id,
                run=self.market.run,
                computed_at=timezone.now(),
                **vars(packed),
            )
            for subject_id, packed in zip(self.lists.subject_ids.tolist(), pack_all(self.lists), strict=True)
        ]

        def insert() -> None:
            with transaction.atomic():
                insert_lists(rows)

        return insert

    def pair_rows(self) -> list[tuple[int, int, int, int, float, bytes]]:
        lists = self.lists
        scores = np.rint(lists.scores * 100).astype(int).tolist()
        return [
            (subject, partner, place + 1, scores[row][place], confidence, lists.parts[row, place].tobytes())
            for row, subject in enumerate(lists.subject_ids.tolist())
            for place, (partner, confidence) in enumerate(
                zip(lists.partner_ids[row].tolist(), lists.confidence[row].tolist(), strict=True)
            )
        ]

    def pairs(self) -> None:
        from benchmarks.serving_site.models import PairRow

        names = ("stall_id", "anchor_id", "rank", "score", "confidence", "parts")
        rows = [PairRow(**dict(zip(names, row, strict=True))) for row in self.pair_rows()]
        PairRow.objects.bulk_create(rows, batch_size=1000)

    def copy(self) -> Callable[[], None]:
        """PostgreSQL's own way in."""
        from django.db import connection

        rows = self.pair_rows()

        def run() -> None:
            columns = "stall_id, anchor_id, rank, score, confidence, parts"
            with connection.cursor() as cursor:
                with cursor.copy(f"COPY serving_site_pairrow ({columns}) FROM STDIN") as into:
                    for row in rows:
                        into.write_row(row)

        return run


def empty() -> None:
    """Take all lists and pairs out again."""
    from django.db import connection

    with connection.cursor() as cursor:
        for table in ("matching_recommendationlist", "serving_site_pairrow"):
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 (our own names)
            if connection.vendor == "postgresql":
                cursor.execute(f"VACUUM ANALYZE {table}")


def measure(town: Town, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    town.manage("migrate", "--verbosity", "0")
    town.environment["DJANGO_SETTINGS_MODULE"] = "benchmarks.serving_site.settings"
    town.set_up_django()
    from django.db import connection

    from benchmarks.serving_site.models import PairRow

    with connection.schema_editor() as editor:
        editor.create_model(PairRow)
    store = Store(invented(options.stalls, options.anchors, np.random.default_rng(options.seed)))
    jobs: dict[str, Callable[[], None]] = {
        "packed": store.packed_rows(),
        "ours_direct": store.ours_direct,
        "ours": store.ours,
        "ours_unchanged": store.ours,
        "pairs": store.pairs,
    }
    if connection.vendor == "postgresql":
        jobs["copy"] = store.copy()
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(options.repeats):
        for name, job in jobs.items():
            if name != "ours_unchanged":
                empty()
            start = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - start)
            print(f"{turn} {name}: {seconds[name][-1]:.3f} s", file=sys.stderr)
    pairs = seconds["pairs"]
    faster = {
        name: [peer / own for peer, own in zip(pairs, values, strict=True)]
        for name, values in seconds.items()
    }
    return {
        "stalls": options.stalls,
        "partners": K,
        "database": connection.vendor,
        "repeats": options.repeats,
        "load_average": os.getloadavg(),
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "times_faster_than_pairs": {name: spread(values) for name, values in faster.items()},
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    numbers = {"p50": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in numbers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_town_options(parser, stalls=5000, anchors=50000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with private_town(options) as town:
        print(json.dumps(measure(town, options)))


if __name__ == "__main__":
    main()
