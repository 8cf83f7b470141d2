"""The rules of the town that are numbers, each in one place (layer: pure)."""

from datetime import timedelta

# A proposal that nobody answers within this time has expired.
ANSWER_WITHIN = timedelta(hours=72)
# After "pass" the pair is not suggested for this long; "never" has no end.
HIDDEN_AFTER_PASS = timedelta(days=30)
# After a declined proposal likewise.
HIDDEN_AFTER_DECLINE = timedelta(days=30)
# An agreed match that waits longer than this for staff is escalated to all of them.
ESCALATED_AFTER = timedelta(hours=24)
# Proposals that one stall or one anchor may make in a week of the town.
PROPOSALS_A_WEEK = 30

# What one version of terms may ask for.
SESSIONS_PER_MATCH = 12
SESSION_HOURS_MAX = 12
PLACES_MAX = 20
PLAN_AHEAD = timedelta(weeks=26)

# Suggestions that one request may report as shown; what fits on a long phone screen, with room.
IMPRESSIONS_PER_REQUEST = 50

# Norms of a category: from the matches agreed in this time, and only where so many matches of so many
# parties on each side agreed that a figure gives nobody's terms away.
NORMS_OVER = timedelta(days=180)
NORM_MATCHES_MIN = 5
NORM_PARTIES_MIN = 3

# A broadcast may end this much later than it was planned to; a longer one is a slip of the pen.
OVERRUN_MAX = timedelta(hours=4)
# The engine believes figures that the other side left standing for this long.
BELIEVED_AFTER = timedelta(days=7)
# Rows that one CSV file of outcomes may have; each is a move of its own, all in one transaction.
OUTCOMES_PER_FILE = 500
