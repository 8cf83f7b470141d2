"""What is kept from whom, by the table of classes (layer: selectors)."""

import re
from functools import cache
from typing import Any

from accounts.privacy.classes import Field
from accounts.privacy.tables import TABLES

# What others may read of a party: on a card, on its profile, and once both have agreed.
CARD = frozenset({Field.PUBLIC, Field.BAND, Field.INTERNAL})
PROFILE = CARD | {Field.PROFILE}
AGREED = PROFILE | {Field.COUNTERPART}
PARTIES = ("accounts.user", "accounts.merchant", "accounts.stall", "accounts.anchor")
PRIVATE = frozenset({Field.PROFILE, Field.COUNTERPART, Field.PERSONAL, Field.SECRET})

# Seven digits and more, however they are set apart: a phone, a number of an account, an ID number.
_NUMBER = re.compile(r"\+?\d(?:[ \-.·()（）]{0,2}\d){6,}")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w+")


class Hidden(LookupError):
    """A column was read that its class keeps from the reader: a fault of the code that read it."""


class Seen:
    """A party as somebody else sees it: columns of other classes than `classes` are not there."""

    __slots__ = ("_columns", "_party")

    def __init__(self, party: Any, classes: frozenset[Field]) -> None:
        self._party = party
        self._columns = _columns_of(party._meta.label_lower, classes)

    def __getattr__(self, name: str) -> Any:
        if name not in self._columns:
            raise Hidden(f"{name} of {self._party._meta.label_lower}")
        return getattr(self._party, name)


@cache
def _columns_of(label: str, classes: frozenset[Field]) -> frozenset[str]:
    names = {name for kind in classes for name in TABLES[label].columns.get(kind, "").split()}
    return frozenset(names | {f"{name}_id" for name in names})


def private_columns() -> set[str]:
    """Return the columns of people and parties whose values no log and no error may say."""
    return {
        name for label in PARTIES for kind in PRIVATE for name in TABLES[label].columns.get(kind, "").split()
    }


def without_contacts(text: str) -> str:
    """Return `text` with long numbers and e-mail addresses replaced by stars."""
    return _ADDRESS.sub("****", _NUMBER.sub("****", text))
