"""Paths of matching under /api/v1/ (layer: faces)."""

from django.urls import path

from matching.api.matches import AcceptMatch, DeclineMatch, Matches, OneMatch
from matching.api.suggestions import Impressions, MySuggestions, StallSuggestions, SuggestionReaction

urlpatterns = [
    path("stalls/<uuid:stall_id>/suggestions/", StallSuggestions.as_view(), name="stall-suggestions"),
    path("anchors/me/suggestions/", MySuggestions.as_view(), name="my-suggestions"),
    path("suggestions/impressions/", Impressions.as_view(), name="impressions"),
    path("suggestions/<str:suggestion_id>/reaction/", SuggestionReaction.as_view(), name="reaction"),
    path("matches/", Matches.as_view(), name="matches"),
    path("matches/<uuid:match_id>/", OneMatch.as_view(), name="match"),
    path("matches/<uuid:match_id>/accept/", AcceptMatch.as_view(), name="match-accept"),
    path("matches/<uuid:match_id>/decline/", DeclineMatch.as_view(), name="match-decline"),
]
