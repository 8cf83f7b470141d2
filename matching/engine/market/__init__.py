"""Lists that make matches in the whole market: equilibrium start, welfare ascent, congestion state."""
