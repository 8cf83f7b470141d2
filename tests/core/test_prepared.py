"""A query written once answers as the query itself does, whatever ids it is asked of."""

from datetime import date

import pytest

from accounts.models import Anchor, Stall
from matching.models import WeekLoad
from matchmaker.core.prepared import Prepared
from tests.matching.market import make_anchor, make_stall

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def as_in_production(monkeypatch):
    monkeypatch.setattr(Prepared, "keeps", True)


def test_answers_as_the_query_itself_with_its_types():
    anchors = [make_anchor() for _ in range(4)]
    columns = ("pk", "public_id", "categories", "commission_rate", "created_at", "is_on_site")

    def build(ids):
        return Anchor.objects.filter(pk__in=ids).order_by("pk").values_list(*columns)

    prepared = Prepared(build)
    for wanted in ([anchors[0].pk, anchors[1].pk], [anchors[3].pk, anchors[2].pk], [anchors[1].pk], [-5]):
        assert prepared.rows(wanted) == list(build(wanted))


def test_is_written_once_for_each_count_of_ids():
    asked = []

    def build(ids):
        asked.append(len(ids))
        return Stall.objects.filter(pk__in=ids).values_list("pk")

    prepared, stall = Prepared(build), make_stall()
    assert prepared.rows([stall.pk]) == [(stall.pk,)]
    assert prepared.rows([stall.pk + 1]) == []
    assert prepared.rows([stall.pk, stall.pk + 1]) == [(stall.pk,)]
    assert asked == [1, 2]


def test_takes_days_beside_ids():
    def build(ids, days):
        return WeekLoad.objects.filter(party_id__in=ids, week_on__in=days).values_list("party_id", "used")

    monday, next_monday = date(2026, 11, 23), date(2026, 11, 30)
    for day, used in ((monday, 2), (next_monday, 3)):
        WeekLoad.objects.create(side="stall", party_id=7, week_on=day, used=used, capacity=9)
    prepared = Prepared(build)
    assert prepared.rows([7], [monday]) == [(7, 2)]
    assert prepared.rows([7], [next_monday]) == [(7, 3)]
    assert prepared.rows([8], [monday]) == []


def test_takes_words():
    def build(words):
        return WeekLoad.objects.filter(side__in=words).values_list("party_id")

    for side, party in (("stall", 7), ("anchor", 8)):
        WeekLoad.objects.create(side=side, party_id=party, week_on=date(2026, 11, 23), used=1, capacity=9)
    prepared = Prepared(build)
    assert (prepared.rows(["stall"]), prepared.rows(["anchor"])) == ([(7,)], [(8,)])
    assert prepared.rows(["stall' OR 1=1 --"]) == prepared.rows(["%s"]) == []


def test_what_was_kept_is_not_used_where_nothing_is_kept(monkeypatch):
    """Tests that turn the clock must not meet the SQL that a test by the database's clock left."""
    asked = []

    def build(ids):
        asked.append(len(ids))
        return Stall.objects.filter(pk__in=ids).values_list("pk")

    prepared = Prepared(build)
    prepared.rows([1])
    monkeypatch.setattr(Prepared, "keeps", False)
    prepared.rows([1])
    assert asked == [1, 1]
