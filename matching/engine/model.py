"""The fitted model, and one side of the market encoded with it; both round-trip through plain arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.candidates import RuleColumns
from matching.engine.config import Config, config_from
from matching.engine.encoding import Encoder
from matching.engine.errors import EngineError
from matching.engine.scoring import (
    ANCHOR_DECIDES,
    STALL_DECIDES,
    Prior,
    completion_logit,
    hinge_values,
    single_logits,
    singles_of,
)
from matching.engine.types import Arrays, Float32Array, FloatArray, Parties, Vocabulary

_PRIOR_ARRAYS = tuple(f.name for f in fields(Prior))


@dataclass(frozen=True)
class Model:
    """Everything that turns parties into scores."""

    config: Config
    vocabulary: Vocabulary
    encoder: Encoder
    prior: Prior
    seed: int

    def to_arrays(self) -> Arrays:
        about = {"config": asdict(self.config), "vocabulary": asdict(self.vocabulary), "seed": self.seed}
        arrays: Arrays = {"about": np.array(json.dumps(about, sort_keys=True, ensure_ascii=True))}
        arrays.update({f"encoder.{name}": array for name, array in self.encoder.to_arrays().items()})
        arrays.update({f"prior.{name}": getattr(self.prior, name) for name in _PRIOR_ARRAYS})
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Model:
        """The inverse of `to_arrays`."""
        missing = {"about", *(f"prior.{name}" for name in _PRIOR_ARRAYS)} - set(arrays)
        if missing:
            raise EngineError(f"{sorted(missing)[0]}: missing in the stored model")
        about = json.loads(str(arrays["about"]))
        words = {key: tuple(value) for key, value in about["vocabulary"].items()}
        prefix = "encoder."
        state = {name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)}
        return cls(
            config=config_from(about["config"]),
            vocabulary=Vocabulary(**words),
            encoder=Encoder.from_arrays(state),
            prior=Prior(**{name: arrays[f"prior.{name}"] for name in _PRIOR_ARRAYS}),
            seed=int(about["seed"]),
        )

    @cached_property
    def digest(self) -> str:
        """sha256 over all arrays: two models with the same digest score alike."""
        total = hashlib.sha256()
        for name, array in sorted(self.to_arrays().items()):
            total.update(f"{name}:{array.dtype}:{array.shape};".encode())
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()


@dataclass(frozen=True)
class Encoded:
    """One side of the market, ready to be scored with the model that encoded it.

    Beside parties and vectors everything follows from the two and is made again on loading.
    """

    parties: Parties
    vectors: Float32Array  # [n, width]
    hinges: FloatArray  # [hinges, n], NaN unknown
    singles: FloatArray  # [singles of the side, n] logits
    completion: FloatArray  # [n] logits
    history: FloatArray  # [n] share of history, as against prior, in what is said of the party
    rules: RuleColumns
    model_digest: str

    @classmethod
    def of(cls, model: Model, parties: Parties, vectors: Float32Array) -> Encoded:
        if vectors.shape != (len(parties), int(model.encoder.widths.sum())):
            raise EngineError("vectors: made by another model or for other parties")
        return cls(
            parties=parties,
            vectors=vectors,
            hinges=hinge_values(parties, model.config),
            singles=single_logits(parties, model.config, model.prior),
            completion=completion_logit(parties, model.config),
            history=_history_share(parties, model.config),
            rules=RuleColumns.of(parties, model.config),
            model_digest=model.digest,
        )

    def __len__(self) -> int:
        return len(self.parties)

    @cached_property
    def tile(self) -> TileColumns:
        """The same facts in the form that the tile kernel reads."""
        return TileColumns.of(self)

    def replace_rows(self, other: Encoded, model: Model) -> Encoded:
        """A copy in which rows of `other` stand for rows with the same id, new ids put in their place."""
        if not self.model_digest == other.model_digest == model.digest:
            raise EngineError("model: rows encoded by different models cannot be mixed")
        rows = self.parties.rows_of(other.parties.ids)
        old, new = rows >= 0, rows < 0
        vectors = self.vectors.copy()
        vectors[rows[old]] = other.vectors[old]
        if new.any():
            places = np.searchsorted(self.parties.ids, other.parties.ids[new])
            vectors = np.insert(vectors, places, other.vectors[new], axis=0)
        return Encoded.of(model, self.parties.replace_rows(other.parties), vectors)

    def to_arrays(self) -> Arrays:
        return {
            **self.parties.to_arrays(),
            "vectors": self.vectors,
            "model_digest": np.array(self.model_digest),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], model: Model) -> Encoded:
        """The inverse of `to_arrays`; EngineError if another model had encoded it."""
        if str(arrays.get("model_digest")) != model.digest:
            raise EngineError("model_digest: the arrays were encoded by another model")
        return cls.of(model, Parties.from_arrays(arrays), np.asarray(arrays["vectors"]))


def _history_share(parties: Parties, config: Config) -> FloatArray:
    events = (parties.accepted + parties.decisions_given + parties.received) * parties.personalised
    return np.asarray(events / (events + config.confidence_worth))


@dataclass(frozen=True)
class TileColumns:
    """float32 columns of one side for the tile kernel; `at` picks rows."""

    hinges: Float32Array  # [hinges, n], 0 where unknown
    known: Float32Array  # [hinges, n] 1 or 0
    logits: Float32Array  # [2, n] sum of the singles, by direction
    inverse_odds: Float32Array  # [n] exp(-completion)

    @classmethod
    def of(cls, encoded: Encoded) -> TileColumns:
        directions = np.array([single.direction for single in singles_of(encoded.parties.side)])
        logits = [encoded.singles[directions == d].sum(axis=0) for d in (STALL_DECIDES, ANCHOR_DECIDES)]
        return cls(
            hinges=np.nan_to_num(encoded.hinges, nan=0.0).astype(np.float32),
            known=(~np.isnan(encoded.hinges)).astype(np.float32),
            logits=np.array(logits, dtype=np.float32),
            inverse_odds=np.exp(-encoded.completion).astype(np.float32),
        )

    def at(self, index: Any) -> TileColumns:
        return TileColumns(
            self.hinges[:, index], self.known[:, index], self.logits[:, index], self.inverse_odds[index]
        )
