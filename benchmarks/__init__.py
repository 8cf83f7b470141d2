"""What the performance figures are made with; each module prints one JSON object."""
