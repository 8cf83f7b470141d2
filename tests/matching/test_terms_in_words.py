"""Terms, their changes and the norms in words: by hand, and by what must hold of any two terms."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as some

from accounts.choices import CooperationMode
from matching.models import Terms
from matching.selectors.norms import Norm, Quartiles
from matching.terms import TermsDraft, WantedSession
from matching.terms_in_words import changes_between, norm_sentence, preview_of, session_lines, terms_lines
from matchmaker.core.money import exact_percent
from matchmaker.core.weeks import TOWN_ZONE

MONDAY = datetime(2026, 12, 7, tzinfo=TOWN_ZONE)
CATALOGUE = (settings.BASE_DIR / "locale/zh_Hans/LC_MESSAGES/django.po").read_text(encoding="utf-8")


def session(day=0, hour=20, length=2, **fields):
    starts_at = MONDAY + timedelta(days=day, hours=hour)
    return WantedSession(starts_at, starts_at + timedelta(hours=length), **fields)


def terms(*sessions, rate="0.18", fee=0, mode="creator_broadcast"):
    return TermsDraft(Decimal(rate), fee, mode, sessions or (session(),))


def row_of(draft):
    """The same terms as they come from the database."""
    return Terms(
        commission_rate=draft.commission_rate,
        slot_fee_cents=draft.slot_fee_cents,
        cooperation_mode=draft.cooperation_mode,
        sessions=draft.sessions_as_json(),
    )


@pytest.fixture(autouse=True)
def in_english():
    with override("en"):
        yield


def texts(before, after):
    return [change.text for change in changes_between(before, after)]


# --- preview ---------------------------------------------------------------------------------------


def test_a_preview_of_pure_commission():
    assert preview_of(terms()) == (
        "Commission 18% of settled sales; no slot fee (pure commission)."
        " Creator broadcast on the anchor's account."
        " 1 session: Mon 7 Dec 2026 20:00–22:00, exclusive session."
        " Example: at sales of ¥10,000 the stall pays ¥1,800."
    )


def test_a_preview_of_a_fee_for_each_of_several_sessions():
    late = session(day=2, hour=22, length=4, mode="mixed", places=5)
    # Written in another order than they take place.
    wanted = terms(late, session(hour=21, length=3), rate="0.1825", fee=50_050, mode="store_broadcast")
    assert preview_of(wanted) == (
        "Commission 18.25% of settled sales; slot fee ¥500.50 for each of 2 sessions, ¥1,001 in all."
        " Store broadcast on the stall's account."
        " 2 sessions: Mon 7 Dec 2026 21:00–24:00, exclusive session;"
        " Wed 9 Dec 2026 22:00–02:00 the next day, mixed session with 5 places."
        " Example: at sales of ¥10,000 in a session the stall pays ¥2,325.50:"
        " ¥1,825 commission and ¥500.50 slot fee."
    )


def test_a_single_session_has_one_fee():
    assert "slot fee ¥500 for the session." in preview_of(terms(fee=50_000, mode="roaming_broadcast"))


@pytest.mark.parametrize("mode", CooperationMode.values)
def test_every_mode_has_a_sentence(mode):
    assert preview_of(terms(mode=mode)).count(". ") >= 3


def test_a_row_reads_as_the_draft_that_it_stores():
    draft = terms(session(day=3), session(), rate="0.2", fee=100)
    assert preview_of(row_of(draft)) == preview_of(draft)
    assert session_lines(row_of(draft)) == session_lines(draft) and terms_lines(None) == []
    assert terms_lines(draft) == [
        "commission rate 20%", "slot fee ¥1", "creator broadcast (the anchor's account)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "text"), [("0", "0%"), ("0.1", "10%"), ("0.1825", "18.25%"), ("0.005", "0.5%"), ("1", "100%")]
)
def test_a_rate_keeps_every_digit(rate, text):
    assert exact_percent(Decimal(rate)) == text


def test_the_day_is_written_as_chinese_readers_expect():
    with override("zh-hans"):
        shown = preview_of(terms(fee=50_000))
        assert shown == (
            "佣金为已结算销售额的18%；本场坑位费¥500。达播：用主播的账号开播。"
            "共1场：2026年12月7日（星期一）20:00–22:00，专场。"
            "举例：一场销售额¥10,000时，档口支付¥2,300，其中佣金¥1,800、坑位费¥500。"
        )
        assert texts(terms(), terms(rate="0.2")) == ["佣金18% → 20%"]


# --- changes ---------------------------------------------------------------------------------------


def test_each_change_is_told():
    before, after = terms(rate="0.2", fee=50_000), terms(mode="store_broadcast")
    assert texts(before, after) == [
        "Commission 20% → 18%",
        "Slot fee ¥500 → none",
        "Cooperation mode creator broadcast (the anchor's account) → store broadcast (the stall's account)",
    ]
    assert changes_between(before, after)[0].as_json() == {
        "field": "commission_rate", "from": "0.2000", "to": "0.1800", "text": "Commission 20% → 18%",
    }  # fmt: skip
    assert texts(after, before)[1] == "Slot fee none → ¥500"


def test_sessions_that_came_went_moved_or_changed():
    kept, at_eight = session(day=6), session()
    assert texts(terms(kept), terms(kept, at_eight)) == [
        "Session added: Mon 7 Dec 2026 20:00–22:00, exclusive session"
    ]
    assert texts(terms(kept, at_eight), terms(kept)) == [
        "Session removed: Mon 7 Dec 2026 20:00–22:00, exclusive session"
    ]
    assert texts(terms(at_eight), terms(session(hour=19))) == [
        "Session moved: Mon 7 Dec 2026 20:00–22:00, exclusive session"
        " → Mon 7 Dec 2026 19:00–21:00, exclusive session"
    ]
    assert texts(terms(at_eight), terms(session(length=3))) == [
        "Session changed: Mon 7 Dec 2026 20:00–22:00, exclusive session"
        " → Mon 7 Dec 2026 20:00–23:00, exclusive session"
    ]
    # Neither start nor length in common: another session.
    moved = changes_between(terms(at_eight), terms(session(day=1, length=3)))
    assert [change.text.split(":")[0] for change in moved] == ["Session removed", "Session added"]


drafts = some.builds(
    lambda rate, fee, mode, days: TermsDraft(
        Decimal(rate) / 10_000, fee, mode, tuple(session(day=day, **fields) for day, fields in days.items())
    ),
    some.integers(0, 10_000),
    some.integers(0, 3) | some.integers(0, 10**12),
    some.sampled_from(CooperationMode.values),
    some.dictionaries(
        some.integers(0, 5),
        some.fixed_dictionaries({"hour": some.integers(0, 11), "length": some.integers(1, 12)})
        | some.just({"mode": "mixed", "places": 4}),
        min_size=1,
        max_size=4,
    ),
)


@given(drafts, drafts)
def test_changes_are_all_that_differs_and_nothing_else(before, after):
    changes = changes_between(before, after)
    assert (changes == []) == (before.digest() == after.digest())
    assert all(change.before != change.after for change in changes)
    old, new = before.sessions_as_json(), after.sessions_as_json()
    gone = [change.before for change in changes if change.field == "sessions" and change.before]
    came = [change.after for change in changes if change.field == "sessions" and change.after]
    replayed = [session for session in old if session not in gone] + came
    assert sorted(replayed, key=lambda wanted: wanted["starts_at"]) == new


@given(drafts)
def test_anything_that_may_be_proposed_can_be_told(draft):
    assert f"Commission {exact_percent(draft.commission_rate)} of settled sales" in preview_of(draft)
    assert preview_of(draft).count("–") == len(draft.sessions)


# --- norms -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_norms_are_told_as_far_as_they_are_known():
    usual = Quartiles(Decimal("0.15"), Decimal("0.18"), Decimal("0.2"))
    norm = Norm("dress", 12, usual, Decimal("0.75"), None)
    told = (
        "half of 12 agreed matches have a commission of 15% to 20%, the middle is 18%;"
        " 75% are pure commission."
    )
    assert norm_sentence(norm).partition(": ")[2] == told
    with_fee = Norm("dress", 12, usual, Decimal("0.25"), 50_000)
    assert norm_sentence(with_fee).endswith("Where there is a slot fee, the middle is ¥500.")
    assert norm_sentence(Norm("gone")) == "gone: too few matches were agreed to tell what is usual."
