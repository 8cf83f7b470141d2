"""A market kept in a file: what a process reads from it is what the rows say, or it is not used."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import time_machine
from django.db import OperationalError
from django.db.models import F
from django.utils import timezone

from accounts.models import Anchor, Erasure, Stall
from jobs import registry
from jobs.tasks import answer
from matching.choices import ReactionKind
from matching.models import Reaction
from matching.services.recommendations import rematch, rematch_everybody
from matching.snapshot import erased, kept
from matching.snapshot import market as markets
from matching.snapshot.erased import forget_erased
from matching.snapshot.market import Market, current_market, forget_market, keep_market
from tests.factories import AnchorFactory, StallFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(markets, "READ_AT_ONCE", 0)
    monkeypatch.setattr(erased, "_looked_at", ())
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


def test_workers_leave_what_they_read_and_web_does_not(town: Any, folder: Path, monkeypatch: Any):
    """Nobody would look after the file of a machine that has no worker."""
    from_rows(folder)
    assert files(folder) == []
    monkeypatch.setattr(markets, "_keeps", True)
    again()
    assert len(files(folder)) == 1


def erase_elsewhere(party: Stall | Anchor, column: str) -> None:
    """What an erasure by a worker of another machine leaves for this one."""
    user = UserFactory.create()
    number = Erasure.objects.count()
    Erasure.objects.create(user=user, pseudonym=f"gone-{number}", requested_by=user, **{column: [party.pk]})
    rows = type(party)._default_manager.filter(pk=party.pk)
    rows.update(version=F("version") + 1, archived_at=timezone.now(), categories=[])


@pytest.mark.parametrize(("side", "column"), [("stall", "stall_ids"), ("anchor", "anchor_ids")])
def test_what_holds_an_erased_party_goes_on_every_machine(town: Any, folder: Path, side: str, column: str):
    party = town[0][0] if side == "stall" else town[1][0]
    before = again().version_of(side, np.array([party.pk]))
    assert forget_erased() == 0 and files(folder)
    erase_elsewhere(party, column)
    assert forget_erased() == 1 and files(folder) == []
    assert markets._current is not None, "what this process has in memory is up to date too"
    assert markets._current.version_of(side, np.array([party.pk])) == before + 1


def test_a_market_that_was_read_before_an_erasure_and_kept_after_it_goes(town: Any, folder: Path):
    before = again()
    erase_elsewhere(town[1][0], "anchor_ids")
    forget_erased()
    keep_market(before)
    assert forget_erased() == 1 and files(folder) == []


def test_who_was_erased_before_the_market_was_read_is_no_reason(town: Any, folder: Path):
    erase_elsewhere(town[1][0], "anchor_ids")
    rematch_everybody()
    Anchor.objects.filter(pk=town[1][1].pk).update(
        categories=["t_shirt"], version=F("version") + 1
    )  # changed, not erased
    assert forget_erased() == 0 and len(files(folder)) == 1


def test_a_broken_file_is_not_left_to_hold_anybody(town: Any, folder: Path):
    [path] = files(folder)
    path.write_bytes(path.read_bytes()[:-400])
    erase_elsewhere(town[1][0], "anchor_ids")
    assert forget_erased() == 1 and kept.files() == []


def test_looking_again_costs_one_query(town: Any, django_assert_num_queries: Any):
    with django_assert_num_queries(1):
        forget_erased()
    erase_elsewhere(town[1][0], "anchor_ids")
    rematch_everybody()
    forget_erased()
    with django_assert_num_queries(1):
        forget_erased()


def test_every_worker_looks_when_it_hears_from_itself(town: Any, folder: Path):
    erase_elsewhere(town[1][0], "anchor_ids")
    answer()
    assert files(folder) == []


def test_a_database_that_is_away_does_not_silence_a_worker(monkeypatch: Any, caplog: Any):
    def refuse() -> int:
        raise OperationalError("away")

    monkeypatch.setattr(registry, "_chores", [refuse])
    answer()
    assert "not done" in caplog.text
