"""Random lives of matches, step by step against the plain model; every legal move often enough.

`MATCHMAKER_TEST_EXAMPLES` says how many lives of 50 steps (CI: 200; the long run: 400, so 20,000 steps).
"""

import os
import random
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from matching.models import Match, Session, WeekLoad
from matching.selectors.chains import ALL_CHECKS, violations
from matching.services import matches as services
from matchmaker.core.errors import DomainError
from tests.contention.scenarios import recount
from tests.matching.market import make_anchor, make_staff, make_stall, member_of, session, terms
from tests.matching.plain_life import ENDS, PlainTown, Step

EXAMPLES = int(os.environ.get("MATCHMAKER_TEST_EXAMPLES", "12"))
STEPS = 50
# From here on, by all that 20,000 steps showed, a move that is taken too rarely is a fault of the machine.
LONG_RUN = 20_000
MOST_DAYS = 75  # the parties are verified for 90
ON_A_MATCH = ("counter", "accept", "decline", "withdraw", "approve", "reject", "cancel", "complete", "fail")
# (day, hour) of each session: the same hour, one that overlaps it, others of the week, and of two weeks.
PLANS = (((0, 20),), ((0, 21),), ((1, 20),), ((2, 20), (3, 20)), ((4, 20), (5, 20)), ((1, 20), (8, 20)))
# What leads on is tried more often than what ends a match, or few would get far.
WEIGHTS = {
    "propose": 0.4, "counter": 0.4, "accept": 6, "approve": 5, "complete": 20, "fail": 8, "cancel": 0.4,
    "reject": 0.4, "decline": 0.3, "withdraw": 0.3,
}  # fmt: skip
REASONS = {"reject": "reject_other", "cancel": "cancel_other", "fail": "fail_other"}
ROLES = ("stall", "anchor", "staff")
# The moves that the design knows: (action, by, from).
KINDS = {
    *((("propose", by, "")) for by in ("side", "staff")),
    *((action, "side", "proposed") for action in ("counter", "accept", "decline", "withdraw")),
    ("withdraw", "side", "agreed"),
    ("approve", "staff", "agreed"),
    ("reject", "staff", "agreed"),
    ("expire", "system", "proposed"),
    ("expire", "system", "agreed"),
    ("cancel", "side", "approved"),
    ("cancel", "staff", "approved"),
    ("complete", "staff", "approved"),
    ("fail", "staff", "approved"),
}
taken: Counter[tuple[str, str, str]] = Counter()
refused: Counter[str] = Counter()


def terms_of(rng):
    """Terms that people could agree on next week: few hours, so that they get into each other's way."""
    plan, mode = rng.choice(PLANS), rng.choice(("exclusive", "mixed"))
    places = 2 if mode == "mixed" else 1
    wanted = [session(day=day, hour=hour, mode=mode, places=places) for day, hour in plan]
    return terms(*wanted, commission_rate=rng.choice((Decimal("0.1800"), Decimal("0.2000"))))


class Life(RuleBasedStateMachine):
    """Two stalls, two anchors and one of the staff, whose clock stands still between steps."""

    def __init__(self):
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.travel = time_machine.travel(timezone.now(), tick=False)
        self.clock = self.travel.start()
        self.begun = timezone.now()
        self.stalls = [make_stall(weekly_capacity=2) for _ in range(2)]
        self.anchors = [make_anchor(weekly_capacity=2) for _ in range(2)]
        self.staff = make_staff()
        self.town = PlainTown(timezone.now())
        self.rows, self.taken = {}, Counter()

    def teardown(self):
        try:
            recount(self.stalls, self.anchors)
            assert not list(violations(Match.objects.all(), *ALL_CHECKS))
        finally:
            self.travel.stop()
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    # --- steps ---

    def steps(self, wanted):
        """Everything that somebody could try now, with these terms where it takes some."""
        pairs = [(stall, anchor) for stall in range(2) for anchor in range(2)]
        for role in ROLES:
            yield from (Step("propose", role, *pair, terms=wanted) for pair in pairs)
            for match in self.town.matches:
                for action in ON_A_MATCH:
                    yield Step(action, role, match.stall, match.anchor, match, wanted)

    @rule(seed=st.integers(0, 2**32))
    def step(self, seed):
        """One step of any kind; the seed decides, so that a life can be lived again."""
        rng = random.Random(seed)  # noqa: S311 (a seeded life, no secret)
        chance, wanted = rng.random(), terms_of(rng)
        if chance < 0.55:
            self.attempt_legal(rng, [step for step in self.steps(wanted) if self.town.allows(step)])
        elif chance < 0.62:
            self.attempt(rng.choice(list(self.steps(wanted))))
        elif chance < 0.82:
            self.wait(rng)
        else:
            self.keep_deadlines()

    def attempt_legal(self, rng, legal):
        """Choose the kind of move before the move: else proposals, which are the most, crowd out the rest."""
        by_kind = {}
        for step in legal:
            by_kind.setdefault(step.kind, []).append(step)
        if by_kind:
            kinds = sorted(by_kind)
            weights = [WEIGHTS[kind[0]] / (1 + self.taken[kind]) for kind in kinds]
            self.attempt(rng.choice(by_kind[rng.choices(kinds, weights)[0]]))

    def wait(self, rng):
        """Let time pass: often until a session begins or ends, for then there is something to do."""
        held = [match for match in self.town.matches if match.status in ("agreed", "approved")]
        moments = [moment for match in held for moment in (match.first, match.last, match.last)]
        to_come = [moment for moment in moments if moment > timezone.now()]
        hours = rng.choice((1, 25, 73, 24 * 8))
        until = timezone.now() + timedelta(hours=hours)
        if to_come and rng.random() < 0.7:
            until = rng.choice(to_come)
        if (until - self.begun).days < MOST_DAYS:
            self.clock.move_to(until)
            self.town.now = timezone.now()

    def keep_deadlines(self):
        due = [match for match in self.town.matches if self.town._may_expire(match, "system", None)]
        kinds = [Step("expire", "system", match.stall, match.anchor, match).kind for match in due]
        assert services.keep_deadlines()["expired"] == len(due)
        for match, kind in zip(due, kinds, strict=True):
            self.count(kind)
            self.town._end(match, ENDS["expire"])

    def count(self, kind):
        taken[kind] += 1
        self.taken[kind] += 1

    def attempt(self, step):
        allowed, kind = self.town.allows(step), step.kind
        try:
            with transaction.atomic():
                row = self.call(step)
        except DomainError as error:
            assert not allowed, f"{step} was refused: {error!r}"
            refused[error.code] += 1
            return
        assert allowed, f"{step} should have been refused"
        self.count(kind)
        self.rows[row.pk] = self.town.take(step)

    def call(self, step):
        stall, anchor = self.stalls[step.stall], self.anchors[step.anchor]
        actor = {"stall": member_of(stall), "anchor": member_of(anchor), "staff": self.staff}[step.role]
        if step.action == "propose":
            given = {"actor": actor, "stall": stall, "anchor": anchor, "terms": step.terms}
            if step.role == "staff":
                return services.propose_to_both(**given)
            return services.propose_match(**given, side=step.role)
        row = next(pk for pk, plain in self.rows.items() if plain is step.match)
        given = {"actor": actor, "match": Match(pk=row)}
        if step.action == "counter":
            given["terms"] = step.terms
        if step.action in REASONS:
            given["reason_code"] = REASONS[step.action]
        return getattr(services, f"{step.action}_match")(**given)

    # --- what must hold after every step ---

    @invariant()
    def rows_are_as_the_model_says(self):
        rows = Match.objects.select_related("terms").in_bulk()
        assert rows.keys() == self.rows.keys()
        for pk, plain in self.rows.items():
            row = rows[pk]
            assert (row.status, row.awaiting) == (plain.status, plain.awaiting)
            assert (row.terms.digest, row.terms.number) == (plain.terms.digest(), plain.versions)
            assert row.agreed_at == plain.agreed_at and row.ended_at == plain.ended_at
            waits = plain.status in ("proposed", "agreed")
            assert row.deadline_at == (plain.deadline if waits else None)

    @invariant()
    def counters_are_as_the_model_counts(self):
        ids = {("stall", stall.pk): n for n, stall in enumerate(self.stalls)}
        ids |= {("anchor", anchor.pk): n for n, anchor in enumerate(self.anchors)}
        kept = {
            (row.side, ids[row.side, row.party_id], row.week_on): row.used
            for row in WeekLoad.objects.filter(used__gt=0)
        }
        assert kept == dict(self.town.loads())
        places = sum(Session.objects.values_list("places_used", flat=True))
        assert places == len(self.town.held())


@pytest.mark.django_db
def test_lives_go_as_the_model_says():
    taken.clear()
    refused.clear()
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    assert set(taken) <= KINDS
    if EXAMPLES * STEPS >= LONG_RUN:
        print({"taken": {" ".join(kind): count for kind, count in taken.items()}, "refused": dict(refused)})
        assert {kind: taken[kind] for kind in KINDS if taken[kind] < 100} == {}
