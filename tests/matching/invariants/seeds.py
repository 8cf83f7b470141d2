"""One seeded violation for everything that a detector can report."""

import itertools
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F
from django.utils import timezone

from accounts.models import Anchor, DeviceToken, Erasure, Membership, Stall, User
from jobs.models import IdempotencyKey, Job, JobState, Throttle
from matching.invariants import What
from matching.invariants import lists as lists_of_invariants
from matching.models import (
    AnchorHour,
    Booking,
    DueParty,
    EngineRun,
    Match,
    MatchDay,
    MatchEvent,
    Outcome,
    OutcomeEvent,
    Reaction,
    RecommendationList,
    Session,
    StallHour,
    Terms,
    WeekLoad,
)
from matching.services.matchdays.moving import Settings, begin_match_day, next_week
from matching.snapshot.fresh import Fresh, Subject
from notifications.models import Notice
from tests.factories import credit_code, id_number
from tests.matching.invariants.spoiling import drop_constraint, drop_triggers, say
from tests.matching.invariants.town import Town
from tests.matching.market import make_staff, make_user

Seed = Callable[[Town, pytest.MonkeyPatch], object]
SEEDS: dict[int, dict[str, Seed]] = {}


def seeds(number: int, what: str) -> Callable[[Seed], Seed]:
    """Register the decorated function as the one that brings `what` about."""

    def register(seed: Seed) -> Seed:
        assert SEEDS.setdefault(number, {}).setdefault(what, seed) is seed
        return seed

    return register


def event_of(town: Town, match: str, action: str):
    """The event as a query; its table can be changed from here on."""
    drop_triggers()
    return MatchEvent.objects.filter(match=town.matches[match], action=action)


# --- 1 -----------------------------------------------------------------------------------------------


@seeds(1, What.LOAD_DIFFERS)
def _(town, patch):
    WeekLoad.objects.filter(side="anchor", party_id=town.anchors[1].pk, used__gt=0).update(used=F("used") - 1)


@seeds(1, What.LOAD_ABOVE_CAPACITY)
def _(town, patch):
    drop_constraint(WeekLoad, "week_load_within_capacity")
    WeekLoad.objects.filter(used__gt=0).update(capacity=0)


@seeds(1, What.LOAD_NEVER_OFFERED)
def _(town, patch):
    Anchor.objects.filter(pk=town.anchors[1].pk).update(weekly_capacity=1)
    Anchor.history.filter(id=town.anchors[1].pk).update(weekly_capacity=2)


@seeds(1, What.PLACES_DIFFER)
def _(town, patch):
    Session.objects.filter(mode="mixed", places_used=2).update(places_used=1)


@seeds(1, What.PLACES_EXCEEDED)
def _(town, patch):
    drop_constraint(Session, "session_places")
    Session.objects.filter(mode="mixed").update(places=1)


@seeds(1, What.SESSIONS_OVERLAP)
def _(town, patch):
    first, second = Session.objects.filter(anchor=town.anchors[1], places_used__gt=0).order_by("starts_at")
    Session.objects.filter(pk=second.pk).update(starts_at=first.starts_at + timedelta(hours=1))


@seeds(1, What.ANCHOR_HOURS_DIFFER)
def _(town, patch):
    AnchorHour.objects.filter(pk=AnchorHour.objects.first().pk).delete()


@seeds(1, What.STALL_HOURS_DIFFER)
def _(town, patch):
    StallHour.objects.filter(pk=StallHour.objects.first().pk).delete()


@seeds(1, What.HOUR_TAKEN_TWICE)
def _(town, patch):
    drop_constraint(AnchorHour, "anchor_hour_unique")
    row = AnchorHour.objects.first()
    # A table made anew on SQLite numbers no rows.
    AnchorHour.objects.create(
        pk=999_999, anchor_id=row.anchor_id, hour_at=row.hour_at, session_id=row.session_id
    )


@seeds(1, What.TOO_MANY_HOSTS)
def _(town, patch):
    StallHour.objects.filter(stall=town.stalls[0]).update(host_number=3)


@seeds(1, What.BOOKING_OF_OTHERS)
def _(town, patch):
    Booking.objects.filter(match=town.matches["agreed"]).update(week_on=date(2001, 1, 1))


@seeds(1, What.BOOKING_NOT_RELEASED)
def _(town, patch):
    Booking.objects.filter(match=town.matches["withdrawn"]).update(released_at=None)


@seeds(1, What.BOOKINGS_MISSING)
def _(town, patch):
    Booking.objects.filter(match=town.matches["agreed"]).update(released_at=timezone.now())


# --- 2 to 7 ------------------------------------------------------------------------------------------


def another_match(town, match, **fields):
    row = Match.objects.get(pk=town.matches[match].pk)
    given = {"stall": row.stall, "anchor": row.anchor, "terms": row.terms, "proposed_by": "stall"} | fields
    return Match.objects.create(**({"status": "proposed", "awaiting": "anchor"} | given))


@seeds(2, What.TWO_OPEN_MATCHES)
def _(town, patch):
    drop_constraint(Match, "one_open_match")
    another_match(town, "agreed")


@seeds(3, "no_consent")
def _(town, patch):
    event_of(town, "approved", "accept").update(actor_role="stall")


@seeds(3, "never_approved")
def _(town, patch):
    Match.objects.filter(pk=town.matches["agreed"].pk).update(status="approved")


@seeds(4, "no_events")
def _(town, patch):
    another_match(town, "expired")


@seeds(4, "number_missing")
def _(town, patch):
    event_of(town, "approved", "approve").update(seq=7)


@seeds(4, "illegal_move")
def _(town, patch):
    event_of(town, "agreed", "accept").update(actor_role="staff")


@seeds(4, "no_reason")
def _(town, patch):
    event_of(town, "rejected", "reject").update(reason_code="")


@seeds(4, "other_state")
def _(town, patch):
    Match.objects.filter(pk=town.matches["agreed"].pk).update(status="withdrawn")


@seeds(5, "change_without_event")
def _(town, patch):
    Match.objects.filter(pk=town.matches["agreed"].pk).update(version=F("version") + 1)


@seeds(5, "broken_link")
def _(town, patch):
    event_of(town, "approved", "accept").update(hash="0" * 64)


@seeds(5, "wrong_hash")
def _(town, patch):
    event_of(town, "rejected", "reject").update(reason_code="reject_terms_unfair")


@seeds(5, "figures_moved")
def _(town, patch):
    drop_triggers()
    OutcomeEvent.objects.filter(action="confirm").update(figures={})


@seeds(5, "figures_exchanged")
def _(town, patch):
    Outcome.objects.update(gmv_cents=F("gmv_cents") + 1)


@seeds(5, "result_exchanged")
def _(town, patch):
    day = begin_match_day(actor=make_staff(), settings=Settings(next_week()))
    MatchDay.objects.filter(pk=day.pk).update(digest="f" * 64)


@seeds(5, "trigger_missing")
def _(town, patch):
    drop_triggers()


@seeds(6, What.APPROVER_IS_PARTY)
def _(town, patch):
    Membership.objects.create(user=town.staff, anchor=town.anchors[1])
    Membership.objects.filter(user=town.staff).update(created_at=timezone.now() - timedelta(days=1))


@seeds(6, What.APPROVER_DIFFERS)
def _(town, patch):
    Match.objects.filter(pk=town.matches["approved"].pk).update(approved_by=make_user())


@seeds(7, "terms_altered")
def _(town, patch):
    drop_triggers()
    Terms.objects.filter(match=town.matches["approved"]).update(slot_fee_cents=1)


@seeds(7, "terms_unknown")
def _(town, patch):
    event_of(town, "approved", "approve").update(terms_digest="0" * 64)


@seeds(7, "terms_moved")
def _(town, patch):
    event_of(town, "countered", "counter").update(action="accept")


@seeds(7, "terms_exchanged")
def _(town, patch):
    first = Terms.objects.get(match=town.matches["countered"], number=1)
    Match.objects.filter(pk=town.matches["countered"].pk).update(terms=first)


# --- 8 to 10 -----------------------------------------------------------------------------------------


def blind(patch):
    """A build that serves lists as they were stored, without the look at the rows of now."""
    look = Subject.against

    def unseeing(self, partner_ids):
        fresh = look(self, partner_ids)
        return Fresh(np.zeros_like(fresh.codes), fresh.partners)

    patch.setattr(Subject, "against", unseeing)


@seeds(8, What.SHOWN_INELIGIBLE)
def _(town, patch):
    blind(patch)
    Anchor.objects.filter(pk=town.anchors[2].pk).update(verification="pending")


@seeds(8, What.SHOWN_EXCLUDED)
def _(town, patch):
    blind(patch)
    Reaction.objects.create(side="stall", stall=town.stalls[3], anchor=town.anchors[4], kind="never")


@seeds(9, What.TWO_CURRENT_LISTS)
def _(town, patch):
    drop_constraint(RecommendationList, "one_current_list")
    row = RecommendationList.objects.filter(superseded_at=None).first()
    fields = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}
    RecommendationList.objects.create(**{k: v for k, v in fields.items() if k not in ("id", "public_id")})


@seeds(9, What.LIST_TORN)
def _(town, patch):
    row = RecommendationList.objects.filter(superseded_at=None).first()
    RecommendationList.objects.filter(pk=row.pk).update(scores=bytes(row.scores)[:-4])


@seeds(10, What.NOT_REPEATABLE)
def _(town, patch):
    fit, numbers = lists_of_invariants.fit, itertools.count()
    patch.setattr(
        lists_of_invariants, "fit", lambda market, config, seed: fit(market, config, seed=next(numbers))
    )


@seeds(10, What.MODEL_ALTERED)
def _(town, patch):
    EngineRun.objects.update(model=b"other")


# --- 11 to 14 ----------------------------------------------------------------------------------------


def job(**fields):
    ago = timezone.now() - timedelta(minutes=5)
    return Job.objects.create(**({"kind": "test", "dedupe_key": "test", "not_before": ago} | fields))


@seeds(11, What.JOB_WAITS)
def _(town, patch):
    job()


@seeds(11, What.JOB_LOST)
def _(town, patch):
    job(state=JobState.RUNNING, lease_until=timezone.now() - timedelta(minutes=5))


@seeds(11, What.JOB_DEAD)
def _(town, patch):
    job(state=JobState.DEAD)


@seeds(11, What.JOB_TWICE)
def _(town, patch):
    drop_constraint(Job, "one_queued_job_per_key")
    job(), job()


@seeds(11, What.LIST_DUE)
def _(town, patch):
    Stall.objects.filter(pk=town.stalls[2].pk).update(version=F("version") + 1)
    DueParty.objects.filter(side="stall", party_id=town.stalls[2].pk).delete()


@seeds(12, What.KEY_TWICE)
def _(town, patch):
    drop_constraint(IdempotencyKey, "one_answer_per_key")
    row = IdempotencyKey.objects.get()
    IdempotencyKey.objects.create(pk=999_999, user=row.user, key=row.key, digest=row.digest, status=201)


@seeds(12, What.KEY_UNANSWERED)
def _(town, patch):
    IdempotencyKey.objects.update(status=0)


@seeds(12, What.KEY_WITHOUT_DIGEST)
def _(town, patch):
    IdempotencyKey.objects.update(digest="0" * 63 + "g")


@seeds(13, What.PHONE_FOUND)
def _(town, patch):
    job(args={"to": "+8613800138000"}, not_before=timezone.now())


@seeds(13, What.ID_NUMBER_FOUND)
def _(town, patch):
    Throttle.objects.create(key=f"login:{id_number(7)}", window_at=timezone.now())


@seeds(13, What.CREDIT_CODE_FOUND)
def _(town, patch):
    Notice.objects.update(facts={"who": credit_code(7)})


@seeds(14, What.TOKEN_OF_DISABLED)
def _(town, patch):
    DeviceToken.objects.filter(user=town.blocked).update(revoked_at=None)


@seeds(14, What.MOVE_OF_DISABLED)
def _(town, patch):
    then = timezone.now() - timedelta(minutes=5)
    User.objects.filter(pk=town.staff.pk).update(is_active=False, updated_at=then)


# --- 15 ----------------------------------------------------------------------------------------------


@seeds(15, What.ERASURE_UNFINISHED)
def _(town, patch):
    Erasure.objects.update(finished_at=None)


@seeds(15, What.ERASED_ROW_LEFT)
def _(town, patch):
    DeviceToken.objects.filter(user=town.blocked).update(user=town.erased.user)


@seeds(15, What.ERASED_VALUE_LEFT)
def _(town, patch):
    Stall.objects.filter(pk__in=town.erased.stall_ids).update(description="call 13800138000")


@seeds(15, What.ERASED_ACTIVE)
def _(town, patch):
    RecommendationList.objects.filter(side="stall").update(
        subject_id=town.erased.stall_ids[0], partner_ids=b"x", superseded_at=timezone.now()
    )


# --- 16 ----------------------------------------------------------------------------------------------


@seeds(16, What.MIGRATION_MISSING)
def _(town, patch):
    MigrationRecorder(connection).migration_qs.filter(app="matching", name="0002_town_staff").delete()


@seeds(16, What.CONSTRAINT_MISSING)
def _(town, patch):
    drop_constraint(Match, "one_open_match")


@seeds(16, What.REFERENCE_DANGLES)
def _(town, patch):
    Reaction.objects.create(side="stall", stall_id=999_999, anchor=town.anchors[0], kind="like")


@seeds(16, What.DATABASE_DAMAGED)
def _(town, patch):
    drop_constraint(WeekLoad, "week_load_within_capacity")
    WeekLoad.objects.filter(used__gt=0).update(capacity=0)
    if connection.vendor == "sqlite":
        say("PRAGMA ignore_check_constraints = 0")
    else:
        say("ALTER TABLE matching_weekload ADD CONSTRAINT spoiled CHECK (used <= capacity) NOT VALID")
