"""The admin pages of people and parties (layer: faces)."""

from accounts.admin import holidays, parties, people, reference

__all__ = ["holidays", "parties", "people", "reference"]
