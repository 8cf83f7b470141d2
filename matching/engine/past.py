"""What had happened before a moment: sums of events by key, strictly earlier than each question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.types import FloatArray, IntArray


@dataclass(frozen=True)
class Events:
    """Things that happened to somebody (`key`) at a time, each worth a value; NaN times never happened."""

    key: IntArray
    at: FloatArray
    value: FloatArray

    @classmethod
    def of(cls, key: IntArray, at: FloatArray, value: FloatArray | float = 1.0) -> Events:
        """Events without those that never happened."""
        if len(key) != len(at):
            raise EngineError("at: one time an event expected")
        values = np.broadcast_to(np.asarray(value, dtype=np.float64), at.shape)
        took_place = ~np.isnan(at)
        return cls(key[took_place], at[took_place], values[took_place])

    def __add__(self, other: Events) -> Events:
        return Events(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in _FIELDS))

    def sums_before(self, key: IntArray, at: FloatArray) -> FloatArray:
        """[questions] sum of the values of the key's events with an earlier time; O((n + q) log n)."""
        _, keys = np.unique(np.concatenate([self.key, key]), return_inverse=True)
        # Ranks of times instead of times: keys and times then fit one sortable integer.
        moments, times = np.unique(np.concatenate([self.at, at]), return_inverse=True)
        place = keys * (len(moments) + 1) + times
        events, questions = place[: len(self.key)], place[len(self.key) :]
        order = np.argsort(events, kind="stable")
        until = np.concatenate([[0.0], np.cumsum(self.value[order])])
        first = keys[len(self.key) :] * (len(moments) + 1)
        events = events[order]
        return np.asarray(until[np.searchsorted(events, questions)] - until[np.searchsorted(events, first)])

    def last_before(self, key: IntArray, at: FloatArray, otherwise: float) -> FloatArray:
        """[questions] value of the key's latest earlier event, `otherwise` where there is none."""
        _, keys = np.unique(np.concatenate([self.key, key]), return_inverse=True)
        moments, times = np.unique(np.concatenate([self.at, at]), return_inverse=True)
        place = keys * (len(moments) + 1) + times
        order = np.argsort(place[: len(self.key)], kind="stable")
        found = np.searchsorted(place[: len(self.key)][order], place[len(self.key) :]) - 1
        if not len(order):
            return np.full(len(key), otherwise)
        same = (found >= 0) & (keys[: len(self.key)][order][found] == keys[len(self.key) :])
        return np.where(same, self.value[order][found], otherwise)


_FIELDS = ("key", "at", "value")
