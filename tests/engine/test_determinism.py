"""The same run gives the same bytes, here and in another process."""

import hashlib
import subprocess
import sys

import numpy as np

from matching.engine import pipeline
from matching.engine.config import config_from
from matching.engine.types import Side
from tests.engine.markets import encoded_market, random_market


def bytes_of_a_run():
    """Digest of the model and of both sides' lists."""
    snapshot, model, stalls, anchors = encoded_market(41, 300, 600)
    total = hashlib.sha256(model.digest.encode())
    for side in Side:
        lists = pipeline.recommend(model, stalls, anchors, snapshot.exclusions, side=side, k=20)
        for array in (lists.partner_ids, lists.scores, lists.parts, lists.confidence, lists.reasons_counts):
            total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def test_twice_in_this_process_and_once_in_another():
    first = bytes_of_a_run()
    assert bytes_of_a_run() == first
    code = "from tests.engine.test_determinism import bytes_of_a_run; print(bytes_of_a_run())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == first


def test_a_subset_of_subjects_gets_the_bytes_of_the_whole_run():
    snapshot, model, stalls, anchors = encoded_market(42, 300, 400)
    whole = pipeline.recommend(model, stalls, anchors, snapshot.exclusions, side=Side.STALL, k=15)
    some = [250, 3, 77]
    part = pipeline.recommend(
        model,
        stalls,
        anchors,
        snapshot.exclusions,
        side=Side.STALL,
        k=15,
        subjects=stalls.parties.ids[some],
    )
    assert part.partner_ids.tobytes() == whole.partner_ids[some].tobytes()
    assert part.scores.tobytes() == whole.scores[some].tobytes()
    assert part.parts.tobytes() == whole.parts[some].tobytes()


def test_the_fingerprint_tells_what_a_run_was_made_of():
    snapshot = random_market(43, 10, 20)
    model = pipeline.fit(snapshot, seed=1)
    run = pipeline.run_fingerprint(model, "2026-01-01")
    assert set(run) == {
        "code",
        "schema",
        "config",
        "model",
        "learned",
        "as_of",
        "seed",
        "libraries",
        "digest",
    }
    assert pipeline.run_fingerprint(pipeline.fit(snapshot, seed=1), "2026-01-01") == run
    others = [
        pipeline.run_fingerprint(model, "2026-01-02"),
        pipeline.run_fingerprint(pipeline.fit(snapshot, seed=2), "2026-01-01"),
        pipeline.run_fingerprint(pipeline.fit(snapshot, config_from({"slope": 3.0}), seed=1), "2026-01-01"),
    ]
    assert len({run["digest"], *(other["digest"] for other in others)}) == 4
