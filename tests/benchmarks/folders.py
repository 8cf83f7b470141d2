"""Small market folders made for tests."""

import csv
import json

import numpy as np

FEATURES = [
    {"name": "age", "kind": "number"},
    {"name": "budget", "kind": "number"},
    {"name": "charm", "kind": "number"},
    {"name": "wish", "kind": "number"},
    {"name": "town", "kind": "category"},
    {"name": "style", "kind": "tags"},
    {"name": "reach", "kind": "number"},
]


def write(folder, name, header, lines):
    with (folder / name).open("w", newline="") as handle:
        csv.writer(handle).writerows([header, *lines])


def write_schema(folder, **changes):
    schema = {
        "rows": {"file": "rows.csv", "id": "id"},
        "columns": {"file": "columns.csv", "id": "id"},
        "features": FEATURES,
        "wants": [{"weight": "wish", "of": "charm"}],
        "decisions": {
            "file": "decisions.csv",
            "row": "row_id",
            "column": "column_id",
            "group": "evening",
            "row_says": "row_says",
            "column_says": "column_says",
            "half": "half",
        },
        **changes,
    }
    (folder / "schema.json").write_text(json.dumps({k: v for k, v in schema.items() if v is not None}))


def _number(rng, value):
    return "" if rng.random() < 0.1 else f"{value:.3f}"


def evenings(folder, seed=1, groups=6, each=10):
    """Decisions of both sides: charm is liked by all, an own town by most. `reach` is the columns' only."""
    rng = np.random.default_rng(seed)
    n = groups * each
    charm, town = rng.normal(size=(2, n)), rng.integers(0, 3, (2, n))
    header = ["id", "age", "budget", "charm", "wish", "town", "style"]
    for side, name in enumerate(("rows.csv", "columns.csv")):
        lines = []
        for party in range(n):
            numbers = [rng.normal(), rng.normal(), charm[side, party], rng.random()]
            words = "|".join(sorted({f"w{word}" for word in rng.integers(0, 8, 3)}))
            line = [
                f"{name[0]}{party}",
                *(_number(rng, value) for value in numbers),
                f"t{town[side, party]}",
                words,
            ]
            lines.append(line if side == 0 else [*line, f"{rng.random():.2f}"])
        write(folder, name, header if side == 0 else [*header, "reach"], lines)
    lines = []
    for group in range(groups):
        for row in range(group * each, (group + 1) * each):
            for column in range(group * each, (group + 1) * each):
                same = town[0, row] == town[1, column]
                logits = (charm[1, column] * 1.5 + same - 0.5, charm[0, row] * 1.5 + same - 0.5)
                says = [int(rng.random() < 1 / (1 + np.exp(-logit))) for logit in logits]
                half = ["history", "test", "mixed"][rng.choice(3, p=[0.45, 0.45, 0.1])]
                lines.append([f"e{group}", f"r{row}", f"c{column}", *says, half])
    header = ["evening", "row_id", "column_id", "row_says", "column_says", "half"]
    write(folder, "decisions.csv", header, lines)
    write_schema(folder)
    return folder


def jobs(folder, seed=1, rows=150, columns=90, kinds=5):
    """Positives of rows: kind k wants columns of kind k + 1, which their words tell and cosine gets wrong."""
    rng = np.random.default_rng(seed)
    kind = [rng.integers(0, kinds, rows), rng.integers(0, kinds, columns)]
    for name, own in zip(("rows.csv", "columns.csv"), kind, strict=True):
        lines = [
            [f"{name[0]}{party}", f"k{k}|noise{rng.integers(0, 30)}", f"{rng.random():.2f}"]
            for party, k in enumerate(own)
        ]
        write(folder, name, ["id", "style", "reach"], lines)
    lines = [
        [f"r{row}", f"c{column}"]
        for row in range(rows)
        for column in range(columns)
        if rng.random() < (0.3 if (kind[0][row] + 1) % kinds == kind[1][column] else 0.01)
    ]
    write(folder, "decisions.csv", ["row_id", "column_id"], lines)
    write_schema(
        folder,
        candidates="all",
        wants=None,
        features=[{"name": "style", "kind": "tags"}, {"name": "reach", "kind": "number"}],
        decisions={"file": "decisions.csv", "row": "row_id", "column": "column_id"},
    )
    return folder
