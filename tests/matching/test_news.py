"""Who is told of which move, in which words: every move of the table, both languages, once and only once."""

import re
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django.utils.translation import override

from accounts.models import ReasonCode
from jobs.models import Job
from matching.choices import MatchStatus, OutcomeStatus, Role
from matching.models import Booking, Match, MatchEvent, Outcome, OutcomeEvent
from matching.notices import ESCALATE, MOVES, OUTCOMES, case_of
from matching.services import matches as services
from matching.services.news import tell_of_escalation, tell_of_move, tell_of_outcome
from matching.signals import outcome_changed
from matching.states import OUTCOME_TRANSITIONS, TRANSITIONS
from matchmaker.core.errors import Conflict
from notifications.models import Notice
from notifications.selectors import texts_of
from tests.admin.conftest import compiled_words  # noqa: F401 (a fixture)
from tests.matching import life
from tests.matching.market import make_anchor, make_staff, make_stall, make_user, member_of, proposed, session
from tests.matching.market import terms as some_terms

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("compiled_words")]
MEMBERS = {
    "stall": "stall",
    "stall's other": "stall",
    "stall's, in staff": "stall",
    "anchor": "anchor",
    "anchor's other": "anchor",
}
DECIDERS = {"staff": "staff", "staff's other": "staff"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def town(db):
    return life.Town()


def told(town, **which):
    """Who has a notice of this, and as whom each of them reads it; everybody at most once."""
    rows = list(Notice.objects.filter(**which).values_list("user_id", "facts"))
    assert len({user_id for user_id, _facts in rows}) == len(rows)
    return {town.name_of(user_id): facts["as"] for user_id, facts in rows}


def check_words(notices, names, reason_code=""):
    """Every notice is told in both languages, with who, what and why, and with nothing left open."""
    for language in ("en", "zh-hans"):
        with override(language):
            reason = ReasonCode.objects.get(code=reason_code).name if reason_code else ""
            for told in texts_of(notices).values():
                text = f"{told.title} {told.body}"
                assert any(name in told.title for name in names), text
                assert reason in told.body and "%(" not in text, text
                assert "–" not in told.body and "this news" not in text.lower(), text
                assert bool(CHINESE.search(told.title)) == (language != "en"), text


# --- every move ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "status", "role"), life.MOVES)
def test_every_move_tells_those_it_concerns(town, action, status, role):
    match = town.make(action, town.bring(status, action, role), role)
    life.deliver()
    event = match.events.last()
    assert (event.action, event.actor_role) == (action, role)
    expected = MEMBERS | (DECIDERS if event.to_status == "agreed" else {})
    if role != "system":
        expected.pop(role, None)
    key = f"match:{match.public_id}:{event.seq}"
    assert told(town, key=key) == expected
    notices = list(Notice.objects.filter(key=key))
    assert {notice.subject_id for notice in notices} == {match.public_id}
    check_words(notices, (town.stall.name, town.anchor.display_name), event.reason_code)
    if match.status == "proposed":
        answers = {datetime.fromisoformat(notice.facts["answer_by"]) for notice in notices}
        assert answers == {match.deadline_at}


@pytest.mark.parametrize("first", ["stall", "anchor"])
def test_what_staff_propose_waits_for_both_and_tells_of_each_answer(town, first):
    match = town.make("propose", None, "staff")
    second = "anchor" if first == "stall" else "stall"
    for answering in (first, second):
        match = services.accept_match(actor=town.people[answering], match=match)
    life.deliver()
    key = f"match:{match.public_id}:2"
    expected = {name: side for name, side in MEMBERS.items() if name != first}
    assert told(town, key=key) == expected
    notices = list(Notice.objects.filter(key=key))
    check_words(notices, (town.stall.name, town.anchor.display_name))
    assert {case_of(notice.facts)[0] for notice in notices} == {"accept_first"}
    deadlines = {notice.facts["answer_by"] for notice in Notice.objects.exclude(key__endswith=":3")}
    assert len(deadlines) == 1
    assert told(town, key=f"match:{match.public_id}:3").keys() >= DECIDERS.keys()


def cases_of(table, staff_hear):
    """Every line that the table needs: by each role, for each reader."""
    for row in table:
        for source in row.sources:
            for mover in row.by:
                facts = {"action": row.action, "from": source, "to": row.target, "by": mover}
                yield from (case_of(facts | {"as": side}) for side in ("stall", "anchor"))
                if row.target == staff_hear:
                    yield case_of(facts | {"as": Role.STAFF})


def test_every_move_has_its_words_and_no_words_are_for_nothing():
    needed = set(cases_of(TRANSITIONS, MatchStatus.AGREED))
    # Of a proposal of staff one acceptance comes first.
    needed |= {("accept_first", "us"), ("accept_first", "them"), (ESCALATE, "staff")}
    assert set(MOVES) == needed
    assert set(OUTCOMES) == set(cases_of(OUTCOME_TRANSITIONS, OutcomeStatus.DISPUTED))


def test_what_is_told_late_says_what_was_true_then(town):
    match = proposed(town.stall, town.anchor)
    asked_until = match.deadline_at
    later = some_terms(session(3))
    match = services.counter_match(actor=town.people["anchor"], match=match, terms=later)
    services.accept_match(actor=town.people["stall"], match=match)
    assert life.deliver() == 3
    first = Notice.objects.filter(key__endswith=":1").first()
    assert first.facts["to"] == "proposed"
    assert datetime.fromisoformat(first.facts["answer_by"]) == asked_until
    last = Notice.objects.filter(key__endswith=":3").first()
    assert datetime.fromisoformat(last.facts["first_session_at"]) == later.sessions[0].starts_at


def test_times_are_those_of_the_town(town):
    match = town.bring("agreed", "approve", "staff")
    life.deliver()
    starts_at = session().starts_at
    notices = Notice.objects.filter(user=town.people["staff"])
    with override("en"):
        (text,) = texts_of(notices).values()
    assert text.body.endswith(f"begins at {starts_at:%Y-%m-%d %H:%M}.") and starts_at.hour == 20
    assert text.title == f"Waits for approval: {match.stall.name} – {match.anchor.display_name}"


@pytest.mark.parametrize("proposer", ["stall", "anchor"])
def test_who_stands_on_both_sides_reads_as_the_one_that_has_to_answer(town, proposer):
    both = town.people["stall's other"]
    both.memberships.create(anchor=town.anchor)
    match = proposed(town.stall, town.anchor, side=proposer)
    answering = "anchor" if proposer == "stall" else "stall"
    services.decline_match(actor=town.people[answering], match=match)
    life.deliver()
    read_as = [notice.facts["as"] for notice in Notice.objects.filter(user=both).order_by("pk")]
    assert read_as == [answering, proposer]


def test_a_side_that_everybody_has_left_is_no_obstacle(town):
    proposed(town.stall, town.anchor)
    town.anchor.memberships.all().delete()
    life.deliver()
    assert set(told(town)) == {"stall's other", "stall's, in staff"}


# --- waiting for staff, outcomes -------------------------------------------------------------------


def test_staff_who_may_decide_are_told_what_waits_too_long(town):
    match = town.bring("agreed", "approve", "staff")
    life.deliver()
    Match.objects.update(agreed_at=timezone.now() - timedelta(hours=25))
    for _tick in range(3):
        services.keep_deadlines()
    assert life.deliver() == 1
    tell_of_escalation(match_id=match.pk)
    key = f"match:{match.public_id}:escalate"
    assert told(town, key=key) == DECIDERS
    check_words(Notice.objects.filter(key=key), (town.stall.name,))


def record(match, action, role, actor, to_status, reason_code=""):
    """Write the outcome of the match's session and its event, as the service of outcomes does."""
    figures = {name: 1 for name in ("gmv_cents", "orders", "buyers", "views", "viewers", "duration_seconds")}
    outcome, _new = Outcome.objects.get_or_create(booking=Booking.objects.get(match=match), defaults=figures)
    with transaction.atomic():
        event = OutcomeEvent.objects.create(
            outcome=outcome,
            seq=outcome.events.count() + 1,
            action=action,
            to_status=to_status,
            actor_id=actor.pk,
            actor_role=role,
            reason_code=reason_code,
            at=timezone.now(),
            hash="0" * 64,
        )
        outcome_changed.send(sender=Outcome, outcome=outcome, event=event)
    return event


@pytest.mark.parametrize(
    ("action", "to_status", "role"),
    [(r.action, r.target, role) for r in OUTCOME_TRANSITIONS for role in sorted(r.by)],
)
def test_every_word_about_an_outcome_reaches_the_other_side(town, action, to_status, role):
    match = town.bring("approved", "complete", "staff")
    settler = make_staff("change_outcome")
    town.people["staff, to settle"] = settler
    life.deliver()
    reason = "dispute_sales" if action == "dispute" else ""
    event = record(match, action, role, town.people[role], to_status, reason)
    assert life.deliver() == 1
    tell_of_outcome(event_id=event.pk)
    expected = MEMBERS | ({"staff, to settle": "staff"} if action == "dispute" else {})
    expected.pop(role, None)
    assert told(town, topic="outcome") == expected
    notices = list(Notice.objects.filter(topic="outcome"))
    assert {notice.subject_id for notice in notices} == {match.public_id}
    check_words(notices, (town.stall.name, town.anchor.display_name), reason)


# --- once and only once ----------------------------------------------------------------------------


def test_a_job_that_is_repeated_tells_nobody_twice(town):
    match = town.bring("agreed", "approve", "staff")
    life.deliver()
    before = list(Notice.objects.order_by("pk").values())
    for event in MatchEvent.objects.filter(match=match):
        for _again in range(5):
            tell_of_move(event_id=event.pk)
    assert list(Notice.objects.order_by("pk").values()) == before and before


def test_what_a_lost_worker_left_half_told_is_told_to_the_others(town):
    town.bring("agreed", "approve", "staff")
    life.deliver()
    before = told(town, key__endswith=":2")
    kept = set(Notice.objects.filter(key__endswith=":2").order_by("pk")[:2].values_list("pk", flat=True))
    Notice.objects.filter(key__endswith=":2").exclude(pk__in=kept).delete()
    tell_of_move(event_id=MatchEvent.objects.get(action="accept").pk)
    assert told(town, key__endswith=":2") == before
    assert kept <= set(Notice.objects.values_list("pk", flat=True))


def test_a_move_that_was_refused_or_rolled_back_is_no_news(town):
    match = proposed(town.stall, town.anchor)
    asked = Job.objects.filter(kind="matching.tell_of_move")
    assert asked.count() == 1
    with pytest.raises(Conflict):
        services.accept_match(actor=town.people["stall"], match=match)
    with pytest.raises(RuntimeError), transaction.atomic():
        services.decline_match(actor=town.people["anchor"], match=match)
        raise RuntimeError
    assert asked.count() == 1


def test_news_hold_no_contact_and_no_note(town):
    secret = "ring 13812345678"
    match = services.propose_match(
        actor=town.people["stall"],
        side="stall",
        stall=town.stall,
        anchor=town.anchor,
        terms=some_terms(),
        note=secret,
    )
    services.decline_match(actor=town.people["anchor"], match=match, reason_code="decline_other", note=secret)
    life.deliver()
    hidden = [secret, town.anchor.real_name, town.anchor.contact_phone, town.stall.merchant.contact_phone]
    notices = list(Notice.objects.all())
    texts = texts_of(notices)
    shown = " ".join(f"{texts[row.pk]} {row.facts} {row.key}" for row in notices)
    jobs = " ".join(f"{job.args} {job.result}" for job in Job.objects.all())
    assert notices and not [word for word in hidden if word in shown + jobs]


def test_telling_costs_the_same_however_many_hear_of_it(django_assert_max_num_queries):
    def cost(members):
        stall, anchor = make_stall(), make_anchor()
        for _member in range(members):
            make_user().memberships.create(merchant=stall.merchant)
        event = proposed(stall, anchor).events.get()
        with django_assert_max_num_queries(20) as captured:
            tell_of_move(event_id=event.pk)
        return len(captured)

    assert cost(1) == cost(12)


def test_a_name_with_signs_of_formatting_is_told_as_it_is(town):
    town.stall.name = "100 %(own)s %s"
    town.stall.save()
    proposed(town.stall, town.anchor)
    life.deliver()
    with override("en"):
        (text,) = texts_of(Notice.objects.filter(user=member_of(town.anchor))).values()
    assert text.title == "100 %(own)s %s proposes a match"
