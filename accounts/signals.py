"""Facts that accounts announces; receivers of other apps turn them into jobs (layer: signals)."""

from django.dispatch import Signal

# Sent inside the transaction with `side` ("stall" or "anchor"), `ids` (list of int) and `actor` (User or None)
# by every service that changes what matching sees of a party.
profile_changed = Signal()
