"""Facts that matching announces inside its transactions (layer: signals)."""

from django.dispatch import Signal

# A reaction, rule or match changed what may be suggested to this pair: `stall_id`, `anchor_id`.
pair_changed = Signal()

# A match changed its state: `match`, `event`.
match_moved = Signal()
