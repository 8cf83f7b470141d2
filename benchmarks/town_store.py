"""Storing everybody's lists and reading a page of one, through the product, on a throw-away SQLite."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import date

import numpy as np

from matching.engine.model import Encoded, Model
from matching.engine.results import Recommendations

PAGE = 20
_READS = 200
_BLOCK = 1000


def _set_up(folder: str) -> None:
    """Django on a fresh database; whatever the shell says of another one is forgotten."""
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    os.environ["MATCHMAKER_VAR_DIR"] = folder
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matchmaker.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _block_of(lists: Recommendations, rows: slice) -> Recommendations:
    arrays = ("subject_ids", "partner_ids", "scores", "parts", "confidence")
    arrays += ("adjustments", "propensity", "reasons_counts", "pool_floor")
    return Recommendations(
        side=lists.side,
        base=lists.base,
        part_codes=lists.part_codes,
        **{name: getattr(lists, name)[rows] for name in arrays},
    )


def store_and_read(
    model: Model, stalls: Encoded, anchors: Encoded, both: list[Recommendations]
) -> tuple[float, float]:
    """Seconds to store all lists, and median seconds to read a page of 20 of one list."""
    with tempfile.TemporaryDirectory(prefix="matchmaker-bench-") as folder:
        _set_up(folder)
        from matching.models import EngineRun, RecommendationList
        from matching.packing import unpack
        from matching.services.recommendations import store_lists
        from matching.snapshot.market import Market

        run = EngineRun.objects.create(
            fingerprint=model.digest, model=b"", part_codes=list(both[0].part_codes)
        )
        versions = {
            side.parties.side.value: (side.parties.ids, np.zeros(len(side), dtype=np.int64))
            for side in (stalls, anchors)
        }
        market = Market(run, model, stalls, anchors, versions, date.today())  # noqa: DTZ011
        start = time.perf_counter()
        for lists in both:
            for first in range(0, len(lists), _BLOCK):
                store_lists(market=market, lists=_block_of(lists, slice(first, first + _BLOCK)))
        stored = time.perf_counter() - start

        reads = []
        for subject in np.resize(stalls.parties.ids, _READS).tolist():
            start = time.perf_counter()
            row = RecommendationList.objects.get(side="stall", subject_id=subject, superseded_at=None)
            entries = unpack(row)
            list(zip(entries.partner_ids[:PAGE].tolist(), entries.parts[:PAGE].tolist(), strict=True))
            reads.append(time.perf_counter() - start)
        from django.db import connections

        connections.close_all()
        return stored, statistics.median(reads)
