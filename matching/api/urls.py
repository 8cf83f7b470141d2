"""Paths of matching under /api/v1/ (layer: faces)."""

from django.urls import path

from matching.api import matches, outcomes
from matching.api.blocks import Blocks, OneBlock
from matching.api.calendars import MyCalendar, StallCalendar
from matching.api.events import EventNote, MatchEvents
from matching.api.profiles import SuggestedProfile
from matching.api.suggestions import Impressions, MySuggestions, StallSuggestions, SuggestionReaction
from matching.api.tags import MyTag, MyTags, OneStallTag, StallTags
from matching.api.terms import MatchTerms, TermsPreviews

MOVES = {
    "counter": matches.CounterMatch,
    "accept": matches.AcceptMatch,
    "decline": matches.DeclineMatch,
    "withdraw": matches.WithdrawMatch,
    "approve": matches.ApproveMatch,
    "reject": matches.RejectMatch,
    "cancel": matches.CancelMatch,
    "complete": matches.CompleteMatch,
    "fail": matches.FailMatch,
}

urlpatterns = [
    path("anchors/me/calendar/", MyCalendar.as_view(), name="my-calendar"),
    path("stalls/<uuid:stall_id>/calendar/", StallCalendar.as_view(), name="stall-calendar"),
    path("stalls/<uuid:stall_id>/suggestions/", StallSuggestions.as_view(), name="stall-suggestions"),
    path("anchors/me/suggestions/", MySuggestions.as_view(), name="my-suggestions"),
    path("stalls/<uuid:stall_id>/tags/", StallTags.as_view(), name="stall-tags"),
    path("stalls/<uuid:stall_id>/tags/<slug:code>/", OneStallTag.as_view(), name="stall-tag"),
    path("anchors/me/tags/", MyTags.as_view(), name="my-tags"),
    path("anchors/me/tags/<slug:code>/", MyTag.as_view(), name="my-tag"),
    path("suggestions/impressions/", Impressions.as_view(), name="impressions"),
    path("suggestions/<str:suggestion_id>/profile/", SuggestedProfile.as_view(), name="suggested-profile"),
    path("suggestions/<str:suggestion_id>/reaction/", SuggestionReaction.as_view(), name="reaction"),
    path("matches/", matches.Matches.as_view(), name="matches"),
    path("matches/<uuid:match_id>/", matches.OneMatch.as_view(), name="match"),
    path("matches/<uuid:match_id>/terms/", MatchTerms.as_view(), name="match-terms"),
    path("terms/preview/", TermsPreviews.as_view(), name="terms-preview"),
    path("blocks/", Blocks.as_view(), name="blocks"),
    path("blocks/<uuid:block_id>/", OneBlock.as_view(), name="block"),
    path("matches/<uuid:match_id>/events/", MatchEvents.as_view(), name="match-events"),
    path("matches/<uuid:match_id>/events/<int:seq>/note/", EventNote.as_view(), name="match-event-note"),
    *(
        path(f"matches/<uuid:match_id>/{action}/", view.as_view(), name=f"match-{action}")
        for action, view in MOVES.items()
    ),
    path("bookings/<uuid:booking_id>/outcome/", outcomes.OneOutcome.as_view(), name="outcome"),
    path("bookings/<uuid:booking_id>/outcome/confirm/", outcomes.ConfirmOutcome.as_view()),
    path("bookings/<uuid:booking_id>/outcome/dispute/", outcomes.DisputeOutcome.as_view()),
    path("bookings/<uuid:booking_id>/outcome/settle/", outcomes.SettleOutcome.as_view()),
    path("outcomes/due/", outcomes.DueOutcomes.as_view(), name="outcomes-due"),
    path("outcomes/template/", outcomes.OutcomeTemplate.as_view(), name="outcomes-template"),
    path("outcomes/import/", outcomes.OutcomeImport.as_view(), name="outcomes-import"),
]
