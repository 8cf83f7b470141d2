"""Other ways to the top k of plain dot products, on the same vectors; none of them knows a rule."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from matching.engine.parallel import run_blocks, spans

Vectors = NDArray[np.float32]


def gemm(left: Vectors, right: Vectors, k: int) -> None:
    """Nothing but the matrix product in tiles: the floor of every exact method."""

    def block(rows: slice) -> None:
        out = np.empty((256, 2048), dtype=np.float32)
        for columns in spans(len(right), 2048):
            height, width = rows.stop - rows.start, columns.stop - columns.start
            np.matmul(left[rows], right[columns].T, out=out.ravel()[: height * width].reshape(height, width))

    run_blocks(block, spans(len(left), 256))


def sklearn_brute(left: Vectors, right: Vectors, k: int) -> None:
    from sklearn.neighbors import NearestNeighbors

    NearestNeighbors(n_neighbors=k, algorithm="brute", metric="cosine").fit(right).kneighbors(left)


def sklearn_argkmin(left: Vectors, right: Vectors, k: int) -> None:
    from sklearn.metrics._pairwise_distances_reduction import ArgKmin

    ArgKmin.compute(X=left, Y=right, k=k, metric="sqeuclidean")


def faiss_flat(left: Vectors, right: Vectors, k: int) -> None:
    import faiss

    index = faiss.IndexFlatIP(right.shape[1])
    index.add(right)
    index.search(left, k)


def implicit(left: Vectors, right: Vectors, k: int) -> None:
    from implicit.cpu.topk import topk

    topk(right, left, k, num_threads=2)


_PACKAGES = {"faiss_flat": "faiss", "implicit": "implicit"}
_PEERS: tuple[Callable[[Vectors, Vectors, int], None], ...] = (
    gemm,
    faiss_flat,
    implicit,
    sklearn_argkmin,
    sklearn_brute,
)


def available() -> dict[str, Callable[[Vectors, Vectors, int], None] | None]:
    """Every peer by name; None where its package is not installed."""
    found = {}
    for peer in _PEERS:
        name = peer.__name__
        needs = _PACKAGES.get(name)
        found[name] = peer if needs is None or find_spec(needs) else None
    return found
