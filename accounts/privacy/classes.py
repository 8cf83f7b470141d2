"""The classes of columns, and how a table is declared (layer: selectors)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Field(StrEnum):
    """Who may see a column, and whether it outlives its person."""

    PUBLIC = "public"  # on cards, for everybody who may see the party
    BAND = "band"  # on cards as a band; exact only for oneself and staff
    PROFILE = "profile"  # on the full profile, of which fifty may be opened a day
    COUNTERPART = "counterpart"  # for the other side once both agreed
    PERSONAL = "personal"  # for oneself and staff
    STAFF = "staff"  # what staff noted for themselves
    SECRET = "secret"  # noqa: S105 (a word): leaves the database never
    LEGAL = "legal"  # the legal minimum: contracts and events, which name people by number
    INTERNAL = "internal"  # numbers, states and times that say nothing without their person


# Emptied by an erasure where the row itself has to stay.
ERASED = frozenset(set(Field) - {Field.LEGAL, Field.INTERNAL})
# Not handed out by an export.
HIDDEN = frozenset({Field.SECRET, Field.STAFF})


class AtErasure(StrEnum):
    """What becomes of a person's rows."""

    DELETE = "delete"
    EMPTY = "empty"  # the row stays, for others point to it
    KEEP = "keep"  # it says nothing of anybody any more, or the law wants it


@dataclass(frozen=True)
class Table:
    """One model: the class of each column, whose its rows are, and what becomes of them.

    `of` names for a kind of owner (user, merchant, stall, anchor) the lookup from the row to its key;
    with `side` the owner's kind stands in that column. `said_by` names the column with the side whose doing
    the row is, where the other side must not learn of it; `is_exported` says whether anybody gets it at all,
    and `withheld` which of its columns nobody gets.
    """

    columns: Mapping[Field, str]
    of: Mapping[str, str] = field(default_factory=dict)
    at_erasure: AtErasure = AtErasure.KEEP
    side: str = ""
    said_by: str = ""
    is_exported: bool = True
    withheld: str = ""

    def class_of(self, column: str) -> Field:
        """Return the class of `column`; LookupError for one that nobody declared."""
        for kind, names in self.columns.items():
            if column in names.split():
                return kind
        raise LookupError(column)

    def names(self) -> list[str]:
        """Return all declared columns, doubly declared ones twice."""
        return [name for names in self.columns.values() for name in names.split()]
