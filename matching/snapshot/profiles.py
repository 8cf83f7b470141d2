"""What the parties of decisions said of themselves at the time, from their history (layer: snapshot).

A decision was made on the last profile that was written before it. One that is older than all history, as
in a town that brought its past along, was made on the first profile: what was edited later it cannot have
seen. A tag that a party had deleted is left out of its older profiles too.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from django.db.models import Model
from numpy.typing import NDArray

from accounts.models import Anchor, Stall
from matching.engine.decisions import Decisions, Profiles
from matching.engine.past import Events
from matching.engine.types import Parties, Snapshot, Vocabulary
from matching.snapshot.history import PartyHistory, declared_tags_forgotten
from matching.snapshot.rows import anchor_values, anchors_from, stall_values, stalls_from

Ints = NDArray[np.int64]
# What is no line of history: the row itself, of a party that has none.
THE_ROW = 0
_CHUNK = 500  # ids per query: SQLite and plans dislike longer lists
_READ: dict[str, tuple[type[Model], Callable[..., list[dict[str, Any]]], Callable[..., Parties]]] = {
    "stall": (Stall, stall_values, stalls_from),
    "anchor": (Anchor, anchor_values, anchors_from),
}


def read_profiles(snapshot: Snapshot, decisions: Decisions) -> Profiles:
    """Return both parties' profiles as of each decision; those that no decision saw are not read."""
    words, at = snapshot.vocabulary, decisions.at
    stalls, stall_rows = _profiles("stall", words, snapshot.stalls.ids[decisions.stall_rows], at)
    anchors, anchor_rows = _profiles("anchor", words, snapshot.anchors.ids[decisions.anchor_rows], at)
    return Profiles(stalls, anchors, stall_rows, anchor_rows)


def _profiles(side: str, words: Vocabulary, asked: Ints, at: NDArray[np.float64]) -> tuple[Parties, Ints]:
    """Return the distinct profiles of the parties asked for, and which of them each had at its moment."""
    lines = _lines_at(side, asked, at)
    seen, rows = np.unique(np.stack([asked, lines], axis=1), axis=0, return_inverse=True)
    _model, _values, build = _READ[side]
    past = PartyHistory(unsaid=declared_tags_forgotten(side))
    parties = build(_values_of(side, seen), words, range(len(seen)), past=past)
    # Only parties that take part in personalisation today teach; what they chose before is not asked.
    return replace(parties, personalised=np.ones(len(parties), dtype=np.bool_)), rows.reshape(-1)


def _lines_at(side: str, asked: Ints, at: NDArray[np.float64]) -> Ints:
    """Return the id of the line of history that was the newest before each moment."""
    ids, lines, written = _history_of(side, np.unique(asked))
    found = Events.of(ids, written, lines.astype(np.float64)).last_before(asked, at, float(THE_ROW))
    known, first = np.unique(ids, return_index=True)
    place = np.minimum(np.searchsorted(known, asked), max(len(known) - 1, 0))
    has_any = known[place] == asked if len(known) else np.zeros(len(asked), dtype=np.bool_)
    earliest = lines[first[place]] if len(known) else np.full(len(asked), THE_ROW)
    return np.where((found == THE_ROW) & has_any, earliest, found.astype(np.int64))


def _history_of(side: str, ids: Ints) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Return party, line and moment (seconds since 1970) of all history of these parties, oldest first."""
    history = _READ[side][0].history.model.objects  # type: ignore[attr-defined]
    rows = [
        (party, line, written.timestamp())
        for part in _chunks(ids.tolist())
        for party, line, written in history.filter(id__in=part).values_list(
            "id", "history_id", "history_date"
        )
    ]
    rows.sort(key=lambda row: (row[0], row[2], row[1]))
    party, line, written = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(party, np.int64), np.array(line, np.int64), np.array(written, np.float64)


def _values_of(side: str, seen: Ints) -> Sequence[dict[str, Any]]:
    """Return the columns of these (party, line of history) pairs, in their order."""
    model, values, _build = _READ[side]
    history = model.history.model.objects  # type: ignore[attr-defined]
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for part in _chunks(seen[seen[:, 1] != THE_ROW, 1].tolist()):
        lines = history.filter(history_id__in=part).order_by("history_id")
        numbers = lines.values_list("history_id", flat=True)
        found |= {(row["id"], line): row for line, row in zip(numbers, values(lines), strict=True)}
    for part in _chunks(seen[seen[:, 1] == THE_ROW, 0].tolist()):
        rows = model._default_manager.filter(pk__in=part)
        found |= {(row["id"], THE_ROW): row for row in values(rows)}
    return [found[party, line] for party, line in seen.tolist()]


def _chunks(numbers: list[int]) -> list[list[int]]:
    return [numbers[start : start + _CHUNK] for start in range(0, len(numbers), _CHUNK)]
