"""The tags that are held about one party, as it may read them (layer: selectors)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import Anchor, Stall
from matching.choices import Side
from matching.selectors.suggestions import wants_personal
from matching.snapshot.history import PartyHistory, histories
from matching.tags import Tag, tags_of_side


@dataclass(frozen=True)
class HeldTag:
    """One tag with its value; None: nothing is held of it."""

    tag: Tag
    value: Any
    since: datetime
    is_used_for_ranking: bool

    @property
    def text(self) -> str:
        """The value in words, empty where there is none."""
        return "" if self.value is None else self.tag.in_words(self.value)


def tags_of(party: Stall | Anchor) -> list[HeldTag]:
    """Return everything that the engine holds about the party, in the order of the list of tags."""
    side = Side.STALL if isinstance(party, Stall) else Side.ANCHOR
    forgotten = dict(party.forgotten_tags.values_list("code", "forgotten_at"))
    past = histories(side.value, [party.pk])
    changed = _last_changes(party)
    is_personalised = wants_personal(party)
    held = []
    for code, tag in tags_of_side(side).items():
        value = None if tag.is_declared and code in forgotten else _value(tag, party, past)
        moments = [forgotten.get(code), *(changed.get(name) for name in tag.fields)]
        held.append(
            HeldTag(
                tag=tag,
                value=value,
                since=max([moment for moment in moments if moment] or [party.created_at]),
                is_used_for_ranking=value is not None and tag.is_used(is_personalised=is_personalised),
            )
        )
    return held


def _value(tag: Tag, party: Stall | Anchor, past: PartyHistory) -> Any:
    if tag.is_declared:
        values = [getattr(party, name) for name in tag.fields]
        value = values[0] if len(values) == 1 else values
        return None if value in (None, "", [], {}) else value
    return _counted(tag, party.pk, past)


def _counted(tag: Tag, party_id: int, past: PartyHistory) -> Any:
    """Return what was counted: a number, or (how many yes, of how many)."""
    found = [getattr(past, name).get(party_id) for name in tag.columns]
    if tag.code in ("load", "reply"):
        return found[0]
    yes, tries = min(value or 0 for value in found), max(value or 0 for value in found)
    return (yes, tries) if tries else None


def _last_changes(party: Stall | Anchor) -> Mapping[str, datetime]:
    """Return since when each field of the profile holds what it holds, from its history."""
    names = sorted({name for tag in tags_of_side(_side(party)).values() for name in tag.fields})
    rows = list(party.history.order_by("history_date", "history_id").values("history_date", *names))
    since: dict[str, datetime] = {}
    for before, row in zip([{}, *rows], rows, strict=False):
        since |= {name: row["history_date"] for name in names if before.get(name) != row[name]}
    return since


def _side(party: Stall | Anchor) -> str:
    return Side.STALL if isinstance(party, Stall) else Side.ANCHOR
