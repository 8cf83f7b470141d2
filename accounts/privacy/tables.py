"""The one table: every column of every model that holds anything of a person (layer: selectors).

Export, erasure, masking (cards, profiles, contacts, logs) and invariant 15 follow it; a column that it lacks
fails a test. Models of higher rooms are named, not imported.
"""

from accounts.privacy.classes import AtErasure, Field, Table

F, A = Field, AtErasure
STAMPS = "id created_at updated_at"
PARTY = f"{STAMPS} public_id version verification verified_until archived_at is_personalised"
HISTORY = "history_id history_date history_type history_user"
# Counters and old bookings are checked against what a party offered; it says nothing of anybody by itself.
OFFERED = "weekly_capacity hosts_at_once availability"
EVENT = "seq action from_status to_status actor_id actor_role reason_code at prev_hash hash"

MERCHANT = {
    F.PERSONAL: "credit_code licence_expires_on",
    F.COUNTERPART: "name contact_name contact_phone",
}
STALL = {
    F.PUBLIC: "name floor categories styles moq restock_days cooperation_modes platforms languages "
    "streaming_permit",
    F.BAND: "price_min_cents price_max_cents return_rate commission_rate slot_fee_cents",
    F.PROFILE: "description",
    F.PERSONAL: "number stock_depth followers_wanted_min audience_age audience_gender audience_city_tier",
}
ANCHOR = {
    F.PUBLIC: "display_name region categories styles languages cooperation_modes is_on_site",
    F.BAND: "platforms followers average_viewers price_shares audience_age audience_gender "
    "audience_city_tier commission_rate slot_fee_cents",
    F.PROFILE: "bio",
    F.COUNTERPART: "real_name contact_phone",
    F.PERSONAL: "id_last4 birth_date guardian_consent_on legal_basis is_commission_floor moq_max "
    "stock_depth_min restock_days_max return_rate_max",
    F.SECRET: "id_digest",
}
EMPTIED = A.EMPTY
PAIR = {"stall": "stall", "anchor": "anchor"}
PARTIES = {"merchant": "merchant", "anchor": "anchor"}

TABLES: dict[str, Table] = {
    # --- who somebody is ---
    "accounts.user": Table(
        {
            F.PERSONAL: "phone phone_verified_at name language",
            F.SECRET: "password",
            F.INTERNAL: f"{STAMPS} public_id last_login is_superuser is_active is_staff session_epoch",
        },
        {"user": "pk"},
        EMPTIED,
    ),
    "accounts.merchant": Table({**MERCHANT, F.INTERNAL: PARTY}, {"merchant": "pk"}, EMPTIED),
    "accounts.historicalmerchant": Table(
        {**MERCHANT, F.STAFF: "history_change_reason", F.INTERNAL: f"{PARTY} {HISTORY}"},
        {"merchant": "id"},
        EMPTIED,
    ),
    "accounts.licencephoto": Table(
        {F.PERSONAL: "content", F.INTERNAL: f"{STAMPS} public_id merchant digest width height"},
        {"merchant": "merchant"},
        A.DELETE,
    ),
    "accounts.stall": Table(
        {**STALL, F.INTERNAL: f"{STAMPS} public_id version archived_at merchant zone {OFFERED}"},
        {"stall": "pk"},
        EMPTIED,
    ),
    "accounts.historicalstall": Table(
        {
            **STALL,
            F.STAFF: "history_change_reason",
            F.INTERNAL: f"{STAMPS} public_id version archived_at merchant zone {OFFERED} {HISTORY}",
        },
        {"stall": "id"},
        EMPTIED,
    ),
    "accounts.anchor": Table(
        {**ANCHOR, F.INTERNAL: f"{PARTY} weekly_capacity availability"}, {"anchor": "pk"}, EMPTIED
    ),
    "accounts.historicalanchor": Table(
        {
            **ANCHOR,
            F.STAFF: "history_change_reason",
            F.INTERNAL: f"{PARTY} weekly_capacity availability {HISTORY}",
        },
        {"anchor": "id"},
        EMPTIED,
    ),
    "accounts.membership": Table(
        {F.PERSONAL: "user merchant anchor role", F.INTERNAL: STAMPS},
        {"user": "user", **PARTIES},
        A.DELETE,
    ),
    "accounts.verification": Table(
        {
            F.STAFF: "note",
            F.LEGAL: "status verified_until reason_code decided_by merchant anchor",
            F.INTERNAL: STAMPS,
        },
        PARTIES,
        EMPTIED,
    ),
    "accounts.calendarexception": Table(
        {F.PERSONAL: "on hours", F.INTERNAL: f"{STAMPS} stall anchor"}, PAIR, A.DELETE
    ),
    "accounts.forgottentag": Table(
        {F.PERSONAL: "code forgotten_at", F.INTERNAL: f"{STAMPS} stall anchor"}, PAIR, A.DELETE
    ),
    "accounts.importedfile": Table(
        {F.PERSONAL: "report", F.INTERNAL: f"{STAMPS} kind scope digest imported_by"},
        {"user": "imported_by"},
        EMPTIED,
    ),
    # --- signing in ---
    "accounts.devicetoken": Table(
        {
            F.PERSONAL: "device_name expires_at last_used_at revoked_at",
            F.SECRET: "digest session_key",
            F.INTERNAL: f"{STAMPS} public_id user has_second_factor",
        },
        {"user": "user"},
        A.DELETE,
    ),
    # Codes before the authenticator that they hang on.
    "accounts.recoverycode": Table(
        {F.SECRET: "digest", F.INTERNAL: f"{STAMPS} authenticator used_at"},
        {"user": "authenticator__user"},
        A.DELETE,
    ),
    "accounts.authenticator": Table(
        {F.SECRET: "sealed_secret last_step", F.INTERNAL: f"{STAMPS} public_id user"},
        {"user": "user"},
        A.DELETE,
    ),
    "accounts.apitoken": Table(
        {
            F.PERSONAL: "name prefix scopes expires_at last_used_at revoked_at",
            F.SECRET: "digest",
            F.INTERNAL: f"{STAMPS} public_id user",
        },
        {"user": "user"},
        A.DELETE,
    ),
    "account.emailaddress": Table(
        {F.PERSONAL: "email verified primary", F.INTERNAL: "id user"}, {"user": "user"}, A.DELETE
    ),
    "account.emailconfirmation": Table(
        {F.PERSONAL: "created sent", F.SECRET: "key", F.INTERNAL: "id email_address"},
        {"user": "email_address__user"},
        A.DELETE,
    ),
    # A row names no user: those of a person are found by the keys of their devices and by looking inside.
    "sessions.session": Table({F.SECRET: "session_key session_data", F.INTERNAL: "expire_date"}),
    # --- what was asked and told ---
    "jobs.idempotencykey": Table(
        {F.PERSONAL: "key body headers", F.INTERNAL: f"{STAMPS} digest status user"},
        {"user": "user"},
        A.DELETE,
        # Answers hold what was right to be told then, as the contact of a match that has ended since.
        withheld="body headers",
    ),
    "jobs.job": Table(
        {
            F.PERSONAL: "requested_by",
            F.STAFF: "error",
            F.INTERNAL: f"{STAMPS} public_id kind dedupe_key queue args state requests attempts not_before "
            "lease_until lease_token holder done_units total_units result sent_at started_at finished_at",
        },
        {"user": "requested_by"},
        EMPTIED,
    ),
    "notifications.notice": Table(
        {F.PERSONAL: "topic facts created_at read_at subject_id", F.INTERNAL: "id public_id user key"},
        {"user": "user"},
        A.DELETE,
    ),
    "admin.logentry": Table(
        {
            F.LEGAL: "action_time user content_type object_id action_flag",
            F.STAFF: "object_repr change_message",
            F.INTERNAL: "id",
        }
    ),
    # --- suggestions ---
    # Every party has a list: those of the erased are dropped and made anew, empty, by matching itself.
    "matching.recommendationlist": Table(
        {
            F.PERSONAL: "computed_at superseded_at ruled_out",
            F.INTERNAL: "id public_id side subject_id run subject_version partners_version partner_ids "
            "scores parts confidences adjustments propensities floor_hundredths pool_floor_hundredths",
        },
        {"stall": "subject_id", "anchor": "subject_id"},
        side="side",
    ),
    "matching.dueparty": Table({F.INTERNAL: "id side party_id batch"}),
    "matching.reaction": Table(
        {F.PERSONAL: "side kind until stall anchor", F.INTERNAL: f"{STAMPS} actor"},
        PAIR,
        A.DELETE,
        said_by="side",
    ),
    "matching.block": Table(
        {F.PERSONAL: "side merchant anchor", F.INTERNAL: f"{STAMPS} public_id actor"},
        PARTIES,
        A.DELETE,
        said_by="side",
    ),
    "matching.pairrule": Table(
        {F.STAFF: "note reason_code", F.PERSONAL: "kind until stall anchor", F.INTERNAL: f"{STAMPS} actor"},
        PAIR,
        A.DELETE,
        is_exported=False,  # who is kept from whom by staff is told to neither
    ),
    "matching.exclusivity": Table(
        {F.PERSONAL: "stall anchor category starts_on ends_on", F.INTERNAL: STAMPS}, PAIR, A.DELETE
    ),
    "matching.impression": Table(
        {
            F.PERSONAL: "stall anchor side rank score_hundredths shown_at",
            F.INTERNAL: "id list_id propensity actor",
        },
        PAIR,
        A.DELETE,
        said_by="side",
    ),
    # --- contracts: kept by law, with numbers instead of people ---
    "matching.match": Table(
        {
            F.LEGAL: "stall anchor status awaiting proposed_by origin terms deadline_at agreed_at "
            "escalated_at ended_at approved_by",
            F.INTERNAL: f"{STAMPS} public_id version list_score_hundredths",
        },
        PAIR,
    ),
    "matching.terms": Table(
        {
            F.LEGAL: "match number commission_rate slot_fee_cents cooperation_mode sessions canonical digest "
            "proposed_by created_at",
            F.INTERNAL: "id",
        },
        {"stall": "match__stall", "anchor": "match__anchor"},
    ),
    "matching.matchevent": Table(
        {F.LEGAL: f"{EVENT} match awaiting terms_digest note", F.INTERNAL: "id"},
        {"stall": "match__stall", "anchor": "match__anchor"},
    ),
    "matching.note": Table(
        {F.PERSONAL: "text", F.INTERNAL: f"{STAMPS} author erased_at"}, {"user": "author"}, EMPTIED
    ),
    "matching.session": Table(
        {F.LEGAL: "anchor starts_at ends_at mode places places_used", F.INTERNAL: f"{STAMPS} public_id"},
        {"anchor": "anchor"},
    ),
    "matching.booking": Table(
        {F.LEGAL: "match session stall week_on released_at", F.INTERNAL: f"{STAMPS} public_id"},
        {"stall": "stall", "anchor": "session__anchor"},
    ),
    "matching.anchorhour": Table({F.INTERNAL: "id anchor hour_at session"}),
    "matching.stallhour": Table({F.INTERNAL: "id stall hour_at host_number booking"}),
    "matching.weekload": Table({F.INTERNAL: "id side party_id week_on used capacity"}),
    "matching.outcome": Table(
        {
            F.LEGAL: "booking status gmv_cents refunded_cents cancelled_cents orders orders_cancelled "
            "orders_returned buyers views viewers duration_seconds recorded_as recorded_by",
            F.INTERNAL: f"{STAMPS} public_id version",
        },
        {"stall": "booking__stall", "anchor": "booking__session__anchor"},
    ),
    "matching.outcomeevent": Table(
        {F.LEGAL: f"{EVENT} outcome figures note", F.INTERNAL: "id"},
        {"stall": "outcome__booking__stall", "anchor": "outcome__booking__session__anchor"},
    ),
    "matching.matchdaypair": Table(
        {
            F.LEGAL: "day stall anchor wish is_solved starts_at mutual_millionths net_gmv_cents "
            "weight_millionths match fault_code",
            F.STAFF: "fault",
            F.INTERNAL: STAMPS,
        },
        PAIR,
        EMPTIED,
        # What staff planned with: it tells of the other side too.
        withheld="wish mutual_millionths net_gmv_cents weight_millionths fault_code",
    ),
    # --- privacy itself ---
    "accounts.erasure": Table(
        {
            F.STAFF: "looked_for",
            F.INTERNAL: f"{STAMPS} user pseudonym requested_by merchant_ids stall_ids anchor_ids finished_at",
        },
    ),
    "accounts.legalrecord": Table(
        {
            F.SECRET: "identity_digest",
            F.LEGAL: "pseudonym kind party_id contracts kept_until",
            F.INTERNAL: STAMPS,
        },
    ),
    "accounts.consent": Table(
        {F.PERSONAL: "purpose is_given text_version at", F.INTERNAL: "id user"}, {"user": "user"}, A.DELETE
    ),
    "accounts.openedprofile": Table(
        {F.PERSONAL: "side party_id on", F.INTERNAL: "id user"}, {"user": "user"}, A.DELETE
    ),
}

# Models without a person: reference data, numbers over many, the machinery.
NOTHING_PERSONAL = frozenset(
    {
        *(f"accounts.{name}" for name in ("category", "style", "zone", "region", "language", "reasoncode")),
        "accounts.holiday",
        "accounts.user_groups",
        "accounts.user_user_permissions",
        "auth.group",
        "auth.group_permissions",
        "auth.permission",
        "contenttypes.contenttype",
        "jobs.canary",
        "jobs.deadletter",
        "jobs.throttle",
        "matching.dailyroot",
        "matching.enginemodel",
        "matching.enginemodelevent",
        "matching.enginerun",
        "matching.invariantcheck",
        "matching.matchday",
        "matching.matchdayevent",
        "matching.rootleaf",
        "matching.runpart",
    }
)
