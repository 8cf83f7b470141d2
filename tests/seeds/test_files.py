"""The two files of the kind that towns keep: every row is accepted, and the same file twice does nothing."""

from pathlib import Path

import pytest

from accounts.models import Anchor, Merchant, Stall, User
from accounts.services.imports import import_anchors, import_stalls

pytestmark = pytest.mark.django_db
DATA = Path(__file__).resolve().parents[2] / "seeds" / "data"


def test_the_stalls_file_is_what_a_spreadsheet_in_china_writes() -> None:
    content = (DATA / "stalls.csv").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")
    text = content.decode("gb18030")
    assert "档口名称" in text
    assert text.count("\r\n") == text.count("\n") == 41
    assert all(sign in text for sign in ("%", "¥", "、", ",,"))


def test_the_anchors_file_begins_with_a_byte_order_mark() -> None:
    content = (DATA / "anchors.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.decode("utf-8-sig").count("\r\n") == 61


def test_all_stalls_are_taken_over_once(merchant_user: User, merchant: Merchant) -> None:
    content = (DATA / "stalls.csv").read_bytes()
    tried = import_stalls(actor=merchant_user, merchant=merchant, content=content, is_dry_run=True)
    assert tried["counts"]["invalid"] == 0
    assert not Stall.objects.exists()
    report = import_stalls(actor=merchant_user, merchant=merchant, content=content)
    assert report["counts"]["created"] == len(report["rows"]) == 40
    again = import_stalls(actor=merchant_user, merchant=merchant, content=content)
    assert again["is_repeat"]
    assert Stall.objects.count() == 40
    assert {stall.version for stall in Stall.objects.all()} == {1}


def test_cells_mean_what_their_writers_meant(merchant_user: User, merchant: Merchant) -> None:
    content = (DATA / "stalls.csv").read_bytes()
    import_stalls(actor=merchant_user, merchant=merchant, content=content)
    stall = Stall.objects.get(number="K103")
    assert (stall.zone.code, stall.floor, stall.categories) == ("b", 4, ["cardigan"])
    assert (stall.price_min_cents, stall.price_max_cents) == (14_900, 25_900)
    assert str(stall.commission_rate) == "0.2750"
    assert str(stall.return_rate) == "0.6100"
    assert (stall.slot_fee_cents, stall.restock_days, stall.followers_wanted_min) == (200_000, 5, 3_000)
    assert stall.streaming_permit == "by_invitation"
    assert stall.cooperation_modes == ["creator_broadcast", "roaming_broadcast"]


def test_all_anchors_are_taken_over_once(staff_user: User) -> None:
    content = (DATA / "anchors.csv").read_bytes()
    report = import_anchors(actor=staff_user, content=content)
    assert report["counts"]["created"] == len(report["rows"]) == 60
    assert import_anchors(actor=staff_user, content=content)["is_repeat"]
    assert Anchor.objects.count() == 60
    shown = Anchor.objects.exclude(legal_basis="").count()
    assert 0 < shown < 60  # whose agreement is missing is stored and shown to nobody
