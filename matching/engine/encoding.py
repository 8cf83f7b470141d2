"""Parties become vectors: shared blocks of length 1 or less times the root of their weight.

One dot product of a stall's and an anchor's vector is the weighted sum of *centred* block
similarities, sum over blocks of w * (similarity - base), where a block that either of the two does
not know adds nothing. The last column of every block carries the centring: root(w * base) on the
stalls and its negative on the anchors, both 0 where the block is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.config import Config
from matching.engine.errors import EngineError
from matching.engine.types import (
    HOURS_A_WEEK,
    PRICE_BINS,
    Arrays,
    BoolArray,
    Float32Array,
    FloatArray,
    IntArray,
    Parties,
    Side,
    Vocabulary,
)

_HOURS_A_BLOCK = 4
_IDF_BLOCKS = ("category", "style")


@dataclass(frozen=True)
class Block:
    """One kind of evidence: its part of the score, its share of that part's weight, its columns."""

    name: str
    part: str
    share: float
    columns: tuple[str, ...]  # of Parties
    is_neutral: bool = False  # still used for a party that opted out of personalisation
    is_unit: bool = True  # brought to length 1; else its raw values are at most that long


BLOCKS: tuple[Block, ...] = (
    Block("category", "category", 1.0, ("categories",), is_neutral=True),
    Block("style", "style", 1.0, ("styles",)),
    Block("price", "price", 1.0, ("price_share",), is_neutral=True),
    Block("audience_age", "audience", 1 / 3, ("audience_age",)),
    Block("audience_gender", "audience", 1 / 3, ("audience_gender",)),
    Block("audience_city_tier", "audience", 1 / 3, ("audience_city_tier",)),
    Block("region", "region", 1.0, ("region",), is_neutral=True),
    Block("platform", "platform", 1.0, ("platforms",)),
    Block("language", "language", 1.0, ("languages",)),
    Block("hours", "hours", 1.0, ("hours",), is_neutral=True, is_unit=False),
    Block("text", "text", 1.0, ("text",)),
)


def block_weights(config: Config) -> FloatArray:
    """The raw weight of each block, [blocks]."""
    return np.array([getattr(config, f"weight_{block.part}") * block.share for block in BLOCKS])


def tree_matrix(codes: Sequence[str], parents: Sequence[str]) -> Float32Array:
    """[codes, codes + parents] with ones at a code and at its parent (an empty parent is none)."""
    extra = sorted({p for p in parents if p} - set(codes))
    column = {code: number for number, code in enumerate([*codes, *extra])}
    tree = np.zeros((len(codes), len(column)), dtype=np.float32)
    for row, (code, parent) in enumerate(zip(codes, parents, strict=True)):
        tree[row, column[code]] = 1.0
        if parent:
            tree[row, column[parent]] = 1.0
    return tree


@dataclass(frozen=True)
class Encoder:
    """The fitted state of the encoding; everything in it is a plain array."""

    weights: FloatArray  # [blocks]
    base: FloatArray  # [blocks] similarity of the average candidate pair
    idf_category: Float32Array
    idf_style: Float32Array
    idf_text: Float32Array  # [hashed n-grams]
    text_components: Float32Array  # [text dimensions, hashed n-grams]
    category_tree: Float32Array
    region_tree: Float32Array
    widths: IntArray  # [blocks] columns of each block, the centring column included

    @property
    def starts(self) -> IntArray:
        """First column of each block."""
        return np.concatenate([[0], np.cumsum(self.widths)[:-1]]).astype(np.int64)

    def slice_of(self, name: str) -> slice:
        """The columns of one block, its centring column last."""
        number = [block.name for block in BLOCKS].index(name)
        start = int(self.starts[number])
        return slice(start, start + int(self.widths[number]))

    def transform(self, parties: Parties) -> Float32Array:
        """float32 [parties, width]; each row depends on its own party only."""
        out = np.zeros((len(parties), int(self.widths.sum())), dtype=np.float32)
        sign = 1.0 if parties.side is Side.STALL else -1.0
        for number, block in enumerate(BLOCKS):
            unit, known = self.unit_block(block, parties)
            at = self.slice_of(block.name)
            root = np.float32(np.sqrt(self.weights[number]))
            centring = np.float32(sign * np.sqrt(self.weights[number] * self.base[number]))
            np.multiply(unit, root, out=out[:, at.start : at.stop - 1])
            out[:, at.stop - 1] = centring * known
        return out

    def unit_block(self, block: Block, parties: Parties) -> tuple[Float32Array, BoolArray]:
        """Rows of unit length (of `is_unit`), or of zeros where the party does not say; and where it does."""
        raw = _RAW[block.name](self, parties)
        raw[~np.isfinite(raw).all(axis=1)] = 0.0
        if not block.is_neutral:
            raw[~parties.personalised] = 0.0
        length = np.sqrt(np.square(raw).sum(axis=1, dtype=np.float64))
        known = length > 0
        if block.is_unit:
            raw /= np.where(known, length, 1.0).astype(np.float32)[:, None]
        return raw, known

    def to_arrays(self) -> Arrays:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Encoder:
        missing = sorted(set(cls.__dataclass_fields__) - set(arrays))
        if missing:
            raise EngineError(f"{missing[0]}: missing in the stored encoder")
        return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})


# --- what each block says, before it is brought to unit length ----------------------------------------


def _floats(values: NDArray[Any]) -> Float32Array:
    return np.array(values, dtype=np.float32)


def _category(encoder: Encoder, parties: Parties) -> Float32Array:
    hot = (_floats(parties.categories) @ encoder.category_tree) > 0
    return _floats(hot) * encoder.idf_category


def _region(encoder: Encoder, parties: Parties) -> Float32Array:
    known = parties.region >= 0
    if np.any(parties.region >= len(encoder.region_tree)):
        raise EngineError("region: a number beyond the vocabulary")
    hot = np.zeros((len(parties), encoder.region_tree.shape[1]), dtype=np.float32)
    hot[known] = encoder.region_tree[parties.region[known]]
    return hot


def _root_shares(shares: Float32Array) -> Float32Array:
    # NaN rows are set to zero by the caller; a negative share is not a share.
    return _floats(np.sqrt(np.where(shares < 0, np.nan, shares)))


def _hours(encoder: Encoder, parties: Parties) -> Float32Array:
    """Free hours of each block over the root of those of the week: the dot product is their overlap.

    Not brought to unit length: under a cosine, who offers one evening only would fit those free in the
    evening better than who offers every hour.
    """
    blocks = parties.hours.reshape(len(parties), HOURS_A_WEEK // _HOURS_A_BLOCK, _HOURS_A_BLOCK)
    return _floats(blocks.sum(axis=2)) / np.float32(np.sqrt(HOURS_A_WEEK * _HOURS_A_BLOCK))


def _text(encoder: Encoder, parties: Parties) -> Float32Array:
    topics = text_topics(parties.text, encoder.idf_text, encoder.text_components)
    length = np.sqrt(np.square(topics).sum(axis=1, dtype=np.float64))
    known = length > 0
    topics /= np.where(known, length, 1.0).astype(np.float32)[:, None]
    # A constant column beside the unit vector maps the cosine from [-1, 1] to [0, 1].
    return np.hstack([topics, known[:, None].astype(np.float32)])


_RAW: dict[str, Callable[[Encoder, Parties], Float32Array]] = {
    "category": _category,
    "style": lambda encoder, parties: _floats(parties.styles) * encoder.idf_style,
    "price": lambda encoder, parties: _root_shares(parties.price_share),
    "audience_age": lambda encoder, parties: _root_shares(parties.audience_age),
    "audience_gender": lambda encoder, parties: _root_shares(parties.audience_gender),
    "audience_city_tier": lambda encoder, parties: _root_shares(parties.audience_city_tier),
    "region": _region,
    "platform": lambda encoder, parties: _floats(parties.platforms),
    "language": lambda encoder, parties: _floats(parties.languages),
    "hours": _hours,
    "text": _text,
}


# --- text ---------------------------------------------------------------------------------------------


def _ngrams(texts: Sequence[str], buckets: int) -> Any:
    """Sparse counts of character 2- to 4-grams; needs no word segmenter, so Chinese is fine."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        analyzer="char",
        ngram_range=(2, 4),
        n_features=buckets,
        alternate_sign=False,
        norm=None,
        dtype=np.float32,
    )
    return vectorizer.transform(texts)


def _weighted(counts: Any, idf: Float32Array) -> Any:
    """Rows of unit length of (1 + ln count) x idf, as TfidfTransformer makes them."""
    from sklearn.preprocessing import normalize

    counts.data = (1.0 + np.log(counts.data)) * idf[counts.indices]
    return normalize(counts, copy=False)


def text_topics(texts: Sequence[str], idf: Float32Array, components: Float32Array) -> Float32Array:
    """float32 [texts, components]; zeros for an empty text."""
    out = np.zeros((len(texts), len(components)), dtype=np.float32)
    rows = [row for row, text in enumerate(texts) if text]
    if rows and components.any():
        counts = _ngrams([texts[row] for row in rows], len(idf))
        out[rows] = _weighted(counts, idf) @ components.T
    return out


def _fit_text(texts: Sequence[str], config: Config, seed: int) -> tuple[Float32Array, Float32Array]:
    """Inverse document frequencies and components; zeros where there is too little text to learn from."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    buckets = 2**config.text_hash_bits
    idf = np.ones(buckets, dtype=np.float32)
    components = np.zeros((config.text_dimensions, buckets), dtype=np.float32)
    spoken = sorted({text for text in texts if text})
    dimensions = min(config.text_dimensions, len(spoken) - 1)
    if dimensions < 1:
        return idf, components
    counts = _ngrams(spoken, buckets)
    idf = TfidfTransformer().fit(counts).idf_.astype(np.float32)
    svd = TruncatedSVD(dimensions, random_state=seed).fit(_weighted(counts, idf))
    components[:dimensions] = svd.components_
    return idf, components


# --- fitting ------------------------------------------------------------------------------------------


def _fit_idf(rows: Float32Array) -> Float32Array:
    from sklearn.feature_extraction.text import TfidfTransformer

    if not rows.size:
        return np.ones(rows.shape[1], dtype=np.float32)
    return np.asarray(TfidfTransformer().fit(rows).idf_, dtype=np.float32)


def fit_encoder(
    vocabulary: Vocabulary, stalls: Parties, anchors: Parties, config: Config, seed: int
) -> Encoder:
    """An encoder with one vocabulary for both sides, not yet centred (base 0)."""
    category_tree = tree_matrix(vocabulary.categories, vocabulary.category_parents)
    region_tree = tree_matrix(vocabulary.regions, vocabulary.region_parents)
    categories = np.vstack([stalls.categories, anchors.categories])
    styles = np.vstack([stalls.styles, anchors.styles])
    if categories.shape[1] != len(category_tree) or styles.shape[1] != len(vocabulary.styles):
        raise EngineError("vocabulary: other categories or styles than the parties have")
    idf_text, components = _fit_text((*stalls.text, *anchors.text), config, seed)
    widths = {
        "category": category_tree.shape[1],
        "style": styles.shape[1],
        "price": PRICE_BINS,
        "audience_age": stalls.audience_age.shape[1],
        "audience_gender": 2,
        "audience_city_tier": 5,
        "region": region_tree.shape[1],
        "platform": len(vocabulary.platforms),
        "language": len(vocabulary.languages),
        "hours": HOURS_A_WEEK // _HOURS_A_BLOCK,
        "text": config.text_dimensions + 1,
    }
    return Encoder(
        weights=block_weights(config),
        base=np.zeros(len(BLOCKS)),
        idf_category=_fit_idf(_floats((_floats(categories) @ category_tree) > 0)),
        idf_style=_fit_idf(_floats(styles)),
        idf_text=idf_text,
        text_components=components,
        category_tree=category_tree,
        region_tree=region_tree,
        widths=np.array([widths[block.name] + 1 for block in BLOCKS], dtype=np.int64),
    )


def centred(encoder: Encoder, base: FloatArray) -> Encoder:
    """The encoder with the average pair's similarities, [blocks] in [0, 1], taken out."""
    return replace(encoder, base=np.clip(base, 0.0, 1.0))
