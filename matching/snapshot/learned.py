"""The learned weights that count now, and the engine fitted with them (layer: snapshot)."""

import io
import logging
import zlib
from collections.abc import Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np

from matching.choices import ModelStatus
from matching.engine.config import Config
from matching.engine.errors import EngineError
from matching.engine.model import Model
from matching.engine.pipeline import fit
from matching.engine.types import Snapshot
from matching.engine.weights import Learned
from matching.models import EngineModel

logger = logging.getLogger(__name__)


def published_model() -> EngineModel | None:
    """Return the learned model that counts, None while the prior scores alone."""
    return EngineModel.objects.filter(status=ModelStatus.PUBLISHED).first()


def current_weights() -> Learned | None:
    """Return the published weights; None where there are none, or none that this engine can read."""
    return readable_weights(published_model())


def readable_weights(model: EngineModel | None) -> Learned | None:
    """Return the weights of a stored model; None, and a line in the log, where it is of another engine."""
    if model is None:
        return None
    try:
        return unpack_weights(bytes(model.weights))
    except (EngineError, ValueError, OSError, EOFError, KeyError, BadZipFile, zlib.error):
        logger.warning("the weights of model %s cannot be read: the prior scores alone", model.pk)
        return None


def fit_market(snapshot: Snapshot, config: Config, *, seed: int) -> tuple[Model, EngineModel | None]:
    """Return the engine fitted on a market with the published weights, and whose those are.

    Weights that cannot be blended with this market's prior are left out, so that no list waits for them.
    """
    published = published_model()
    learned = readable_weights(published)
    if learned is None:
        return fit(snapshot, config, seed=seed), None
    try:
        return fit(snapshot, config, seed=seed, learned=learned), published
    except EngineError:
        logger.exception("the published weights do not fit this market: the prior scores alone")
        return fit(snapshot, config, seed=seed), None


def pack_weights(learned: Learned) -> bytes:
    """Return the weights as one compressed file of plain arrays."""
    buffer = io.BytesIO()
    arrays: Mapping[str, Any] = learned.to_arrays()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def unpack_weights(data: bytes) -> Learned:
    """The inverse of `pack_weights`; refuses anything pickled."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return Learned.from_arrays(dict(arrays))
