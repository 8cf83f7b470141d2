"""What matching lets its faces read."""

from matching.selectors.suggestions import Suggestion, SuggestionPage, suggestions_for

__all__ = ["Suggestion", "SuggestionPage", "suggestions_for"]
