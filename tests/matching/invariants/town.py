"""A small town in which every kind of row is there, made by the services alone."""

from dataclasses import dataclass
from datetime import timedelta

import time_machine
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.digests import digest_of
from accounts.models import Anchor, DeviceToken, Erasure, Stall, User
from accounts.services import erasure as erasures
from accounts.services.access import issue_api_token
from accounts.services.people import block_user
from jobs.models import IdempotencyKey, Job
from matching.models import Match
from matching.services import erasure, outcomes, recommendations
from matching.services import matches as moves
from notifications.models import Notice
from tests.matching.held import BETTER, FIGURES
from tests.matching.market import (
    agreed,
    make_anchor,
    make_staff,
    make_stall,
    make_user,
    member_of,
    proposed,
    session,
    terms,
)


@dataclass
class Town:
    """Who and what the seeds of violations need to name."""

    staff: User
    blocked: User
    stalls: list[Stall]
    anchors: list[Anchor]
    # By the state that they are in; "countered" is proposed with a second version of terms.
    matches: dict[str, Match]
    erased: Erasure


def make_town() -> Town:
    stalls = [make_stall(hosts_at_once=2, weekly_capacity=5) for _ in range(4)]
    anchors = [make_anchor(weekly_capacity=5) for _ in range(5)]
    staff = make_staff()
    matches = _past(stalls, anchors, staff)
    matches |= _present(stalls, anchors, staff)
    erased = make_erased(anchors[0])
    do_all_work()
    matches["countered"] = moves.counter_match(
        actor=member_of(anchors[4]), match=proposed(stalls[0], anchors[4]), terms=terms(session(5))
    )
    user = member_of(stalls[0])
    IdempotencyKey.objects.create(user=user, key="6f0f", digest=digest_of("x"), status=201, body={})
    Notice.objects.create(user=user, key="match:1:1", topic="match", facts={"action": "propose"})
    return Town(staff, make_blocked(), stalls, anchors, matches, erased)


def _past(stalls: list[Stall], anchors: list[Anchor], staff: User) -> dict[str, Match]:
    with time_machine.travel(timezone.now() - timedelta(days=20)):
        completed = approved(stalls[0], anchors[0], staff)
        failed = approved(stalls[1], anchors[1], staff)
        expired = proposed(stalls[2], anchors[2])
    moves.keep_deadlines()
    moves.complete_match(actor=staff, match=completed)
    tell(completed, stalls[0], anchors[0])
    return {
        "completed": completed,
        "failed": moves.fail_match(actor=staff, match=failed, reason_code="fail_other"),
        "expired": Match.objects.get(pk=expired.pk),
    }


def _present(stalls: list[Stall], anchors: list[Anchor], staff: User) -> dict[str, Match]:
    mixed = session(1, mode="mixed", places=3)
    found = {
        "approved": moves.approve_match(actor=staff, match=agreed(stalls[0], anchors[1], session(0), mixed)),
        "agreed": agreed(stalls[1], anchors[1], session(1, mode="mixed", places=3)),
        "declined": moves.decline_match(
            actor=member_of(anchors[3]), match=proposed(stalls[1], anchors[3], session(2))
        ),
        "withdrawn": moves.withdraw_match(
            actor=member_of(stalls[2]), match=agreed(stalls[2], anchors[2], session(3))
        ),
        "rejected": moves.reject_match(
            actor=staff, match=agreed(stalls[2], anchors[3], session(4)), reason_code="reject_other"
        ),
    }
    found["cancelled"] = moves.cancel_match(
        actor=staff, match=approved(stalls[3], anchors[0], staff), reason_code="cancel_other"
    )
    both = moves.propose_to_both(actor=staff, stall=stalls[3], anchor=anchors[3], terms=terms(session(6)))
    found["proposed"] = moves.accept_match(actor=member_of(stalls[3]), match=both)
    return found


def approved(stall: Stall, anchor: Anchor, staff: User) -> Match:
    return moves.approve_match(actor=staff, match=agreed(stall, anchor))


def tell(match: Match, stall: Stall, anchor: Anchor) -> None:
    """Let the sides of a match of one session say what it brought, until they agree."""
    booking = match.bookings.get()
    seller, host = member_of(stall), member_of(anchor)
    outcomes.record_outcome(actor=host, booking=booking, figures=FIGURES)
    outcomes.dispute_outcome(actor=seller, booking=booking, reason_code="dispute_sales")
    outcomes.correct_outcome(actor=host, booking=booking, figures=BETTER)
    outcomes.confirm_outcome(actor=seller, booking=booking)


def make_blocked() -> User:
    """Somebody who had a device and a machine token when staff blocked them."""
    user, admin = make_user(), make_user(is_staff=True)
    admin.user_permissions.set(Permission.objects.filter(codename="change_user"))
    expires_at = timezone.now() + timedelta(days=9)
    DeviceToken.objects.create(user=user, digest=digest_of("d"), session_key="s", expires_at=expires_at)
    issue_api_token(actor=user, user=user, name="t", scopes=["profile:read"], expires_at=expires_at)
    block_user(actor=admin, user=user)
    return user


def make_erased(anchor: Anchor) -> Erasure:
    """A merchant who had a proposal out, erased two minutes ago."""
    stall = make_stall()
    proposed(stall, anchor, session(5), note="see you")
    user = member_of(stall)
    row = erasures.request_erasure(actor=user, user=user)
    erasures.erase(erasure_id=row.pk)
    erasure.forget_person(erasure_id=row.pk)
    Erasure.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    return row


def do_all_work() -> None:
    """Renew every list at once, instead of job after job."""
    recommendations.rematch_everybody()
    Job.objects.all().delete()
