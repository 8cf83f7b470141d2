"""The seeds app: the demo town."""

from django.apps import AppConfig


class SeedsConfig(AppConfig):
    name = "seeds"
