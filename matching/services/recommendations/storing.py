"""Replacing lists: a reader sees the old one or the new, never half of one (layer: services).

A re-match stages its lists as rows that are superseded from birth, which nobody reads as current; publishing
the run then swaps them in, all in one transaction.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import DEFAULT_DB_ALIAS, IntegrityError, OperationalError, connections, transaction
from django.db.models import BinaryField, ForeignKey, IntegerField
from django.utils import timezone
from numpy.typing import NDArray

from matching.engine.results import Recommendations
from matching.models import EngineRun, RecommendationList, RunPart
from matching.packing import PackedList, pack_all
from matching.services.recommendations.asking import request_refresh
from matching.snapshot.market import Market

_STORE_TRIES = 3


def store_lists(*, market: Market, lists: Recommendations) -> int:
    """Replace the current lists of these subjects where they differ; return how many were replaced.

    A list that was computed from a newer version of its subject or of the partners is left alone: two
    workers may finish in another order than they began.
    """
    for _ in range(_STORE_TRIES - 1):
        try:
            with transaction.atomic():
                return _store_once(market, lists)
        except (IntegrityError, OperationalError):
            continue  # another worker stored some of these lists in the same moment: compare again
    with transaction.atomic():
        return _store_once(market, lists)


@dataclass
class _Compared:
    """Lists against those that are current: what is new, and which rows it concerns."""

    fresh: list[RecommendationList] = field(default_factory=list)
    outdated: list[int] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)


def _store_once(market: Market, lists: Recommendations) -> int:
    side, now = lists.side.value, timezone.now()
    compared = _compare(market, lists, now)
    _change(compared.outdated, superseded_at=now)
    _change(compared.confirmed, partners_version=market.partners_version(side))
    insert_lists(compared.fresh)
    # Another machine knew newer partners and an older subject: neither list knows all, so a third is due.
    request_refresh(side=side, ids=compared.torn)
    return len(compared.fresh)


def _compare(market: Market, lists: Recommendations, now: datetime) -> _Compared:
    side = lists.side.value
    versions, seen = market.version_of(side, lists.subject_ids), market.partners_version(side)
    held = _current_lists(side, lists.subject_ids)
    alike = _runs_read_alike(market.run)
    found = _Compared()
    subjects = lists.subject_ids.tolist()
    for row, (version, packed) in enumerate(zip(versions.tolist(), pack_all(lists), strict=True)):
        old = held.get(subjects[row])
        if old is not None:
            if _is_newer(old, market.run, version, seen):
                continue
            if _is_same(old, packed, version, alike):
                found.confirmed.append(old.pk)
                continue
            found.outdated.append(old.pk)
            if old.subject_version < version and old.partners_version > seen:
                found.torn.append(old.subject_id)
        found.fresh.append(
            RecommendationList(
                side=side,
                subject_id=subjects[row],
                subject_version=version,
                partners_version=seen,
                run=market.run,
                computed_at=now,
                ruled_out=lists.reasons(row),
                **vars(packed),
            )
        )
    return found


# --- everybody's lists, staged and swapped in ----------------------------------------------------------


def stage_lists(*, market: Market, lists: Recommendations) -> dict[str, Any]:
    """Store those of these lists that differ from the current ones, as yet unseen; return what to publish.

    Whoever stages the same block again, after a killed worker, replaces what that one had staged.
    """
    with transaction.atomic():
        staged = RecommendationList.objects.filter(run=market.run, side=lists.side.value)
        for chunk in chunks(lists.subject_ids.tolist()):
            staged.filter(subject_id__in=chunk).delete()
        compared = _compare(market, lists, timezone.now())
        for row in compared.fresh:
            row.superseded_at = row.computed_at
        insert_lists(compared.fresh)
    return {"staged": len(compared.fresh), "confirmed": compared.confirmed, "digest": _digest(lists)}


def _digest(lists: Recommendations) -> str:
    """Return the sum of the digests of all lists, which does not depend on how they are cut into pieces."""
    arrays: list[NDArray[Any]] = [lists.partner_ids, lists.scores, lists.parts]
    arrays += [lists.adjustments, lists.propensity]
    total = 0
    for row, subject_id in enumerate(lists.subject_ids.tolist()):
        one = hashlib.sha256(f"{lists.side} {subject_id}".encode())
        for array in arrays:
            one.update(np.ascontiguousarray(array[row]).tobytes())
        total += int.from_bytes(one.digest())
    return f"{total % 2**256:064x}"


def sum_of_digests(digests: Iterable[str]) -> str:
    """Return the digest of all pieces together."""
    return f"{sum(int(digest, 16) for digest in digests) % 2**256:064x}"


@dataclass(frozen=True)
class Swapped:
    """How many lists are new, and whose list was computed meanwhile (ids by side)."""

    stored: int
    meanwhile: Mapping[str, Sequence[int]]


def publish_run(*, market: Market, confirmed: Mapping[str, Sequence[int]], checksum: str) -> Swapped:
    """Let all staged lists of the run replace the old ones in one step; the run then counts."""
    for _ in range(_STORE_TRIES - 1):
        try:
            with transaction.atomic():
                return _swap(market, confirmed, checksum)
        except (IntegrityError, OperationalError):
            continue  # another worker stored one of these lists in the same moment: compare again
    with transaction.atomic():
        return _swap(market, confirmed, checksum)


def _swap(market: Market, confirmed: Mapping[str, Sequence[int]], checksum: str) -> Swapped:
    run, now, stored = market.run, timezone.now(), 0
    meanwhile: dict[str, list[int]] = {}
    for side, ids in confirmed.items():
        _change(ids, partners_version=market.partners_version(side))
        current = RecommendationList.objects.filter(side=side, superseded_at__isnull=True)
        held = {row[0]: row[1:] for row in current.values_list("subject_id", "pk", "subject_version")}
        staged = RecommendationList.objects.filter(side=side, run=run)
        adopted, outdated = [], []
        for pk, subject_id, version in staged.values_list("pk", "subject_id", "subject_version"):
            old_pk, old_version = held.get(subject_id, (None, -1))
            if old_pk is not None and old_version > version:
                continue  # the party changed meanwhile, and its own job has seen to that
            adopted.append(pk)
            outdated += [] if old_pk is None else [old_pk]
        _change(outdated, superseded_at=now)
        _change(adopted, superseded_at=None)
        stored += len(adopted)
        since = current.exclude(run=run).filter(computed_at__gte=run.created_at)
        gone = RecommendationList.objects.filter(
            side=side, superseded_at=now, computed_at__gte=run.created_at
        )
        meanwhile[side] = sorted(
            {*since.values_list("subject_id", flat=True), *gone.values_list("subject_id", flat=True)}
        )
    run.checksum, run.finished_at = checksum, now
    run.save(update_fields=["checksum", "finished_at", "updated_at"])
    return Swapped(stored, meanwhile)


# --- comparing ----------------------------------------------------------------------------------------


def _is_newer(old: RecommendationList, run: EngineRun, version: int, seen: int) -> bool:
    """Whether the stored list knows more than one of this run, subject version and partners' version.

    A later run replaces it all the same: it ends with jobs for whatever changed since it read the market.
    """
    if old.subject_version != version:
        return old.subject_version > version
    return old.partners_version > seen and old.run_id >= run.pk


def _runs_read_alike(run: EngineRun) -> set[int]:
    """Return the runs whose packed lists read as those of `run`: same parts, same base."""
    return set(
        EngineRun.objects.filter(part_codes=run.part_codes, base_hundredths=run.base_hundredths).values_list(
            "pk", flat=True
        )
    )


def _current_lists(side: str, subject_ids: NDArray[np.int64]) -> dict[int, RecommendationList]:
    current = RecommendationList.objects.filter(side=side, superseded_at__isnull=True)
    found: dict[int, RecommendationList] = {}
    for chunk in chunks(subject_ids.tolist()):
        found |= {row.subject_id: row for row in current.filter(subject_id__in=chunk)}
    return found


def insert_lists(rows: Sequence[RecommendationList]) -> None:
    """Insert these lists with one statement for all, which `bulk_create` would write anew for each batch."""
    if not rows:
        return
    # The connection itself: its proxy looks for the thread's one at every attribute.
    database = connections[DEFAULT_DB_ALIAS]
    meta, quote = RecommendationList._meta, database.ops.quote_name
    columns = [column for column in meta.concrete_fields if not column.primary_key]
    names = ", ".join(quote(str(column.column)) for column in columns)
    values = [
        _prepared(column, [getattr(row, column.attname) for row in rows], database) for column in columns
    ]
    with database.cursor() as cursor:
        statement = (
            f"INSERT INTO {quote(meta.db_table)} ({names}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608 (our names)
        )
        cursor.executemany(statement, list(zip(*values, strict=True)))


def _prepared(column: Any, values: list[Any], database: Any) -> list[Any]:
    """Return the values as the driver takes them: what all rows share prepared once, numbers as they are."""
    first = values[0]
    if isinstance(column, BinaryField):
        return [database.Database.Binary(value) for value in values]
    if isinstance(column, IntegerField | ForeignKey):
        return values
    if all(value is first for value in values):
        return [column.get_db_prep_save(first, database)] * len(values)
    return [column.get_db_prep_save(value, database) for value in values]


def _change(ids: Sequence[int], **columns: Any) -> None:
    for chunk in chunks(ids):
        RecommendationList.objects.filter(pk__in=chunk).update(**columns)


def chunks(ids: Sequence[int], size: int = 500) -> Iterable[Sequence[int]]:
    """Cut the ids into runs of at most `size`."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _is_same(old: RecommendationList, packed: PackedList, version: int, alike: set[int]) -> bool:
    return (
        old.subject_version == version
        and old.run_id in alike
        and bytes(old.partner_ids) == packed.partner_ids
        and bytes(old.scores) == packed.scores
        and bytes(old.parts) == packed.parts
        and bytes(old.confidences) == packed.confidences
        and bytes(old.adjustments) == packed.adjustments
        and bytes(old.propensities) == packed.propensities
    )


def forget_superseded_lists(*, hours: int = 24) -> int:
    """Delete lists that were replaced longer ago than any cursor is kept, and runs that nobody ended.

    Return how many lists went.
    """
    before = timezone.now() - timedelta(hours=hours)
    count = RecommendationList.objects.filter(superseded_at__lt=before).delete()[0]
    # A leader that was killed left its pieces; another has begun anew since.
    RunPart.objects.filter(created_at__lt=before).delete()
    EngineRun.objects.filter(finished_at=None, created_at__lt=before, lists=None).delete()
    return count
