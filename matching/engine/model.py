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
from matching.engine.scoring import SINGLES, completion_logit, hinge_values
from matching.engine.types import Arrays, Float32Array, FloatArray, Parties, Vocabulary
from matching.engine.weights import KNOTS, Weights, single_logits

_WEIGHTS = tuple(f.name for f in fields(Weights))


@dataclass(frozen=True)
class Model:
    """Everything that turns parties into scores."""

    config: Config
    vocabulary: Vocabulary
    encoder: Encoder
    weights: Weights
    seed: int
    learned: str = ""  # digest of what decisions taught, empty for the prior alone

    def to_arrays(self) -> Arrays:
        about = {"config": asdict(self.config), "vocabulary": asdict(self.vocabulary), "seed": self.seed}
        about["learned"] = self.learned
        arrays: Arrays = {"about": np.array(json.dumps(about, sort_keys=True, ensure_ascii=True))}
        arrays.update({f"encoder.{name}": array for name, array in self.encoder.to_arrays().items()})
        arrays.update({f"weights.{name}": getattr(self.weights, name) for name in _WEIGHTS})
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Model:
        """The inverse of `to_arrays`."""
        arrays = _as_stored_now(arrays)
        missing = {"about", *(f"weights.{name}" for name in _WEIGHTS)} - set(arrays)
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
            weights=Weights(**{name: arrays[f"weights.{name}"] for name in _WEIGHTS}).validate(),
            seed=int(about["seed"]),
            learned=about.get("learned", ""),
        )

    @cached_property
    def digest(self) -> str:
        """sha256 over all arrays: two models with the same digest score alike."""
        total = hashlib.sha256()
        for name, array in sorted(self.to_arrays().items()):
            total.update(f"{name}:{array.dtype}:{array.shape};".encode())
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()


def _as_stored_now(arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """The arrays of a stored model; one of before weights were learned is told in today's shape."""
    if "prior.block_scale" not in arrays:
        return arrays
    slopes, blocks = arrays["prior.single_scale"], len(arrays["encoder.weights"])
    curves = np.zeros((2, len(SINGLES), len(KNOTS)))
    if len(slopes) == len(SINGLES):
        for number, single in enumerate(SINGLES):
            curves[single.direction, number] = slopes[number] * KNOTS
    return {
        **arrays,
        **{f"weights.{name}": arrays[f"prior.{name}"] for name in _WEIGHTS if f"prior.{name}" in arrays},
        "weights.block_scale": np.repeat(arrays["prior.block_scale"][:, None], blocks, axis=1),
        "weights.curves": curves,
    }


@dataclass(frozen=True)
class Encoded:
    """One side of the market, ready to be scored with the model that encoded it.

    Beside parties and vectors everything follows from the two and is made again on loading.
    """

    parties: Parties
    vectors: Float32Array  # [n, width]
    hinges: FloatArray  # [hinges, n], NaN unknown
    singles: FloatArray  # [2, singles of the side, n] logits
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
            singles=single_logits(parties, model.config, model.weights),
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
        return cls(
            hinges=np.nan_to_num(encoded.hinges, nan=0.0).astype(np.float32),
            known=(~np.isnan(encoded.hinges)).astype(np.float32),
            logits=encoded.singles.sum(axis=1).astype(np.float32),
            inverse_odds=np.exp(-encoded.completion).astype(np.float32),
        )

    def at(self, index: Any) -> TileColumns:
        return TileColumns(
            self.hinges[:, index], self.known[:, index], self.logits[:, index], self.inverse_odds[index]
        )
