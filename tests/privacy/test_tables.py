"""The table of field classes covers every column, and cards read no more than it lets them."""

from dataclasses import replace

import pytest
from django.apps import apps

from accounts.cards import anchor_card, stall_card
from accounts.privacy import NOTHING_PERSONAL, TABLES, Field, erased_values, rows_of
from accounts.privacy.classes import AtErasure
from accounts.privacy.masking import AGREED, CARD, PROFILE, Hidden, Seen, _columns_of
from matching.api import render
from matching.choices import MatchStatus
from tests.matching.market import agreed, make_anchor, make_stall

LABELS = {model._meta.label_lower: model for model in apps.get_models(include_auto_created=True)}


def test_every_model_is_declared_once():
    assert set(TABLES) | NOTHING_PERSONAL == set(LABELS)
    assert not set(TABLES) & NOTHING_PERSONAL


@pytest.mark.parametrize("label", sorted(TABLES))
def test_every_column_has_one_class(label):
    columns = [field.name for field in LABELS[label]._meta.concrete_fields]
    assert sorted(TABLES[label].names()) == sorted(columns)


@pytest.mark.django_db
@pytest.mark.parametrize("label", sorted(label for label, table in TABLES.items() if table.of))
def test_the_ways_to_the_owners_are_ways_that_the_database_knows(label):
    owners = {kind: [1] for kind in ("user", "merchant", "stall", "anchor")}
    rows = rows_of(label, owners)
    list(rows[:1])  # raises for a way that is none
    if TABLES[label].at_erasure == AtErasure.EMPTY:
        rows.update(**{name: value for name, value in erased_values(label).items() if name != "phone"})


def test_an_undeclared_column_has_no_class():
    with pytest.raises(LookupError):
        TABLES["accounts.user"].class_of("shoe_size")


class Watched:
    """A row that notes which of its columns are read."""

    def __init__(self, row):
        self._row, self.read, self._meta = row, set(), row._meta

    def __getattr__(self, name):
        self.read.add(name.removesuffix("_id") if name.endswith("_id") and name != "public_id" else name)
        return getattr(self._row, name)


def classes_read(watched, label):
    return {TABLES[label].class_of(name) for name in watched.read if name not in ("exceptions",)}


@pytest.mark.django_db
def test_cards_read_only_what_everybody_may_see_and_bands():
    stall, anchor = Watched(make_stall()), Watched(make_anchor())
    stall_card(stall), anchor_card(anchor)
    allowed = {Field.PUBLIC, Field.BAND, Field.INTERNAL}
    assert Field.BAND in classes_read(stall, "accounts.stall") <= allowed
    assert Field.BAND in classes_read(anchor, "accounts.anchor") <= allowed


@pytest.mark.django_db
def test_what_others_may_not_see_is_not_there_for_them():
    anchor = make_anchor(bio="Two years on air")
    assert Seen(anchor, CARD).display_name == anchor.display_name
    assert Seen(anchor, PROFILE).bio == Seen(anchor, AGREED).bio == anchor.bio
    assert Seen(anchor, AGREED).real_name == anchor.real_name
    for classes, name in ((CARD, "bio"), (PROFILE, "real_name"), (AGREED, "birth_date"), (AGREED, "pk")):
        with pytest.raises(Hidden):
            getattr(Seen(anchor, classes), name)


@pytest.mark.django_db
def test_a_card_that_asks_for_more_than_the_table_lets_it_is_not_made(monkeypatch):
    anchor, table = make_anchor(), TABLES["accounts.anchor"]
    columns = {**table.columns, Field.PUBLIC: "", Field.SECRET: f"{table.columns[Field.PUBLIC]} id_digest"}
    monkeypatch.setitem(TABLES, "accounts.anchor", replace(table, columns=columns))
    _columns_of.cache_clear()
    try:
        with pytest.raises(Hidden):
            anchor_card(anchor)
    finally:
        _columns_of.cache_clear()


@pytest.mark.django_db
def test_the_contact_reads_what_is_for_the_counterpart():
    match = agreed(make_stall(), make_anchor())
    match._state.fields_cache["anchor"] = Watched(match.anchor)
    assert match.status == MatchStatus.AGREED
    contact = render._contact(match, "stall")
    assert contact["phone"].startswith("+86") and match.anchor.read == {"real_name", "contact_phone"}
    assert classes_read(match.anchor, "accounts.anchor") == {Field.COUNTERPART}
