"""From rows to what the engine reads: parties, exclusions, and the market kept warm in each process."""

from matching.snapshot.pairs import parties_for_pairs, parties_now, vocabulary

__all__ = ["parties_for_pairs", "parties_now", "vocabulary"]
