"""State changes as data: a table of transitions and the one guarded update that moves (layer: core)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from matchmaker.core.errors import Conflict


@dataclass(frozen=True)
class Transition:
    """One row of a state table: who (`by`) may lead from which states (`sources`) to `target`.

    The source "" is a thing that is not there yet.
    `awaited_only`: of the sides only one that has to answer. `releases`: what was reserved is free again.
    """

    action: str
    sources: tuple[str, ...]
    target: str
    by: frozenset[str]
    needs_reason: bool = False
    awaited_only: bool = False
    releases: bool = False


def allowed(table: Iterable[Transition], *, status: str, roles: Iterable[str]) -> list[str]:
    """Return the actions that somebody with `roles` may take from `status`, in table order."""
    held = frozenset(roles)
    return [row.action for row in table if status in row.sources and row.by & held]


def move(
    instance: models.Model, *, sources: tuple[str, ...], guard: dict[str, Any] | None = None, **changes: Any
) -> None:
    """Apply `changes` to the row of `instance` only while its status is one of `sources`.

    One `UPDATE … WHERE id AND status IN sources [AND guard]`; the row count tells whether this caller won.
    Must run inside a transaction together with the event row that records it.
    Raises Conflict (with the state as it now is) when the row was no longer there.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("move() belongs in the transaction of its event row")
    manager = type(instance)._default_manager
    rows = manager.filter(pk=instance.pk, status__in=sources, **(guard or {}))
    changes.setdefault("updated_at", timezone.now())
    if rows.update(version=models.F("version") + 1, **changes) != 1:
        current = manager.filter(pk=instance.pk).values_list("status", flat=True).first()
        raise Conflict(code="wrong_state", status_now=current)
    instance.refresh_from_db()
