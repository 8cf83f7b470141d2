"""Invariants 9 and 10: whole lists, one for each party, and repeatable ones (layer: invariants)."""

import hashlib

import numpy as np
from django.db.models import Count
from django.db.models.functions import Length

from accounts.models import Anchor, Stall
from matching.engine.config import Config
from matching.engine.pipeline import encode, fit, recommend
from matching.engine.types import Parties, Side, Snapshot
from matching.invariants.finding import Finding, stream
from matching.invariants.words import What
from matching.models import EngineRun, RecommendationList
from matching.packing import LIST_LENGTH
from matching.snapshot.exclusions import read_exclusions
from matching.snapshot.history import histories
from matching.snapshot.market import current_run, unpack_model
from matching.snapshot.rows import read_anchors, read_stalls, read_vocabulary
from matchmaker.core.weeks import town_today

# So many parties of each side are computed twice: enough for ties and every block of features.
SAMPLE = 100
SEED = 621
CURRENT = RecommendationList.objects.filter(superseded_at__isnull=True)


def find_torn_lists(finding: Finding) -> None:
    """Report parties with several current lists, and lists whose arrays cannot be read together."""
    several = CURRENT.values_list("side", "subject_id").annotate(n=Count("pk")).filter(n__gt=1)
    for side, subject_id, _n in stream(several.order_by("side", "subject_id")):
        finding.report(What.TWO_CURRENT_LISTS, side=side, party=subject_id)
    widths = {pk: len(codes) for pk, codes in EngineRun.objects.values_list("pk", "part_codes")}
    rows = CURRENT.all().order_by("pk").annotate(parts_size=Length("parts"), trust_size=Length("confidences"))
    for pk, run_id, ids, scores, moved, parts_size, trust_size in stream(
        rows.values_list("pk", "run_id", "partner_ids", "scores", "adjustments", "parts_size", "trust_size")
    ):
        finding.look()
        sizes = (parts_size, trust_size)
        if not _is_whole(bytes(ids), bytes(scores), bytes(moved), sizes, widths[run_id]):
            finding.report(What.LIST_TORN, list=pk)


def _is_whole(ids: bytes, scores: bytes, moved: bytes, sizes: tuple[int, int], width: int) -> bool:
    """Whether the bytes are those of one list: as docs/engine.md lays them out, best first, nobody twice."""
    count, rest = divmod(len(ids), 8)
    if rest or count > LIST_LENGTH or len(scores) != 4 * count or sizes != (2 * width * count, count):
        return False
    if len(moved) not in (0, 6 * count):  # none at all: stored before lists had adjustments
        return False
    values = np.frombuffer(scores, dtype="<i4").astype(np.int64)
    if moved:
        values = values + np.frombuffer(moved, dtype="<i2").reshape(count, 3).sum(axis=1)
    falls = (np.diff(values) <= 0).all()
    return bool(falls) and len(set(np.frombuffer(ids, dtype="<i8").tolist())) == count


def find_unrepeatable_runs(finding: Finding) -> None:
    """Report a market of a sample that gives other bytes the second time, and a stored model that changed."""
    first, size = _computed()
    finding.look(size)
    if size and _computed()[0] != first:
        finding.report(What.NOT_REPEATABLE, parties=size)
    run = current_run()
    if run is not None:
        finding.look()
        if not _is_model_of(run):
            finding.report(What.MODEL_ALTERED, run=run.pk)


def _is_model_of(run: EngineRun) -> bool:
    try:
        return unpack_model(bytes(run.model)).digest == run.details.get("model")
    except Exception:  # bytes that are no model any more fail in as many ways as there are bytes
        return False


def _computed() -> tuple[str, int]:
    """Fit, encode and rank a sample of both sides from the rows; return the digest of all bytes."""
    snapshot = _sample()
    model = fit(snapshot, Config(), seed=SEED)
    stalls, anchors = encode(model, snapshot.stalls), encode(model, snapshot.anchors)
    total = hashlib.sha256(model.digest.encode())
    for side in Side:
        lists = recommend(model, stalls, anchors, snapshot.exclusions, side=side, k=LIST_LENGTH)
        for array in (lists.partner_ids, lists.scores, lists.parts, lists.confidence):
            total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest(), len(snapshot.stalls) + len(snapshot.anchors)


def _sample() -> Snapshot:
    words = read_vocabulary()
    stall_ids = list(Stall.objects.order_by("pk").values_list("pk", flat=True)[:SAMPLE])
    anchor_ids = list(Anchor.objects.order_by("pk").values_list("pk", flat=True)[:SAMPLE])
    stalls: Parties = read_stalls(words, stall_ids, past=histories("stall", stall_ids))
    anchors: Parties = read_anchors(words, anchor_ids, past=histories("anchor", anchor_ids))
    exclusions = read_exclusions(stall_ids, anchor_ids)
    return Snapshot(words, stalls, anchors, exclusions, as_of=town_today().isoformat())
