"""Loading a town: through the services, with one recomputation, into an empty database."""

import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db.models import F, Sum
from django.utils import timezone

from accounts.models import Anchor, Merchant, Stall, User, Verification
from accounts.services.access import live_api_token
from accounts.services.stalls import update_stall
from jobs.models import Job
from matching.choices import MatchStatus
from matching.models import AnchorHour, Booking, Match, Outcome, Reaction, Session, WeekLoad
from matching.services.events import hash_of
from matching.snapshot.market import read_snapshot
from matchmaker.core.weeks import town_today
from seeds.demo import LOADER_PHONE, PHONES, demo_card
from seeds.generate import make_town

pytestmark = pytest.mark.django_db
SIZE = {"stalls": 40, "anchors": 120, "seed": 11, "progress": "none"}


@pytest.fixture
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    settings.EMBEDDED = True  # on other servers too: with them there are no demo logins
    return tmp_path


@pytest.fixture
def town(var: Path) -> None:
    call_command("seed", **SIZE)


def test_a_small_town_is_loaded_whole(town: None) -> None:
    made = make_town(stalls=40, anchors=120, seed=11, now=timezone.now())
    demo_stalls, demo_parties = 2, 1
    assert Stall.objects.count() == 40 + demo_stalls
    assert Anchor.objects.count() == 120 + demo_parties
    assert Merchant.objects.count() == len(made.merchants) + demo_parties
    assert Match.objects.count() == len(made.history.matches) > 0
    assert Reaction.objects.count() == len(made.history.reactions) > 0
    assert Outcome.objects.count() == Match.objects.filter(status=MatchStatus.COMPLETED).count() > 0
    assert not Outcome.objects.filter(events=None).exists(), "every outcome has its chain"
    assert Stall.history.count() >= Stall.objects.count()


def test_everybodys_suggestions_are_asked_for_once(town: None) -> None:
    assert [job.kind for job in Job.objects.all()] == ["matching.rematch"]
    assert Job.objects.get().requests == 1


def test_announcements_are_heard_again_after_the_load(town: None) -> None:
    stall = Stall.objects.filter(archived_at=None).first()
    assert stall is not None
    update_stall(actor=None, stall=stall, data={"moq": stall.moq + 1})
    assert Job.objects.filter(dedupe_key=f"refresh:stall:{stall.pk}").exists()


def test_dates_lie_where_the_past_was(town: None) -> None:
    today = town_today()
    verified = Merchant.objects.filter(verification="verified")
    assert (
        verified.filter(verified_until__gte=today).count() > verified.filter(verified_until__lt=today).count()
    )
    assert not Merchant.objects.filter(verification="pending", verified_until__isnull=False).exists()
    assert Anchor.objects.filter(created_at__lt=timezone.now() - timezone.timedelta(days=30)).exists()
    assert not Anchor.objects.filter(created_at__gt=timezone.now()).exists()
    assert Verification.objects.filter(merchant__isnull=False).count() == Merchant.objects.exclude(
        verification="pending"
    ).count()  # fmt: skip
    answered = Match.objects.filter(status=MatchStatus.COMPLETED)
    assert not answered.filter(agreed_at__lt=F("created_at")).exists()


def test_every_chain_of_events_can_be_checked(town: None) -> None:
    for match in Match.objects.prefetch_related("events").select_related("terms"):
        link = ""
        for number, event in enumerate(match.events.all(), start=1):
            assert event.seq == number
            assert event.prev_hash == link
            assert event.hash == hash_of(event, match)
            assert match.terms is not None
            assert event.terms_digest == match.terms.digest
            link = event.hash
        assert event.to_status == match.status
        assert match.version == number


def test_what_is_reserved_is_what_lasting_matches_hold(town: None) -> None:
    held = Booking.objects.filter(released_at__isnull=True)
    lasting = (MatchStatus.AGREED, MatchStatus.APPROVED, MatchStatus.COMPLETED)
    assert set(held.values_list("match__status", flat=True)) <= set(lasting)
    assert held.count() == Match.objects.filter(status__in=lasting).count()
    for side in ("stall", "anchor"):
        used = WeekLoad.objects.filter(side=side).aggregate(total=Sum("used"))["total"]
        assert used == held.count()
    assert Session.objects.aggregate(total=Sum("places_used"))["total"] == held.count()
    hours = sum(
        int((session.ends_at - session.starts_at).total_seconds() // 3600)
        for session in Session.objects.filter(places_used__gt=0)
    )
    assert AnchorHour.objects.count() == hours


def test_the_engine_can_read_it(town: None) -> None:
    snapshot, _versions = read_snapshot()
    open_stalls = Stall.objects.filter(archived_at__isnull=True).count()
    assert len(snapshot.stalls) >= open_stalls
    assert snapshot.anchors.completed.sum() > 0
    assert snapshot.anchors.days_since_joined.max() > 30


def test_a_database_in_use_is_left_alone(town: None) -> None:
    with pytest.raises(CommandError, match="--add"):
        call_command("seed", **SIZE)
    assert Stall.objects.count() == 42


def test_a_further_town_fits_beside_the_first(town: None) -> None:
    call_command("seed", add=True, **SIZE)
    assert Stall.objects.count() == 82
    assert Anchor.objects.count() == 241
    assert User.objects.filter(phone=LOADER_PHONE).count() == 1


def test_nonsense_is_refused(var: Path) -> None:
    with pytest.raises(CommandError):
        call_command("seed", stalls=-1)
    assert not User.objects.exists()


def test_progress_is_shown_and_can_be_silent(var: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed", **SIZE, stdout=StringIO())
    assert capsys.readouterr().err == ""


# --- the demo --------------------------------------------------------------------------------------


def test_the_demo_logins_work_and_are_known_to_their_owner_only(town: None, var: Path) -> None:
    card = demo_card()
    assert card is not None
    assert [phone for _role, phone, _password in card.logins] == list(PHONES.values())
    for _role, phone, password in card.logins:
        user = authenticate(None, username=phone, password=password)
        assert user is not None
        assert user.is_staff == (phone == PHONES["staff"])
    assert stat.S_IMODE((var / "demo.json").stat().st_mode) == 0o600


def test_the_demo_staff_may_decide_and_are_no_administrators(town: None) -> None:
    staff = User.objects.get(phone=PHONES["staff"])
    assert staff.has_perms(["matching.decide_match", "matching.view_match", "accounts.view_anchor"])
    assert not staff.is_superuser
    assert not staff.has_perm("auth.change_group")


def test_the_demo_line_asks_for_a_verified_stall_with_a_live_token(town: None) -> None:
    card = demo_card()
    assert card is not None
    token = card.curl.split("Bearer ")[1].rstrip('"')
    row = live_api_token(token)
    assert row is not None
    stall = Stall.objects.get(public_id=card.curl.split("/stalls/")[1].split("/")[0])
    assert stall.merchant.verification == "verified"
    assert stall.merchant.memberships.filter(user=row.user).exists()


def test_there_is_no_card_without_the_embedded_default_or_a_demo(
    town: None, var: Path, settings: Any
) -> None:
    settings.EMBEDDED = False
    assert demo_card() is None
    settings.EMBEDDED = True
    (var / "demo.json").write_text("{}")
    assert demo_card() is None
    (var / "demo.json").unlink()
    assert demo_card() is None


def test_no_demo_logins_outside_the_embedded_default(var: Path, settings: Any) -> None:
    settings.EMBEDDED = False
    call_command("seed", **SIZE)
    assert not User.objects.filter(phone__in=PHONES.values()).exists()
    assert not (var / "demo.json").exists()


def test_nobody_can_sign_in_as_the_loader(town: None) -> None:
    loader = User.objects.get(phone=LOADER_PHONE)
    assert not loader.is_active
    assert not loader.is_staff
    assert not loader.has_usable_password()
