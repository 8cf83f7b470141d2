"""A market kept in a file: what a process reads from it is what the rows say, or it is not used."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import time_machine
from django.db.models import F
from django.utils import timezone

from accounts.models import Anchor, Stall
from matching.choices import ReactionKind
from matching.models import Reaction
from matching.services.recommendations import rematch, rematch_everybody
from matching.snapshot import market as markets
from matching.snapshot.market import Market, current_market, forget_market
from tests.factories import AnchorFactory, StallFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(markets, "READ_AT_ONCE", 0)
    yield tmp_path
    forget_market()


@pytest.fixture
def town() -> tuple[list[Stall], list[Anchor]]:
    stalls = [StallFactory.create(name=f"秘密铺 {n}", categories=["dress"]) for n in range(3)]
    anchors = [AnchorFactory.create(legal_basis="contract", categories=["dress"]) for _ in range(4)]
    rematch_everybody()
    return stalls, anchors


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npz"))


def from_file(monkeypatch: pytest.MonkeyPatch) -> Market:
    """The market of a process that starts now and may not read all rows."""
    with monkeypatch.context() as patch:
        patch.setattr(markets, "_read", lambda run, model: pytest.fail("all rows were read"))
        return again()


def again() -> Market:
    """The market of a process that starts now."""
    forget_market()
    market = current_market()
    assert market is not None
    return market


def from_rows(folder: Path) -> Market:
    for path in files(folder):
        path.unlink()
    return again()


def assert_alike(one: Market, other: Market) -> None:
    """Both score alike, and know the same versions and histories."""
    for side in ("stall", "anchor"):
        assert np.array_equal(one.side(side).vectors, other.side(side).vectors)
        assert np.array_equal(one.side(side).history, other.side(side).history)
        assert np.array_equal(one.side(side).singles, other.side(side).singles)
        assert np.array_equal(one.side(side).hinges, other.side(side).hinges, equal_nan=True)
        for mine, theirs in zip(one.versions[side], other.versions[side], strict=True):
            assert np.array_equal(mine, theirs)


def test_a_process_that_starts_reads_the_file_instead_of_the_rows(town: Any, folder: Path, monkeypatch: Any):
    held = from_file(monkeypatch)
    assert_alike(held, from_rows(folder))


def test_what_changed_since_is_read_again(town: Any, folder: Path, monkeypatch: Any):
    (stall, *_), (anchor, *_) = town
    Stall.objects.filter(pk=stall.pk).update(moq=17, name="改名", version=F("version") + 1)
    newcomer = AnchorFactory.create(legal_basis="contract", categories=["t_shirt"])
    Reaction.objects.create(side="anchor", stall=stall, anchor=anchor, kind=ReactionKind.LIKE)
    held = from_file(monkeypatch)
    assert newcomer.pk in held.anchors.parties.ids
    assert held.anchors.parties.decisions_given[held.anchors.parties.rows_of([anchor.pk])[0]] == 1
    assert_alike(held, from_rows(folder))


def test_a_broken_file_is_no_loss(town: Any, folder: Path):
    [path] = files(folder)
    for content in (b"", b"PK\x03\x04 nothing", path.read_bytes()[:-400], b"\x80\x04pickle"):
        path.write_bytes(content)
        assert len(again().stalls) == 3


def test_a_file_of_another_run_is_not_read_and_goes(town: Any, folder: Path, monkeypatch: Any):
    [before] = files(folder)
    rematch_everybody()
    [after] = files(folder)
    assert before != after
    after.rename(before)
    read = []
    real = markets._read
    monkeypatch.setattr(markets, "_read", lambda run, model: read.append(run) or real(run, model))
    again()
    assert len(read) == 1


def test_the_file_holds_no_words_and_is_the_owners_alone(town: Any, folder: Path):
    [path] = files(folder)
    assert path.stat().st_mode & 0o077 == 0
    with np.load(path, allow_pickle=False) as arrays:
        assert not [name for name in arrays if "text" in name]
        content = b"".join(arrays[name].tobytes() for name in arrays)
    assert "秘密铺".encode() not in content
    assert np.array(["秘密铺"]).tobytes() not in content


def test_a_refresh_during_a_rematch_keeps_the_market_of_the_run_that_counts(town: Any, monkeypatch: Any):
    """The market of an unfinished run is nobody else's: taking it over made every save read all rows."""
    warm = again()
    seen = []
    real = rematch.publish_run

    def publish(**run: Any) -> Any:
        seen.append(current_market())
        return real(**run)

    monkeypatch.setattr(rematch, "publish_run", publish)
    monkeypatch.setattr(markets, "_load", lambda run: pytest.fail("the market was read again"))
    rematch_everybody()
    assert seen[0] is not None and seen[0].run.pk == warm.run.pk
    current = current_market()
    assert current is not None and current.run.pk != warm.run.pk


def test_a_new_day_or_run_is_read_beside_the_asker(town: Any, monkeypatch: Any):
    """A process that has yesterday's market does not let a request wait for all rows."""
    again()
    asked: list[float] = []

    class Reading:
        def join(self, seconds: float) -> None:
            asked.append(seconds)

    monkeypatch.setattr(markets, "warm_market", Reading)
    assert markets.market_within(0.5) is not None and not asked
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        assert markets.market_within(0.5) is None
    assert asked == [0.5]
