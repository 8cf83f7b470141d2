"""What is held of people, column by column, and what becomes of it (layer: selectors)."""

from accounts.privacy.classes import ERASED, HIDDEN, AtErasure, Field, Table
from accounts.privacy.tables import NOTHING_PERSONAL, TABLES
from accounts.privacy.values import columns_of, erased_value, erased_values, rows_of

__all__ = [
    "ERASED",
    "HIDDEN",
    "NOTHING_PERSONAL",
    "TABLES",
    "AtErasure",
    "Field",
    "Table",
    "columns_of",
    "erased_value",
    "erased_values",
    "rows_of",
]
