"""The queue of agreed matches: what it shows, and deciding one and many."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Membership, User
from jobs.models import Job, JobState
from jobs.tasks import run_job
from matching.choices import MatchStatus
from matching.models import Booking, Match, MatchEvent, Note
from matching.services.matches import counter_match
from matching.services.matches.moving import write_terms
from tests.admin.conftest import fit_engine, make_agreed
from tests.factories import StallFactory, UserFactory
from tests.matching.market import make_anchor, member_of, proposed, session, terms
from tests.matching.test_norms import FIVE, market

pytestmark = pytest.mark.django_db
QUEUE = "/admin/matching/match/"


def choose(client: Client, action: str, *matches: Match, **extra: Any) -> Any:
    data = {"action": action, "_selected_action": [match.pk for match in matches], **extra}
    return client.post(QUEUE, data)


def decide(client: Client, action: str, *matches: Match, reason_code: str = "", note: str = "") -> Any:
    """Send the confirmation page."""
    return choose(client, action, *matches, confirmed="1", reason_code=reason_code, note=note)


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def page(match: Match) -> str:
    return reverse("admin:matching_match_change", args=[match.pk])


def test_the_queue_shows_agreed_matches_oldest_first(staff: Client) -> None:
    first, second, third = (make_agreed(number) for number in range(3))
    now = timezone.now()
    for match, hours in ((first, 1), (second, 30), (third, 5)):
        Match.objects.filter(pk=match.pk).update(agreed_at=now - timedelta(hours=hours))
    Match.objects.filter(pk=make_agreed(3).pk).update(status=MatchStatus.APPROVED)
    shown = staff.get(QUEUE).context["cl"].result_list
    assert [match.pk for match in shown] == [second.pk, third.pk, first.pk]


def test_a_row_of_the_queue_tells_score_terms_sessions_and_waiting(staff: Client, match: Match) -> None:
    fit_engine()
    Match.objects.update(agreed_at=timezone.now() - timedelta(days=2, hours=3))
    html = staff.get(QUEUE).content.decode()
    assert "2 d 3 h" in html
    assert "commission rate 18%" in html and "pure commission" in html
    assert "18:00–20:00, exclusive session" in html
    assert "stall → anchor" in html and "carried out" in html
    brief = staff.get(QUEUE).context["cl"].result_list[0].brief
    assert brief.score is not None and f"<b>{brief.score:.1f}</b>" in html
    parts = sum(round(100 * part.total) for part in brief.parts)
    assert round(100 * brief.base) + parts == round(100 * brief.score)


def test_hard_rules_are_told_in_words(staff: Client, match: Match) -> None:
    match.stall.merchant.licence_expires_on = timezone.localdate() - timedelta(days=1)
    match.stall.merchant.save()
    assert "the business licence has expired" in staff.get(QUEUE).content.decode()
    assert "the business licence has expired" in staff.get(page(match)).content.decode()


def test_a_closed_hour_is_a_conflict(staff: Client, match: Match) -> None:
    type(match.anchor).objects.filter(pk=match.anchor_id).update(availability="1" + "0" * 167)
    assert "the anchor is not free at" in staff.get(QUEUE).content.decode()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["waiting for approval", "carried out", "Approve …", "commission rate"]),
        ("zh-hans", ["待审批", "佣金率", "档口", "主播"]),
    ],
)
def test_the_queue_speaks_both_languages(
    client_of: Callable[..., Client],
    town_staff: User,
    match: Match,
    compiled_words: None,
    language: str,
    words: list[str],
) -> None:
    fit_engine()
    html = client_of(town_staff, language).get(QUEUE).content.decode()
    assert [word for word in words if word not in html] == []


def test_the_page_of_a_match_holds_everything(staff: Client, match: Match) -> None:
    fit_engine()
    html = staff.get(page(match)).content.decode()
    anchor, merchant = match.anchor, match.stall.merchant
    for text in (
        match.stall.name, anchor.display_name, merchant.name, merchant.contact_phone, anchor.contact_phone,
        "120,000", "proposed", "accepted", "average pair", "History", "Approve …", "Reject …",
    ):  # fmt: skip
        assert text in html, text
    assert "stored" not in html and 'name="status"' not in html


def test_the_page_tells_what_changed_between_versions_and_what_is_usual(staff: Client) -> None:
    market(*FIVE)
    match = proposed(StallFactory.create(merchant__owner=UserFactory.create()), make_anchor())
    wanted = terms(session(day=2), commission_rate=Decimal("0.2"))
    counter_match(actor=member_of(match.anchor), match=match, terms=wanted)
    html = staff.get(page(match)).content.decode()
    assert "Commission 18% → 20%" in html and "Session moved: " in html
    assert "half of 5 agreed matches have a commission of 20% to 40%" in html
    assert html.index("version 2") < html.index("Commission 18%") < html.index("version 1")


def test_the_page_costs_the_same_for_many_versions(
    staff: Client, match: Match, django_assert_max_num_queries: Any
) -> None:
    counts = []
    for _round in range(2):
        staff.get(page(match))
        with django_assert_max_num_queries(60) as captured:
            staff.get(page(match))
        counts.append(len(captured))
        for number in range(2, 6):
            write_terms(match, terms(session(day=number)), proposed_by="stall")
        market(*FIVE)
    assert counts[0] == counts[1]


def test_approving_asks_first_and_changes_nothing(staff: Client, match: Match) -> None:
    response = choose(staff, "approve", match)
    assert response.status_code == 200
    assert "Approve these matches" in response.content.decode()
    assert "commission rate 18%" in response.content.decode()
    match.refresh_from_db()
    assert match.status == MatchStatus.AGREED


def test_a_confirmed_approval_approves_with_its_note(staff: Client, match: Match, town_staff: User) -> None:
    response = decide(staff, "approve", match, note="Checked by phone.")
    assert response.status_code == 302
    match.refresh_from_db()
    event = MatchEvent.objects.filter(match=match).order_by("-seq")[0]
    assert (match.status, match.approved_by) == (MatchStatus.APPROVED, town_staff)
    assert (event.action, event.actor_id, event.note.text) == ("approve", town_staff.pk, "Checked by phone.")
    assert messages_of(response) == ["1 done."]


def test_many_are_approved_and_the_refused_are_told_one_by_one(staff: Client) -> None:
    good, bad, gone = (make_agreed(number) for number in range(3))
    bad.stall.merchant.licence_expires_on = timezone.localdate() - timedelta(days=1)
    bad.stall.merchant.save()
    Match.objects.filter(pk=gone.pk).update(status=MatchStatus.WITHDRAWN)
    response = decide(staff, "approve", good, bad, gone)
    states = dict(Match.objects.values_list("pk", "status"))
    assert states[good.pk] == MatchStatus.APPROVED
    assert states[bad.pk] == MatchStatus.AGREED
    assert states[gone.pk] == MatchStatus.WITHDRAWN
    told = messages_of(response)
    assert told[0] == "1 done." and len(told) == 3
    assert str(bad) in told[1] and "the business licence has expired" in told[1]
    assert str(gone) in told[2]


def test_rejecting_needs_a_reason(staff: Client, match: Match) -> None:
    response = decide(staff, "reject", match)
    assert response.status_code == 200 and "This field is required." in response.content.decode()
    response = decide(staff, "reject", match, reason_code="no_such_reason")
    assert response.status_code == 200
    match.refresh_from_db()
    assert match.status == MatchStatus.AGREED


def test_a_rejection_keeps_its_reason_and_frees_the_hours(staff: Client, match: Match) -> None:
    assert Booking.objects.filter(match=match, released_at__isnull=True).count() == 1
    assert decide(staff, "reject", match, reason_code="reject_terms_unfair").status_code == 302
    match.refresh_from_db()
    assert match.status == MatchStatus.REJECTED
    assert MatchEvent.objects.filter(match=match, reason_code="reject_terms_unfair").count() == 1
    assert not Booking.objects.filter(match=match, released_at__isnull=True).exists()


def test_nothing_of_a_match_can_be_posted(staff: Client, match: Match) -> None:
    superuser = UserFactory.create(is_staff=True, is_superuser=True)
    admin = Client()
    admin.force_login(superuser, backend="django.contrib.auth.backends.ModelBackend")
    for client in (staff, admin):
        for url in (page(match), f"{QUEUE}add/", f"{QUEUE}{match.pk}/delete/"):
            data = {"status": "approved", "awaiting": "", "post": "yes", "_save": "Save"}
            refused = client.post(url, data)
            # The page that proposes takes terms, and nothing else of a match.
            assert refused.status_code == (200 if url.endswith("add/") else 403), url
    assert Match.objects.count() == 1
    before = Match.objects.values().get(pk=match.pk)
    assert before["status"] == MatchStatus.AGREED


def test_without_the_permission_nobody_decides(client_of: Callable[..., Client], match: Match) -> None:
    plain = client_of(UserFactory.create(is_staff=True))
    assert plain.get(QUEUE).status_code == 403
    assert plain.get(page(match)).status_code == 403
    decide(plain, "approve", match)
    match.refresh_from_db()
    assert match.status == MatchStatus.AGREED


def test_who_may_only_look_sees_no_decisions(
    client_of: Callable[..., Client], match: Match, staff_user: User
) -> None:
    staff_user.user_permissions.set(staff_user.user_permissions.model.objects.filter(codename="view_match"))
    client = client_of(staff_user)
    assert "Approve …" not in client.get(page(match)).content.decode()
    decide(client, "approve", match)
    match.refresh_from_db()
    assert match.status == MatchStatus.AGREED


def test_a_party_to_the_match_cannot_approve_it(staff: Client, town_staff: User, match: Match) -> None:
    Membership.objects.create(user=town_staff, anchor=match.anchor)
    assert "Approve …" not in staff.get(page(match)).content.decode()
    told = messages_of(decide(staff, "approve", match))
    match.refresh_from_db()
    assert match.status == MatchStatus.AGREED
    assert any("You belong to one of the two sides" in text for text in told)


@pytest.mark.parametrize("user", [None, "merchant"])
def test_outsiders_are_sent_to_the_login(
    client_of: Callable[..., Client], match: Match, merchant_user: User, user: str | None
) -> None:
    client = client_of(merchant_user if user else None)
    for url in ("/admin/", QUEUE, page(match)):
        response = client.get(url)
        assert response.status_code == 302 and "/admin/login/" in response["Location"]


def test_a_long_selection_becomes_a_job_with_progress(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matching.admin.matches.DECIDED_AT_ONCE", 2)
    matches = [make_agreed(number) for number in range(3)]
    Match.objects.filter(pk=matches[2].pk).update(status=MatchStatus.WITHDRAWN)
    response = decide(staff, "approve", *matches, note="All seen.")
    job = Job.objects.get(kind="matching.decide_matches")
    assert response["Location"] == f"{QUEUE}decisions/{job.public_id}/"
    assert "All seen." not in str(job.args)

    progress = staff.get(response["Location"])
    assert progress["Refresh"] == "1" and "<progress" in progress.content.decode()
    run_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.DONE, job.error
    assert Match.objects.filter(status=MatchStatus.APPROVED).count() == 2
    assert MatchEvent.objects.filter(action="approve", note__text="All seen.").count() == 2
    assert not Note.objects.filter(pk=job.args["note_id"], text="All seen.").exists()

    over = staff.get(response["Location"])
    html = over.content.decode()
    assert "Refresh" not in over and "2 matches decided." in html and str(matches[2]) in html


def test_the_queue_costs_the_same_for_one_and_for_many(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    counts = []
    for total in (1, 6):
        while Match.objects.count() < total:
            make_agreed(Match.objects.count())
        fit_engine()
        staff.get(QUEUE)
        with django_assert_max_num_queries(60) as captured:
            staff.get(QUEUE)
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_the_page_costs_the_same_for_a_long_history(
    staff: Client, match: Match, django_assert_max_num_queries: Any
) -> None:
    fit_engine()
    counts = []
    for _round in range(2):
        staff.get(page(match))
        with django_assert_max_num_queries(60) as captured:
            staff.get(page(match))
        counts.append(len(captured))
        _repeat_last_event(match, times=5)
    assert counts[0] == counts[1]


def _repeat_last_event(match: Match, times: int) -> None:
    last = MatchEvent.objects.filter(match=match).order_by("-seq")[0]
    for seq in range(last.seq + 1, last.seq + 1 + times):
        last.pk, last.seq, last.actor_id = None, seq, UserFactory.create().pk
        last.note = Note.objects.create(text="again")
        last.save(force_insert=True)
