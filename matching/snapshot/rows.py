"""Rows of stalls and anchors as the engine's columns (layer: snapshot; reads only)."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from numpy.typing import NDArray

from accounts.choices import (
    AGE_BANDS,
    CITY_TIERS,
    GENDERS,
    PRICE_BINS,
    PRICE_EDGES_CENTS,
    Platform,
    StreamingPermit,
    VerificationStatus,
)
from accounts.models import Anchor, Category, Language, Membership, Region, Stall, Style
from matching.engine import types as engine
from matching.snapshot.history import PartyHistory
from matchmaker.core import clock
from matchmaker.core.weeks import HORIZON_WEEKS, HOURS_A_WEEK

LOG_EDGES = np.log(np.asarray(PRICE_EDGES_CENTS, dtype=np.float64))
EDGES = np.asarray(PRICE_EDGES_CENTS, dtype=np.float64)
PERMITS = {
    StreamingPermit.PERMITTED: engine.StreamingPermit.PERMITTED,
    StreamingPermit.BY_INVITATION: engine.StreamingPermit.BY_INVITATION,
    StreamingPermit.BANNED: engine.StreamingPermit.BANNED,
}
ADULT_AGE = 18
LEAST_AGE = 16

_SHARED = (
    "id", "version", "categories", "styles", "languages", "platforms", "audience_age", "audience_gender",
    "audience_city_tier", "availability", "commission_rate", "slot_fee_cents", "weekly_capacity",
    "archived_at", "created_at",
)  # fmt: skip
STALL_COLUMNS = _SHARED + (
    "name", "description", "price_min_cents", "price_max_cents", "moq", "stock_depth", "restock_days",
    "return_rate", "followers_wanted_min", "streaming_permit", "merchant__version", "merchant__verification",
    "merchant__verified_until", "merchant__licence_expires_on", "merchant__archived_at",
    "merchant__is_personalised",
)  # fmt: skip
ANCHOR_COLUMNS = _SHARED + (
    "display_name", "bio", "region__code", "price_shares", "is_commission_floor", "moq_max",
    "stock_depth_min", "restock_days_max", "return_rate_max", "followers", "average_viewers", "is_on_site",
    "verification", "verified_until", "birth_date", "guardian_consent_on", "legal_basis", "is_personalised",
    "is_claimed",
)  # fmt: skip

Rows = Sequence[dict[str, Any]]


def read_vocabulary() -> engine.Vocabulary:
    """Return all reference codes in their fixed order, retired ones included."""
    categories = list(Category.objects.order_by("position", "code").values_list("code", "department"))
    regions = list(Region.objects.order_by("position", "code").values_list("code", "area"))
    return engine.Vocabulary(
        categories=tuple(code for code, _ in categories),
        category_parents=tuple(parent for _, parent in categories),
        styles=tuple(Style.objects.order_by("position", "code").values_list("code", flat=True)),
        regions=tuple(code for code, _ in regions),
        region_parents=tuple(area for _, area in regions),
        platforms=tuple(Platform.values),
        languages=tuple(Language.objects.order_by("position", "code").values_list("code", flat=True)),
        age_bands=AGE_BANDS,
        price_edges_cents=tuple(float(edge) for edge in PRICE_EDGES_CENTS),
    )


def stall_rows(ids: Iterable[int] | None = None) -> list[dict[str, Any]]:
    """Return the columns of these stalls (all when None) by ascending id."""
    return stall_values(_only(Stall.objects.order_by("id"), ids))


def anchor_rows(ids: Iterable[int] | None = None) -> list[dict[str, Any]]:
    """Return the columns of these anchors (all when None) by ascending id."""
    return anchor_values(_only(Anchor.objects.order_by("id"), ids))


def stall_values(rows: QuerySet[Any]) -> list[dict[str, Any]]:
    """Return the columns of stalls, or of lines of their history, in the order of `rows`."""
    return list(rows.values(*STALL_COLUMNS))


def anchor_values(rows: QuerySet[Any]) -> list[dict[str, Any]]:
    """Return the columns of anchors, or of lines of their history, in the order of `rows`."""
    claimed = Exists(Membership.objects.filter(anchor=OuterRef("id")))
    return list(rows.annotate(is_claimed=claimed).values(*ANCHOR_COLUMNS))


def _only(rows: QuerySet[Any], ids: Iterable[int] | None) -> QuerySet[Any]:
    return rows if ids is None else rows.filter(pk__in=list(ids))


def read_stalls(
    vocabulary: engine.Vocabulary, ids: Iterable[int] | None = None, *, past: PartyHistory
) -> engine.Parties:
    """Return these stalls (all when None) as the engine sees them today."""
    rows = stall_rows(ids)
    return stalls_from(rows, vocabulary, [row["id"] for row in rows], past=past)


def read_anchors(
    vocabulary: engine.Vocabulary, ids: Iterable[int] | None = None, *, past: PartyHistory
) -> engine.Parties:
    """Return these anchors (all when None) as the engine sees them today."""
    rows = anchor_rows(ids)
    return anchors_from(rows, vocabulary, [row["id"] for row in rows], past=past)


def stalls_from(
    rows: Rows, vocabulary: engine.Vocabulary, ids: Sequence[int], *, past: PartyHistory
) -> engine.Parties:
    """Return the stalls that these rows tell of, under `ids`, which rise."""
    today = clock.today()
    return engine.Parties.build(
        engine.Side.STALL,
        vocabulary,
        ids,
        text=[f"{row['name']} {row['description']}" for row in rows],
        **_shared_columns(rows, vocabulary, past, today),
        platforms=_flags(rows, "platforms", vocabulary.platforms),
        region=np.full(len(rows), _position(vocabulary.regions, settings.TOWN_REGION)),
        price_share=_band_shares(_numbers(rows, "price_min_cents"), _numbers(rows, "price_max_cents")),
        **stall_rule_columns(rows, today),
        restock_days=_numbers(rows, "restock_days"),
        return_rate=_numbers(rows, "return_rate"),
        followers_wanted_min=_numbers(rows, "followers_wanted_min"),
        personalised=[row["merchant__is_personalised"] for row in rows],
    )


def anchors_from(
    rows: Rows, vocabulary: engine.Vocabulary, ids: Sequence[int], *, past: PartyHistory
) -> engine.Parties:
    """Return the anchors that these rows tell of, under `ids`, which rise."""
    today = clock.today()
    shares = _share_rows([row["price_shares"] for row in rows], PRICE_BINS)
    return engine.Parties.build(
        engine.Side.ANCHOR,
        vocabulary,
        ids,
        text=[f"{row['display_name']} {row['bio']}" for row in rows],
        **_shared_columns(rows, vocabulary, past, today),
        platforms=_multi_hot(
            [[p["platform"] for p in row["platforms"]] for row in rows], vocabulary.platforms
        ),
        region=[_position(vocabulary.regions, row["region__code"]) for row in rows],
        price_share=shares,
        **anchor_rule_columns(rows, today),
        restock_days=_numbers(rows, "restock_days_max"),
        return_rate=_numbers(rows, "return_rate_max"),
        average_viewers=past.known("reach", rows, _numbers(rows, "average_viewers")),
        followers=past.known("followers", rows, _numbers(rows, "followers")),
        on_site=[row["is_on_site"] for row in rows],
        personalised=[row["is_personalised"] for row in rows],
    )


def _shared_columns(
    rows: Rows, vocabulary: engine.Vocabulary, past: PartyHistory, today: date
) -> dict[str, Any]:
    ids = np.asarray([row["id"] for row in rows], dtype=np.int64)
    return {
        "categories": _flags(rows, "categories", vocabulary.categories),
        "styles": _flags(rows, "styles", vocabulary.styles),
        "languages": _flags(rows, "languages", vocabulary.languages),
        "audience_age": _marginals(rows, "audience_age", AGE_BANDS),
        "audience_gender": _marginals(rows, "audience_gender", GENDERS),
        "audience_city_tier": _marginals(rows, "audience_city_tier", CITY_TIERS),
        "slot_fee_cents": _numbers(rows, "slot_fee_cents"),
        "days_since_joined": [(today - row["created_at"].date()).days for row in rows],
        **past.columns(ids),
    }


# --- what the hard rules read ------------------------------------------------------------------------


def stall_rule_columns(rows: Rows, today: date) -> dict[str, Any]:
    """Return what the hard rules read of stalls, but for the load."""
    return {
        **_shared_rule_columns(rows),
        "price_low_cents": _numbers(rows, "price_min_cents"),
        "price_high_cents": _numbers(rows, "price_max_cents"),
        "moq": _numbers(rows, "moq"),
        "stock_depth": _numbers(rows, "stock_depth"),
        "verified": _truths(_is_verified(row, "merchant__", today) for row in rows),
        "archived": _truths(bool(row["archived_at"] or row["merchant__archived_at"]) for row in rows),
        "licence_valid": _truths(_not_past(row["merchant__licence_expires_on"], today) for row in rows),
        "streaming_permit": np.asarray([PERMITS[row["streaming_permit"]] for row in rows], dtype=np.int8),
    }


def anchor_rule_columns(rows: Rows, today: date) -> dict[str, Any]:
    """Return what the hard rules read of anchors, but for the load."""
    low, high = _support(_share_rows([row["price_shares"] for row in rows], PRICE_BINS))
    return {
        **_shared_rule_columns(rows),
        "price_low_cents": low,
        "price_high_cents": high,
        "commission_is_must": _truths(row["is_commission_floor"] for row in rows),
        "moq": _numbers(rows, "moq_max"),
        "stock_depth": _numbers(rows, "stock_depth_min"),
        "verified": _truths(
            _is_verified(row, "", today) and bool(row["is_claimed"] or row["legal_basis"]) for row in rows
        ),
        "archived": _truths(bool(row["archived_at"]) for row in rows),
        "of_age": _truths(is_of_age(row["birth_date"], row["guardian_consent_on"], today) for row in rows),
    }


def _shared_rule_columns(rows: Rows) -> dict[str, Any]:
    hours = _hours(rows)
    return {
        "hours": hours,
        "commission_rate": _numbers(rows, "commission_rate"),
        # The engine reads a week without any free hour as "not said"; who offers none has no capacity.
        "capacity": _numbers(rows, "weekly_capacity") * HORIZON_WEEKS * hours.any(axis=1),
    }


def _truths(values: Iterable[bool]) -> NDArray[np.bool_]:
    return np.asarray(list(values), dtype=np.bool_)


def is_of_age(born: date, consent_on: date | None, today: date) -> bool:
    """Whether somebody born then may be on air: adults, and from 16 with the guardian's consent."""
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return age >= ADULT_AGE or (age >= LEAST_AGE and consent_on is not None)


def _is_verified(row: dict[str, Any], prefix: str, today: date) -> bool:
    until = row[f"{prefix}verified_until"]
    return (
        row[f"{prefix}verification"] == VerificationStatus.VERIFIED and until is not None and until >= today
    )


def _not_past(end: date | None, today: date) -> bool:
    return end is None or end >= today


def _position(codes: Sequence[str], code: str | None) -> int:
    return codes.index(code) if code in codes else -1


def _numbers(rows: Rows, name: str) -> NDArray[np.float64]:
    return np.asarray([np.nan if row[name] is None else float(row[name]) for row in rows], dtype=np.float64)


def _flags(rows: Rows, name: str, codes: Sequence[str]) -> NDArray[np.bool_]:
    return _multi_hot([row[name] for row in rows], codes)


def _multi_hot(lists: Sequence[Sequence[str]], codes: Sequence[str]) -> NDArray[np.bool_]:
    """Return [n, codes]: which codes each list holds; unknown codes are passed over."""
    at = {code: position for position, code in enumerate(codes)}
    pairs = [(row, at[code]) for row, held in enumerate(lists) for code in held if code in at]
    flags = np.zeros((len(lists), len(codes)), dtype=np.bool_)
    if pairs:
        flags[tuple(np.asarray(pairs).T)] = True
    return flags


def _marginals(rows: Rows, name: str, keys: Sequence[str]) -> NDArray[np.float32]:
    """Return [n, keys]: the shares of each row, NaN where it gives none."""
    return _share_rows(
        [[row[name].get(key, 0.0) for key in keys] if row[name] else [] for row in rows], len(keys)
    )


def _share_rows(lists: Sequence[Sequence[float]], width: int) -> NDArray[np.float32]:
    unknown = [float("nan")] * width
    table = [list(row) if row else unknown for row in lists]
    return np.asarray(table, dtype=np.float32).reshape(len(lists), width)


def _hours(rows: Rows) -> NDArray[np.bool_]:
    text = "".join(row["availability"] for row in rows).encode()
    return (np.frombuffer(text, dtype=np.uint8) == ord("1")).reshape(len(rows), HOURS_A_WEEK)


def _band_shares(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return [n, 16]: each price band spread evenly over the logarithm of price.

    A band of one price fills its bin; prices beyond the edges count to the outer bins.
    """
    lower, upper = (np.clip(np.log(edge), LOG_EDGES[0], LOG_EDGES[-1]) for edge in (low, high))
    upper = np.maximum(upper, lower + 1e-6)
    lower = np.minimum(lower, upper - 1e-6)
    overlap = np.minimum(upper[:, None], LOG_EDGES[1:]) - np.maximum(lower[:, None], LOG_EDGES[:-1])
    overlap = np.clip(overlap, 0.0, None)
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)


def _support(shares: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest price (cents) that each histogram reaches, NaN where there is none."""
    held = np.nan_to_num(shares) > 0
    known = held.any(axis=1)
    first = held.argmax(axis=1)
    last = PRICE_BINS - 1 - held[:, ::-1].argmax(axis=1)
    return np.where(known, EDGES[first], np.nan), np.where(known, EDGES[last + 1], np.nan)
