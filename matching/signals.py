"""Facts that matching announces inside its transactions (layer: signals)."""

from django.dispatch import Signal

# A reaction, rule or match changed what may be suggested to this pair: `stall_id`, `anchor_id`.
pair_changed = Signal()

# A party blocked another or took that back, which concerns all stalls of the merchant:
# `merchant_id`, `anchor_id`.
block_changed = Signal()

# A match changed its state: `match`, `event`.
match_moved = Signal()

# An agreed match has waited for staff for too long: `match`.
match_escalated = Signal()

# Other learned weights count from now on, or none: `model` that was published or rolled back, `actor`.
model_changed = Signal()

# What a session brought was recorded, corrected, confirmed, disputed or settled: `outcome`, `event`.
outcome_changed = Signal()
