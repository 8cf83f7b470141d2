"""From rows to what the engine reads: parties, exclusions, and the market kept warm in each process."""
