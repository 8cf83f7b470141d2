"""Everything a page of suggestions has to know afresh, in five queries (layer: snapshot; reads only).

The cards and the hard rules read the same rows, so each partner is read once; names, addresses and free texts
that are on no card stay in the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet, Sum
from numpy.typing import NDArray

from accounts.models import Anchor, Membership, Stall
from accounts.privacy import TABLES, Field
from matching.choices import Side
from matching.engine.candidates import PARTY_RULES, RuleColumns, ruled_out
from matching.engine.config import Config
from matching.engine.types import Parties, Rule
from matching.engine.types import Side as EngineSide
from matching.models import WeekLoad
from matching.snapshot.exclusions import exclusions_among
from matching.snapshot.pairs import vocabulary
from matching.snapshot.rows import anchor_rule_columns, stall_rule_columns
from matchmaker.core import clock
from matchmaker.core.prepared import Prepared
from matchmaker.core.weeks import TOWN_ZONE, coming_weeks

Party = Stall | Anchor
# Free texts hold phone numbers, and nothing of a card or a reason is in them or in a contact.
_UNREAD = {Field.PROFILE, Field.COUNTERPART}
_OF_MERCHANT = ("verification", "verified_until", "licence_expires_on", "archived_at")


def _columns(model: type[Party]) -> tuple[str, ...]:
    table, columns = TABLES[model._meta.label_lower], model._meta.concrete_fields
    return tuple(column.attname for column in columns if table.class_of(column.name) not in _UNREAD)


_STALL, _ANCHOR = _columns(Stall), _columns(Anchor)
_STALL_ROW = _STALL + tuple(f"merchant__{name}" for name in _OF_MERCHANT)
_ANCHOR_ROW = (*_ANCHOR, "is_claimed")


def _stalls(ids: Sequence[int]) -> QuerySet[Any, Any]:
    return Stall.objects.filter(pk__in=ids).order_by("pk").values_list(*_STALL_ROW)


def _anchors(ids: Sequence[int]) -> QuerySet[Any, Any]:
    claimed = Exists(Membership.objects.filter(anchor=OuterRef("pk")))
    rows = Anchor.objects.filter(pk__in=ids).order_by("pk").annotate(is_claimed=claimed)
    return rows.values_list(*_ANCHOR_ROW)


def _loads(side: Side) -> Prepared:
    def of_side(ids: Sequence[int], weeks: Sequence[date]) -> QuerySet[Any, Any]:
        rows = WeekLoad.objects.filter(side=side, party_id__in=ids, week_on__in=weeks, used__gt=0)
        return rows.order_by().values_list(F("party_id")).annotate(Sum("used"))

    return Prepared(of_side)


_ROWS = {Side.STALL: Prepared(_stalls), Side.ANCHOR: Prepared(_anchors)}
_LOADS = {side: _loads(side) for side in Side}


@dataclass(frozen=True)
class FreshParties:
    """Parties of one side as they are now: rows for cards, columns for the hard rules."""

    by_id: dict[int, Party]
    parties: Parties


@dataclass(frozen=True)
class Fresh:
    """One subject against some partners: the rule against each, in their order, and the partners."""

    codes: NDArray[np.uint8]
    partners: dict[int, Party]


@dataclass(frozen=True)
class Subject:
    """Whose page it is, read once a page."""

    side: Side
    party_id: int
    now: datetime
    read: FreshParties

    @classmethod
    def of(cls, side: str, party_id: int) -> "Subject":
        now = clock.now()
        return cls(Side(side), party_id, now, _read(Side(side), [party_id], now))

    def against(self, partner_ids: Sequence[int]) -> Fresh:
        """Return the first hard rule against each partner as the rows are now, 0 for who may be shown."""
        ids = sorted(partner_ids)
        other = Side.ANCHOR if self.side == Side.STALL else Side.STALL
        read = _read(other, ids, self.now)
        is_stall = self.side == Side.STALL
        excluded = exclusions_among(*(([self.party_id], ids) if is_stall else (ids, [self.party_id])))
        pair = (self.read, read) if is_stall else (read, self.read)
        subject = EngineSide(self.side.value)
        codes = ruled_out(pair[0].parties, pair[1].parties, excluded, subject=subject).ravel()
        if not len(self.read.parties):
            codes = np.full(len(read.parties), Rule.ARCHIVED, dtype=np.uint8)
        at = read.parties.rows_of(np.asarray(partner_ids, dtype=np.int64))
        # Who is not there any more was archived for good.
        now = np.where(at >= 0, np.append(codes, Rule.ARCHIVED)[at], Rule.ARCHIVED)
        return Fresh(now.astype(np.uint8), read.by_id)

    def own_rules(self) -> list[str]:
        """Return the codes of the rules that the subject fails by itself."""
        columns = RuleColumns.of(self.read.parties, Config())
        return [rule.code for rule, fails in PARTY_RULES.items() if fails(columns).any()]


def _read(side: Side, ids: Sequence[int], now: datetime) -> FreshParties:
    model, names = (Stall, _STALL) if side == Side.STALL else (Anchor, _ANCHOR)
    columns_of = stall_rule_columns if side == Side.STALL else anchor_rule_columns
    all_names = _STALL_ROW if side == Side.STALL else _ANCHOR_ROW
    table = _ROWS[side].rows(ids)
    rows = [dict(zip(all_names, row, strict=True)) for row in table]
    held = [row["id"] for row in rows]
    used = dict(_LOADS[side].rows(ids, coming_weeks(now)))
    parties = Parties.build(
        EngineSide(side.value),
        vocabulary(),
        held,
        load_used=[used.get(party_id, 0) for party_id in held],
        **columns_of(rows, now.astimezone(TOWN_ZONE).date()),
    )
    made = (model.from_db(connection.alias, names, row[: len(names)]) for row in table)
    return FreshParties({party.pk: party for party in made}, parties)
