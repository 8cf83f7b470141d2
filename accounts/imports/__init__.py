"""Reading the tables that towns really have: CSV in Chinese or English (layer: pure)."""
