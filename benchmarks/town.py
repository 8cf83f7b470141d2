"""A whole town matched on both sides, beside what other libraries take for the bare products.

    python -m benchmarks.town --stalls 5000 --anchors 50000

Prints one JSON object. `peers` answer only "which 50 products are largest" for the stalls, without
rules, directions or parts, so `score_topk_stalls` is the figure to hold against them. `score_topk` finds the
candidates of both sides, `market` decides how busy everybody is, `lists` makes and explains all lists.
`--skip-store` leaves out what needs a database.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.peers import available
from benchmarks.synthetic_town import make_town
from benchmarks.timing import interleaved, medians, spreads
from benchmarks.town_store import store_and_read
from matching.engine import pipeline
from matching.engine.candidates import strike_out
from matching.engine.crowding import Crowding, crowding_of
from matching.engine.model import Encoded, Model
from matching.engine.parallel import run_blocks, spans
from matching.engine.rerank import Pool
from matching.engine.results import Recommendations
from matching.engine.retrieval import Query, top_k
from matching.engine.types import (
    Side,
    Snapshot,
)

K = 50


def mask(stalls: Encoded, anchors: Encoded) -> None:
    """The pair rules over the whole market, tile by tile."""

    def block(rows: slice) -> None:
        for columns in spans(len(anchors), 2048):
            alive = np.ones((rows.stop - rows.start, columns.stop - columns.start), dtype=np.bool_)
            stall, anchor = stalls.rules.at((rows, None)), anchors.rules.at((None, columns))
            strike_out(alive, stall, anchor, subject_axis=0)

    run_blocks(block, spans(len(stalls), 256))


@dataclass
class Town:
    """The stages of a re-match, each keeping what the next needs."""

    model: Model
    stalls: Encoded
    anchors: Encoded
    snapshot: Snapshot
    pools: dict[Side, Pool] = field(default_factory=dict)
    crowding: Crowding | None = None

    def find_pools(self) -> None:
        for side in Side:
            self.pools[side] = pipeline.pool(
                self.model, self.stalls, self.anchors, self.snapshot.exclusions, side=side
            )

    def decide(self) -> None:
        if not self.pools:
            self.find_pools()
        self.crowding = crowding_of(
            self.stalls,
            self.anchors,
            {side: [pool] for side, pool in self.pools.items()},
            self.model.config,
        )

    def make_lists(self) -> list[Recommendations]:
        if self.crowding is None:
            self.decide()
        return [
            pipeline.lists_of(
                self.model,
                self.stalls,
                self.anchors,
                self.pools[side],
                side=side,
                subject_rows=np.arange(len(self.pools[side].mutual)),
                k=K,
                crowding=self.crowding,
            )
            for side in Side
        ]


def _told(name: str, seconds: list[float], work: Callable[[], object]) -> object:
    start = time.perf_counter()
    made = work()
    seconds.append(time.perf_counter() - start)
    print(f"{name}: {seconds[-1]:.2f} s", file=sys.stderr)
    return made


def _stages(
    model: Model, stalls: Encoded, anchors: Encoded, snapshot: Snapshot, skip_peers: bool
) -> dict[str, Callable[[], object]]:
    """What is repeated, by name."""
    town = Town(model, stalls, anchors, snapshot)

    def topk_stalls() -> object:
        return top_k(
            model, stalls, anchors, snapshot.exclusions, Query(Side.STALL, np.arange(len(stalls)), K)
        )

    one = stalls.parties.ids[:1]
    jobs: dict[str, Callable[[], object]] = {
        "mask": lambda: mask(stalls, anchors),
        "score_topk_stalls": topk_stalls,
        "score_topk": town.find_pools,
        "market": town.decide,
        "lists": town.make_lists,
        "one_stall": lambda: pipeline.recommend(
            model,
            stalls,
            anchors,
            snapshot.exclusions,
            side=Side.STALL,
            subjects=one,
            k=K,
            crowding=town.crowding,
        ),
    }
    peers = {} if skip_peers else available()
    for name, peer in peers.items():
        if peer is not None:
            jobs[name] = lambda peer=peer: peer(stalls.vectors, anchors.vectors, K)  # type: ignore[misc]
    return jobs


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """All figures of one run."""
    snapshot = make_town(arguments.stalls, arguments.anchors, arguments.seed)
    parties = (snapshot.stalls, snapshot.anchors)
    fitted: list[float] = []
    encoded: list[float] = []
    model: Model = _told("fit", fitted, lambda: pipeline.fit(snapshot))  # type: ignore[assignment]
    for _ in range(arguments.repeats):
        sides: list[Encoded] = _told(  # type: ignore[assignment]
            "encode", encoded, lambda: [pipeline.encode(model, side) for side in parties]
        )
    stalls, anchors = sides
    jobs = _stages(model, stalls, anchors, snapshot, arguments.skip_peers)
    seconds = interleaved(jobs, arguments.repeats) | {"fit": fitted, "encode": encoded}
    both: list[Recommendations] = jobs["lists"]()  # type: ignore[assignment]
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    store = page = None
    if not arguments.skip_store:
        store, page = store_and_read(model, stalls, anchors, both)
    middle = medians(seconds)
    peers = {name: middle.get(name) for name in available()}
    own = {name: value for name, value in middle.items() if name not in peers}
    return {
        "stalls": arguments.stalls,
        "anchors": arguments.anchors,
        "width": int(stalls.vectors.shape[1]),
        "repeats": arguments.repeats,
        "seconds": {
            **own,
            "store": store and round(store, 4),
            "read_page": page and round(page, 6),
        },
        "peers": peers,
        "spread": spreads(seconds),
        "rss_mb": rss,
        "lists": {str(lists.side): int((lists.partner_ids >= 0).sum()) for lists in both},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stalls", type=int, default=5000)
    parser.add_argument("--anchors", type=int, default=50000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--skip-store", action="store_true", help="leave out the database")
    parser.add_argument("--skip-peers", action="store_true", help="leave out the other libraries")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
