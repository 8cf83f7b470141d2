"""The admin pages of people and parties (layer: faces)."""

from accounts.admin import parties, people, reference

__all__ = ["parties", "people", "reference"]
