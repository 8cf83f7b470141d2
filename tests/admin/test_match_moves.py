"""What staff do beside approving: propose to both, cancel, complete, note a failure; and who is late."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Membership, User
from matching.admin.decisions import STAFF_MOVES, WORDINGS, moves_from
from matching.choices import MatchStatus, Role
from matching.models import Match, MatchEvent, Session
from matching.services.matches import approve_match
from matching.states import TRANSITIONS
from matchmaker.core.weeks import TOWN_ZONE
from tests.admin.conftest import make_agreed
from tests.admin.test_queue import QUEUE, messages_of, page
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory
from tests.matching.market import session

pytestmark = pytest.mark.django_db
ADD = f"{QUEUE}add/"


@pytest.fixture
def approved(staff_user: User) -> Match:
    return approve_match(actor=staff_user, match=make_agreed())


def pass_sessions() -> None:
    over = timezone.now() - timedelta(days=1)
    Session.objects.update(starts_at=over - timedelta(hours=2), ends_at=over)


def decide(client: Client, action: str, match: Match, reason_code: str = "") -> Any:
    data = {"action": action, "_selected_action": [match.pk], "confirmed": "1", "reason_code": reason_code}
    return client.post(f"{QUEUE}?status={match.status}", data | {"note": ""})


def test_every_move_of_staff_in_the_table_has_its_button_and_its_words() -> None:
    of_staff = [row.action for row in TRANSITIONS if Role.STAFF in row.by and row.action != "propose"]
    assert of_staff == STAFF_MOVES and set(WORDINGS) == set(STAFF_MOVES)
    assert moves_from(MatchStatus.AGREED) == ["approve", "reject"]
    assert moves_from(MatchStatus.APPROVED) == ["cancel", "complete", "fail"]


def test_the_page_offers_what_the_state_allows(staff: Client, approved: Match) -> None:
    html = staff.get(page(approved)).content.decode()
    assert all(f'value="{action}"' in html for action in ("cancel", "complete", "fail"))
    assert 'value="approve"' not in html
    asked = staff.post(f"{QUEUE}?status=approved", {"action": "cancel", "_selected_action": [approved.pk]})
    assert "Cancel these matches" in asked.content.decode()


def test_the_list_offers_what_its_state_allows(staff: Client, approved: Match) -> None:
    make_agreed(1)
    queue = staff.get(QUEUE).content.decode()
    assert 'value="approve"' in queue and 'value="cancel"' not in queue
    held = staff.get(f"{QUEUE}?status=approved").content.decode()
    assert 'value="cancel"' in held and 'value="approve"' not in held


@pytest.mark.parametrize(
    ("action", "reason", "status"),
    [
        ("cancel", "cancel_rule_broken", "cancelled"),
        ("complete", "", "completed"),
        ("fail", "fail_other", "failed"),
    ],
)
def test_staff_end_an_approved_match(
    staff: Client, approved: Match, action: str, reason: str, status: str
) -> None:
    pass_sessions()
    assert decide(staff, action, approved, reason).status_code == 302
    approved.refresh_from_db()
    event = MatchEvent.objects.filter(match=approved).order_by("-seq")[0]
    assert (approved.status, event.action, event.reason_code) == (status, action, reason)


def test_what_is_too_early_is_told(staff: Client, approved: Match) -> None:
    [told] = messages_of(decide(staff, "complete", approved))
    assert "Not all sessions are over yet." in told
    approved.refresh_from_db()
    assert approved.status == MatchStatus.APPROVED


def test_a_side_acts_in_its_own_place_and_not_here(staff: Client, town_staff: User, approved: Match) -> None:
    Membership.objects.create(user=town_staff, anchor=approved.anchor)
    html = staff.get(page(approved)).content.decode()
    assert 'value="cancel"' not in html and 'value="complete"' not in html


def test_who_waits_too_long_is_marked(staff: Client, match: Match) -> None:
    assert "escalated" not in staff.get(QUEUE).content.decode()
    Match.objects.update(escalated_at=timezone.now())
    assert "escalated" in staff.get(QUEUE).content.decode()


# --- proposing -------------------------------------------------------------------------------------


def proposal(**changes: Any) -> dict[str, Any]:
    stall = StallFactory.create(merchant=MerchantFactory.create(owner=UserFactory.create()))
    anchor = AnchorFactory.create(owner=UserFactory.create())
    data = {
        "stall": stall.pk, "anchor": anchor.pk, "commission_percent": "18.5", "slot_fee_yuan": "300",
        "cooperation_mode": "creator_broadcast", "note": "They should meet.",
        "sessions-TOTAL_FORMS": 3, "sessions-INITIAL_FORMS": 0,
        "sessions-0-on": f"{session(2).starts_at:%Y-%m-%d}", "sessions-0-starts": 20, "sessions-0-hours": 2,
        "sessions-0-mode": "exclusive", "sessions-0-places": 1,
    }  # fmt: skip
    for row in (1, 2):
        blank = {"starts": 20, "hours": 2, "mode": "exclusive", "places": 1, "on": ""}
        data |= {f"sessions-{row}-{name}": value for name, value in blank.items()}
    return data | changes


def test_staff_propose_a_match_to_both(staff: Client, town_staff: User) -> None:
    assert "Both sides are asked" in staff.get(ADD).content.decode()
    response = staff.post(ADD, proposal())
    match = Match.objects.get()
    assert response["Location"] == reverse("admin:matching_match_change", args=[match.pk])
    assert (match.status, match.awaiting, match.origin) == ("proposed", "both", "force")
    assert match.terms is not None
    assert (str(match.terms.commission_rate), match.terms.slot_fee_cents) == ("0.1850", 30_000)
    assert match.terms.sessions[0]["starts_at"] == f"{session(2).starts_at:%Y-%m-%d}T12:00:00Z"
    event = MatchEvent.objects.get()
    assert (event.actor_id, event.actor_role) == (town_staff.pk, "staff")
    assert event.note is not None and event.note.text == "They should meet."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stall": ""}, "This field is required."),
        ({"commission_percent": "180"}, "less than or equal to 100"),
        ({"slot_fee_yuan": "-1"}, "greater than or equal to 0"),
        ({"sessions-0-on": ""}, "Give at least one session."),
        ({"sessions-0-on": "2020-01-01"}, "A time to come"),
        ({"sessions-0-mode": "mixed"}, "A mixed session has 2 to 20 places."),
        ({"sessions-0-hours": "13"}, "less than or equal to 12"),
        ({"sessions-TOTAL_FORMS": "x"}, "errorlist"),
    ],
)
def test_what_cannot_be_proposed_is_told_where_it_was_typed(
    staff: Client, changes: dict[str, Any], words: str
) -> None:
    response = staff.post(ADD, proposal(**changes))
    assert response.status_code == 200 and words in response.content.decode()
    assert not Match.objects.exists()


def test_rules_hold_for_staff_too(staff: Client, town_staff: User) -> None:
    data = proposal()
    type(make_agreed().anchor).objects.filter(pk=data["anchor"]).update(verification="pending")
    before = Match.objects.count()
    assert "one of the two is not verified" in staff.post(ADD, data).content.decode()
    data = proposal()
    Membership.objects.create(user=town_staff, anchor_id=data["anchor"])
    assert "You belong to one of the two sides" in staff.post(ADD, data).content.decode()
    assert Match.objects.count() == before


def test_only_who_may_propose_sees_the_page(client_of: Any, staff_user: User) -> None:
    staff_user.user_permissions.set(
        staff_user.user_permissions.model.objects.filter(codename__in=["view_match", "decide_match"])
    )
    client = client_of(staff_user)
    assert client.get(ADD).status_code == 403 and client.post(ADD, proposal()).status_code == 403
    assert "addlink" not in client.get(QUEUE).content.decode()


def test_hours_are_the_towns(staff: Client) -> None:
    staff.post(ADD, proposal(**{"sessions-0-starts": 23, "sessions-0-hours": 3}))
    wanted = Match.objects.get().terms.sessions[0]  # type: ignore[union-attr]
    starts = session(2, hour=23).starts_at
    assert wanted["starts_at"] == f"{starts.astimezone(timezone.get_fixed_timezone(0)):%Y-%m-%dT%H:%M:%SZ}"
    assert starts.tzinfo == TOWN_ZONE
