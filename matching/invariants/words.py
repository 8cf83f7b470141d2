"""Everything that a detector of invariants can report, in words (layer: invariants).

What those of 3, 4, 5 and 7 report is in `matching.selectors.violations`.
"""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class What(TextChoices):
    """One kind of violation each; its code is stored, its words are shown."""

    DETECTOR_FAILED = "detector_failed", _("the check itself failed; the log has the error")
    # 1
    LOAD_DIFFERS = "load_differs", _("the week's count is not the number of its bookings")
    LOAD_ABOVE_CAPACITY = "load_above_capacity", _("more bookings in the week than its capacity")
    LOAD_NEVER_OFFERED = "load_never_offered", _("more bookings in the week than the party ever offered")
    PLACES_DIFFER = "places_differ", _("the session's places used are not the number of its bookings")
    PLACES_EXCEEDED = "places_exceeded", _("more bookings in the session than it has places")
    SESSIONS_OVERLAP = "sessions_overlap", _("two sessions of the anchor overlap")
    ANCHOR_HOURS_DIFFER = "anchor_hours_differ", _("the anchor's hours are not those of the session")
    STALL_HOURS_DIFFER = "stall_hours_differ", _("the stall's hours are not those of the booking")
    HOUR_TAKEN_TWICE = "hour_taken_twice", _("one hour of a party, and one host number, are taken twice")
    TOO_MANY_HOSTS = "too_many_hosts", _("more hosts at once than the stall ever allowed")
    BOOKING_OF_OTHERS = (
        "booking_of_others",
        _("the booking is of another stall, anchor or week than its match"),
    )
    BOOKING_NOT_RELEASED = "booking_not_released", _("an ended match still holds the booking")
    BOOKINGS_MISSING = "bookings_missing", _("the match holds other bookings than its terms want")
    # 2
    TWO_OPEN_MATCHES = "two_open_matches", _("the pair has more than one open match")
    # 6
    APPROVER_IS_PARTY = "approver_is_party", _("the approver acts for one of the sides")
    APPROVER_DIFFERS = "approver_differs", _("the match names another approver than its event")
    # 8
    SHOWN_INELIGIBLE = "shown_ineligible", _("a party is suggested that may not be shown")
    SHOWN_EXCLUDED = "shown_excluded", _("a pair is suggested that is excluded")
    # 9
    TWO_CURRENT_LISTS = "two_current_lists", _("the party has more than one current list")
    LIST_TORN = "list_torn", _("the arrays of the list do not fit each other")
    # 10
    NOT_REPEATABLE = "not_repeatable", _("the same market computed twice gave two results")
    MODEL_ALTERED = "model_altered", _("the stored model is not the one of its fingerprint")
    # 11
    JOB_WAITS = "job_waits", _("due work that nobody takes")
    JOB_LOST = "job_lost", _("a worker died and nobody took its work over")
    JOB_DEAD = "job_dead", _("work was given up; try it again under jobs")
    JOB_TWICE = "job_twice", _("equal work is queued twice")
    LIST_DUE = "list_due", _("a party changed, and no work is queued to renew its list")
    # 12
    KEY_TWICE = "key_twice", _("one idempotency key of a user has two rows")
    KEY_UNANSWERED = "key_unanswered", _("an idempotency key without the answer of a success")
    KEY_WITHOUT_DIGEST = "key_without_digest", _("an idempotency key without the digest of its request")
    # 13
    PHONE_FOUND = "phone_found", _("a phone number where only ids and codes may be")
    ID_NUMBER_FOUND = "id_number_found", _("an ID number where only ids and codes may be")
    CREDIT_CODE_FOUND = "credit_code_found", _("a credit code where only ids and codes may be")
    # 14
    TOKEN_OF_DISABLED = "token_of_disabled", _("a blocked user holds a token that was not revoked")  # noqa: S105
    MOVE_OF_DISABLED = "move_of_disabled", _("a blocked user did something")
    # 15
    ERASURE_UNFINISHED = "erasure_unfinished", _("an erasure is not done within a minute")
    ERASED_ROW_LEFT = "erased_row_left", _("a row of an erased person is still there")
    ERASED_VALUE_LEFT = "erased_value_left", _("a column still holds something of an erased person")
    ERASED_ACTIVE = "erased_active", _("an erased party still has a list or an open match")
    # 16
    MIGRATION_MISSING = "migration_missing", _("a migration is not applied, or not written")
    CONSTRAINT_MISSING = "constraint_missing", _("a constraint or index of the models is not in the database")
    REFERENCE_DANGLES = "reference_dangles", _("a row refers to one that is not there")
    DATABASE_DAMAGED = "database_damaged", _("the database finds itself damaged")
