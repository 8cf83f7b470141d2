"""The encoded market of the current engine run, kept warm in each process (layer: snapshot).

Every use compares the versions of all parties with the rows (one narrow query a side) and reads again only
what changed, so no clock, message or other process is needed to be up to date.
"""

import io
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib import import_module
from typing import Any

import numpy as np
from django.db import DatabaseError, connection
from django.db.models import F
from numpy.typing import NDArray

from accounts.models import Anchor, Stall
from matching.engine.crowding import Crowding
from matching.engine.errors import EngineError
from matching.engine.model import Encoded, Model
from matching.engine.pipeline import encode
from matching.engine.types import Exclusions, Parties, Side, Snapshot
from matching.models import EngineRun
from matching.snapshot import kept
from matching.snapshot.exclusions import read_exclusions
from matching.snapshot.history import histories, parties_active_since
from matching.snapshot.kept import Versions
from matching.snapshot.rows import read_anchors, read_stalls, read_vocabulary
from matchmaker.core.weeks import town_today

logger = logging.getLogger(__name__)

SIDES = ("stall", "anchor")
# What encoding a changed party imports when it comes to it: a second that nobody should wait for.
ENCODERS = "sklearn.feature_extraction.text"
# So many parties are read in a moment; a market of more is kept in a file for the next process to start.
READ_AT_ONCE = 1_000
# Longer than any computation: what happened since a market was kept happened after this much before it.
KEPT_MARGIN = timedelta(hours=1)
_CHUNK = 500  # ids per query: SQLite and plans dislike longer lists


@dataclass(frozen=True)
class Market:
    """One consistent view: the run, its model, and both sides encoded with it."""

    run: EngineRun
    model: Model
    stalls: Encoded
    anchors: Encoded
    versions: Mapping[str, Versions]
    day: date
    crowding: Crowding | None = None  # how busy everybody was when this run's lists were made

    def with_crowding(self, crowding: Crowding | None) -> "Market":
        """Return the same market with the queues decided."""
        return replace(self, crowding=crowding)

    def side(self, side: str) -> Encoded:
        """Return the encoded parties of `side`."""
        return self.stalls if side == "stall" else self.anchors

    def version_of(self, side: str, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the version that each of these parties had when it was read."""
        known, versions = self.versions[side]
        at = np.searchsorted(known, ids)
        return versions[at]

    def holds(self, side: str, party_id: int) -> bool:
        """Tell whether the party had been registered when the market was read."""
        return bool(self.side(side).parties.rows_of([party_id])[0] >= 0)

    def partners_version(self, side: str) -> int:
        """Return the sum of the versions of all partners of `side`; of two readings the later has no less."""
        return int(self.versions[Side(side).other.value][1].sum())


_lock = threading.Lock()
_current: Market | None = None
_keeps = False


def current_run() -> EngineRun | None:
    """Return the run whose model scores now: the newest finished one."""
    return EngineRun.objects.filter(finished_at__isnull=False).order_by("-pk").first()


def current_market(touched: Mapping[str, Iterable[int]] | None = None) -> Market | None:
    """Return the market as of now, or None before the first run.

    `touched` names parties by side whose history (not profile) changed and must be read again.
    """
    global _current
    run = current_run()
    if run is None:
        return None
    with _lock:
        if _current is not None and _is_of(_current, run):
            _current = _refresh(_current, touched or {})
        else:
            _current = _load(run)
        return _current


def market_within(seconds: float) -> Market | None:
    """Return the market, or None where this process has first to read it and that takes longer.

    The reading goes on in its own thread, so a later request finds the market warm.
    """
    run = current_run()
    if run is not None and run.parties_fitted > READ_AT_ONCE and not _is_of(_current, run):
        warm_market().join(seconds)
        if not _is_of(_current, run):
            return None
    return current_market()


def _is_of(market: Market | None, run: EngineRun) -> bool:
    """Whether it was read for this run, and today: licences and ages are as of a day."""
    return market is not None and market.run.pk == run.pk and market.day == town_today()


def warm_market(then: Callable[[], object] | None = None) -> threading.Thread:
    """Read the market in a thread of its own, so that the first who needs it need not wait.

    `then` is called there when it was read.
    """
    thread = threading.Thread(target=_warm, args=(then,), daemon=True, name="market")
    thread.start()
    return thread


def _warm(then: Callable[[], object] | None) -> None:
    try:
        import_module(ENCODERS)
        current_market()
        if then is not None:
            then()
    except DatabaseError:  # no tables yet, or a server that is away: who needs the market reads it then
        logger.warning("the market was not read ahead", exc_info=True)
    finally:
        connection.close()


def refresh_held() -> None:
    """Bring the market of this process up to date, if it has one."""
    if _current is not None:
        current_market()


def forget_market() -> None:
    """Drop the market of this process (tests, memory)."""
    global _current
    with _lock:
        _current = None


def read_snapshot() -> tuple[Snapshot, dict[str, Versions]]:
    """Return the whole market as rows say now, with the versions that were read."""
    versions = {side: read_versions(side) for side in SIDES}
    words = read_vocabulary()
    stalls = read_stalls(words, past=histories("stall"))
    anchors = read_anchors(words, past=histories("anchor"))
    snapshot = Snapshot(words, stalls, anchors, read_exclusions(), as_of=town_today().isoformat())
    return snapshot, {
        side: _aligned(versions[side], p) for side, p in (("stall", stalls), ("anchor", anchors))
    }


def read_versions(side: str) -> Versions:
    """Return all ids of `side`, ascending, and their versions; a stall's counts its merchant's too."""
    rows: Iterable[tuple[int, int]] = Anchor.objects.order_by("pk").values_list("pk", "version")
    if side == "stall":
        rows = Stall.objects.order_by("pk").values_list("pk", F("version") + F("merchant__version"))
    table = np.fromiter((number for row in rows for number in row), dtype=np.int64).reshape(-1, 2)
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])


def _aligned(versions: Versions, parties: Parties) -> Versions:
    """Return the versions of exactly these parties; one that appeared in between counts as never read."""
    ids, numbers = versions
    at = np.minimum(np.searchsorted(ids, parties.ids), max(len(ids) - 1, 0))
    held = numbers[at] if len(ids) else np.zeros(len(parties), dtype=np.int64)
    same = ids[at] == parties.ids if len(ids) else np.zeros(len(parties), dtype=np.bool_)
    return parties.ids, np.where(same, held, -1)


def market_of(run: EngineRun, model: Model, snapshot: Snapshot, versions: Mapping[str, Versions]) -> Market:
    """Return the market of a snapshot encoded with `model`."""
    return Market(
        run, model, encode(model, snapshot.stalls), encode(model, snapshot.anchors), versions, town_today()
    )


def adopt_market(market: Market) -> None:
    """Make this the current market of the process; its run is finished."""
    global _current
    with _lock:
        _current = market


def keep_markets() -> None:
    """Leave every market that this process reads in a file: for workers, which look after it (erased.py)."""
    global _keeps
    _keeps = True


def keep_market(market: Market) -> None:
    """Leave the market for processes that start later today, unless its rows are read in a moment anyway."""
    if len(market.stalls) + len(market.anchors) > READ_AT_ONCE:
        sides = {side: (market.side(side), market.versions[side][1]) for side in SIDES}
        kept.save(_kept_key(market.run, market.day), sides)


def _kept_key(run: EngineRun, day: date) -> str:
    """Name a run apart from one of another database that once stood here."""
    return f"{day:%Y%m%d}-{run.pk}-{run.created_at.timestamp():.6f}"


def _load(run: EngineRun) -> Market:
    """Return the market as it is now: the kept one brought up to date, else read from all rows."""
    model = unpack_model(bytes(run.model))
    market = _kept(run, model)
    if market is None:
        market = _read(run, model)
        if _keeps:
            keep_market(market)
    return market


def _kept(run: EngineRun, model: Model) -> Market | None:
    key = _kept_key(run, town_today())
    saved_at, sides = kept.saved_at(key), kept.load(key, model)
    if saved_at is None or sides is None:
        return None
    market = market_from(run, model, sides, town_today()).with_crowding(load_crowding(run))
    return _refresh(market, parties_active_since(saved_at - KEPT_MARGIN))


def market_from(run: EngineRun, model: Model, sides: Mapping[str, kept.Side], day: date) -> Market:
    """Return the market of two sides that were stored encoded, by anybody."""
    versions = {side: (encoded.parties.ids, numbers) for side, (encoded, numbers) in sides.items()}
    return Market(run, model, sides["stall"][0], sides["anchor"][0], versions, day)


def _read(run: EngineRun, model: Model) -> Market:
    versions = {side: read_versions(side) for side in SIDES}
    stalls = read_stalls(model.vocabulary, past=histories("stall"))
    anchors = read_anchors(model.vocabulary, past=histories("anchor"))
    held = {side: _aligned(versions[side], p) for side, p in (("stall", stalls), ("anchor", anchors))}
    return Market(
        run, model, encode(model, stalls), encode(model, anchors), held, town_today(), load_crowding(run)
    )


def _refresh(market: Market, touched: Mapping[str, Iterable[int]]) -> Market:
    stalls, stall_versions = _refreshed_side(market, "stall", touched.get("stall", ()))
    anchors, anchor_versions = _refreshed_side(market, "anchor", touched.get("anchor", ()))
    versions = {"stall": stall_versions, "anchor": anchor_versions}
    return replace(market, stalls=stalls, anchors=anchors, versions=versions)


def _refreshed_side(market: Market, side: str, touched: Iterable[int]) -> tuple[Encoded, Versions]:
    """Return one side with every changed or touched party read and encoded again."""
    ids, versions = read_versions(side)
    known, held = market.versions[side]
    stale = set(changed_ids((known, held), (ids, versions)).tolist()) | (set(touched) & set(ids.tolist()))
    encoded = market.side(side)
    if not stale:
        return encoded, market.versions[side]
    fresh = _read_side(market.model, side, sorted(stale))
    return encoded.replace_rows(encode(market.model, fresh), market.model), (ids, versions)


def changed_ids(before: Versions, now: Versions) -> NDArray[np.int64]:
    """Return the ids that are new in `now` or have another version there; nothing is ever deleted."""
    ids, versions = now
    if not len(before[0]):
        return ids
    at = np.minimum(np.searchsorted(before[0], ids), len(before[0]) - 1)
    return ids[(before[0][at] != ids) | (before[1][at] != versions)]


def _read_side(model: Model, side: str, ids: list[int]) -> Parties:
    read = read_stalls if side == "stall" else read_anchors
    chunks = [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]
    parts = [read(model.vocabulary, chunk, past=histories(side, chunk)) for chunk in chunks]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.concat(part)
    return whole


def exclusions_for(side: str, ids: Iterable[int]) -> Exclusions:
    """Return the excluded pairs of these parties of `side` with anybody."""
    chosen = list(ids)
    if len(chosen) > _CHUNK:
        return read_exclusions()
    return read_exclusions(chosen, None) if side == "stall" else read_exclusions(None, chosen)


def pack_model(model: Model) -> bytes:
    """Return the model as one compressed file of plain arrays."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = model.to_arrays()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def unpack_model(data: bytes) -> Model:
    """The inverse of `pack_model`; refuses anything pickled."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return Model.from_arrays(dict(arrays))


def pack_crowding(crowding: Crowding) -> bytes:
    """Return the state of the queues as one compressed file of plain arrays."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = crowding.to_arrays()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load_crowding(run: EngineRun) -> Crowding | None:
    """Return how busy everybody was in that run; None for a run that did not decide it."""
    if not run.market:
        return None
    try:
        return Crowding.from_arrays(kept.unpacked(bytes(run.market)))
    except (ValueError, EngineError):  # of another version of the engine: the next re-match decides anew
        logger.warning("the state of the market of run %s cannot be read", run.pk, exc_info=True)
        return None
