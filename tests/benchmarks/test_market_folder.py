"""Any market folder is read as it is meant, and whatever is wrong is told with its place."""

import json

import numpy as np
import pytest

from benchmarks.csv_table import FolderError
from benchmarks.market_folder import HALVES, load_market
from tests.benchmarks.folders import evenings, jobs, write, write_schema


def small(folder, **changes):
    write(
        folder,
        "rows.csv",
        ["id", "age", "budget", "charm", "wish", "town", "style"],
        [["r1", "31", "", "2", "1", "north", "soft| loud |"], ["r2", "nan", "5", "1", ".5", "", ""]],
    )
    write(
        folder,
        "columns.csv",
        ["id", "age", "budget", "charm", "wish", "town", "style", "reach"],
        [["c1", "40", "1", "1", "1", "south", "loud|bright", "7"]],
    )
    write(
        folder,
        "decisions.csv",
        ["evening", "row_id", "column_id", "row_says", "column_says", "half"],
        [["e1", "r1", "c1", "1", "0", "test"], ["e2", "r2", "c1", "0", "1", "history"]],
    )
    write_schema(folder, **changes)
    return folder


def test_every_kind_of_feature_is_read(tmp_path):
    market = load_market(small(tmp_path))
    rows, columns = market.rows.features, market.columns.features
    np.testing.assert_array_equal(rows.numbers["age"], [31.0, np.nan])
    np.testing.assert_array_equal(rows.numbers["budget"], [np.nan, 5.0])
    assert market.levels["town"] == ("north", "south")
    assert rows.categories["town"].tolist() == [0, -1]
    assert columns.categories["town"].tolist() == [1]
    assert market.levels["style"] == ("bright", "loud", "soft")
    assert rows.tags["style"].toarray().tolist() == [[0, 1, 1], [0, 0, 0]]
    assert columns.tags["style"].toarray().tolist() == [[1, 1, 0]]
    assert "reach" not in rows.numbers
    assert columns.numbers["reach"].tolist() == [7.0]
    assert market.wants == (("wish", "charm"),)


def test_decisions_are_read(tmp_path):
    decisions = load_market(small(tmp_path)).decisions
    assert decisions.row.tolist() == [0, 1]
    assert decisions.column.tolist() == [0, 0]
    assert decisions.group_names == ("e1", "e2")
    assert decisions.row_says.tolist() == [1.0, 0.0]
    assert decisions.column_says.tolist() == [0.0, 1.0]
    assert np.isnan(decisions.row_order).all()
    assert decisions.half.tolist() == [HALVES["test"], HALVES["history"]]


def test_positives_are_read_once_each(tmp_path):
    folder = jobs(tmp_path)
    lines = (folder / "decisions.csv").read_text().splitlines()
    (folder / "decisions.csv").write_text("\n".join([*lines, lines[1]]) + "\n")
    market = load_market(folder)
    assert market.all_candidates
    assert len(market.decisions) == len(lines) - 1
    assert market.decisions.row_says.all()
    assert market.decisions.half is None


def test_a_market_of_many_evenings_is_read(tmp_path):
    market = load_market(evenings(tmp_path))
    assert len(market.decisions) == 600
    assert len(market.decisions.group_names) == 6


def change(folder, name, old, new):
    file = folder / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("rows.csv", "31", "thirty", r"rows\.csv, line 2, column 'age': 'thirty' is no number"),
        ("rows.csv", "31", "inf", r"rows\.csv, line 2, column 'age': 'inf' is not finite"),
        ("rows.csv", "r2,", "r1,", r"rows\.csv, line 3, column 'id': stands twice"),
        ("rows.csv", "r2,", ",", r"rows\.csv, line 3, column 'id': an id is missing"),
        ("rows.csv", "31,", "", r"rows\.csv, line 2: 6 cells, not 7"),
        ("rows.csv", "budget", "age", r"rows\.csv, line 1: column 'age' stands twice"),
        ("rows.csv", "id,", "key,", r"rows\.csv, line 1: column 'id' is missing"),
        ("columns.csv", "reach", "range", r"neither has the feature 'reach'"),
        ("decisions.csv", "r2", "r9", r"decisions\.csv, line 3, column 'row_id': 'r9' is no id of the rows"),
        ("decisions.csv", ",1,0,", ",2,0,", r"line 2, column 'row_says': '2' must be 0 or 1"),
        ("decisions.csv", ",1,0,", ",,0,", r"line 2, column 'row_says': '' must be 0 or 1"),
        ("decisions.csv", "e2", "", r"line 3, column 'evening': a group is missing"),
        ("decisions.csv", "history", "later", r"line 3, column 'half': 'later' must be one of"),
        ("decisions.csv", "e2,r2", "e1,r1", r"line 3, column 'row_id': the same pair stands twice"),
        ("decisions.csv", "column_says", "answer", r"column 'column_says' is missing"),
        ("schema.json", '"number"', '"colour"', r"features\[0\]\.kind is 'colour'"),
        ("schema.json", '"budget"', '"age"', r"features\[1\]\.name 'age' is declared twice"),
        ("schema.json", '"of": "charm"', '"of": "town"', r"wants\[0\] names 'town', which is no number"),
        ("schema.json", '"of": "charm"', '"of": 3', r"wants\[0\]\.of must be a text"),
        ("schema.json", "{", "[", r"schema\.json: is no JSON"),
        ("schema.json", "rows.csv", "absent.csv", r"absent\.csv: cannot be read"),
        ("schema.json", '"group": "evening", ', "", r"decisions\.group must name a column"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, name, old, new, told):
    folder = small(tmp_path)
    change(folder, name, old, new)
    with pytest.raises(FolderError, match=told):
        load_market(folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": None}, "rows must be an object"),
        ({"columns": {"file": "columns.csv"}}, "columns.id must be a text"),
        ({"features": {}}, "features must be a list"),
        ({"candidates": "some"}, "candidates must be"),
        ({"decisions": []}, "decisions must be an object"),
    ],
)
def test_a_schema_that_says_no_market_is_refused(tmp_path, changes, told):
    with pytest.raises(FolderError, match=told):
        load_market(small(tmp_path, **changes))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.csv", b"", "the header is missing"),
        ("rows.csv", b"id,age,budget,charm,wish,town,style\n", "no party at all"),
        ("decisions.csv", b"evening,row_id,column_id,row_says,column_says,half\n", "no decision at all"),
        ("rows.csv", b"id,\xff\xfe\n", "no UTF-8"),
        ("schema.json", b"3", "must be an object"),
    ],
)
def test_files_with_nothing_in_them_are_refused(tmp_path, name, content, told):
    folder = small(tmp_path)
    (folder / name).write_bytes(content)
    with pytest.raises(FolderError, match=told):
        load_market(folder)


def test_a_folder_that_is_none_is_told(tmp_path):
    with pytest.raises(FolderError, match=r"schema\.json: cannot be read"):
        load_market(tmp_path / "nowhere")


def test_the_schema_needs_no_wants(tmp_path):
    folder = small(tmp_path)
    schema = json.loads((folder / "schema.json").read_text())
    del schema["wants"]
    (folder / "schema.json").write_text(json.dumps(schema))
    assert load_market(folder).wants == ()
