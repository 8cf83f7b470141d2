"""CSV files of every broken encoding and shape, to every import: taken whole, or refused with words."""

import csv
import io
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Anchor, ImportedFile, Stall
from jobs.models import Throttle
from matching.models import Outcome
from tests.api.test_imports import ANCHOR_HEADER, LISA

pytestmark = pytest.mark.django_db
STALLS = "店名,分区,楼层,档口号,品类,最低价,最高价,佣金\n花样年华,A区,2,A12,连衣裙,59,129,20%\n"
ANCHORS = f"{ANCHOR_HEADER}\n{LISA}\n"
OUTCOMES = "booking,gmv_cents,orders,buyers,views,viewers\nx,1,1,1,1,1\n"
FILES = {"stalls/import/": STALLS, "anchors/import/": ANCHORS, "outcomes/import/": OUTCOMES}
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "=cmd|' /C calc'!A0", "\u200b=1")
TRAPS = (
    "\x00", "\ufeff", "\u202e", "\u200b", "\u2028", "\x0b", "\x1c", "\x85", "٣", "１２", "e\u0301" * 40,
    "a" + "\u0301" * 500, "x" * 140_000, '"', '""', "'", "\r", "\r\n", "\ud7ff", "\U0010ffff", "½", "²",
    *FORMULAS,
)  # fmt: skip


def bomb() -> bytes:
    """A spreadsheet of a few KB that would be 20 MB."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/worksheets/sheet1.xml", b"0" * 20 * 2**20)
    return made.getvalue()


def header_of(text: str) -> str:
    return text.partition("\n")[0]


def shapes(text: str) -> dict[str, bytes]:
    """The file in every shape that a town sends, and some that only enemies do."""
    header, row = header_of(text), text.splitlines()[1]
    columns = header.count(",") + 1
    return {
        "utf-16": text.encode("utf-16"),
        "utf-16 without its mark": text.encode("utf-16-le"),
        "utf-32": text.encode("utf-32"),
        "gbk": text.encode("gbk", "replace"),
        "gb18030": text.encode("gb18030"),
        "big5": text.encode("big5", "replace"),
        "utf-8 with its mark": text.encode("utf-8-sig"),
        "two marks": b"\xef\xbb\xbf" + text.encode("utf-8-sig"),
        "half a character": text.encode()[:-1] + b"\xe5\n",
        "surrogates": text.encode() + b"\xed\xa0\x80" + b"," * (columns - 1) + b"\n",
        "overlong": text.encode() + b"\xc0\xaf" + b"," * (columns - 1) + b"\n",
        "nothing": b"",
        "blank": b"\n\r\n \t\n",
        "only zeros": b"\x00" * 5_000,
        "zeros in cells": text.replace("1", "\x001").encode(),
        "a header alone": header.encode(),
        "a huge cell": f'{header}\n"{"x" * 2_000_000}"\n'.encode(),
        "a huge header": f"{'x' * 2_000_000}\n{row}\n".encode(),
        "a quote that never ends": f'{header}\n"{row}\n'.encode() * 50,
        "a quote of many lines": f'{header}\n"{chr(10) * 5_000}"\n'.encode(),
        "short and long rows": f"{header}\nx\n{row},,,,more\n,\n".encode(),
        "the same header twice": f"{header},{header}\n{row},{row}\n".encode(),
        "headers that mean one": f"{header},{header.upper()}\n{row},{row}\n".encode(),
        "10,000 columns": (",".join(f"c{n}" for n in range(10_000)) + "\n" + "x," * 10_000).encode(),
        "10,000 empty columns": ("," * 10_000 + "\n" + "," * 10_000).encode(),
        "carriage returns": text.replace("\n", "\r").encode(),
        "tabs": text.replace(",", "\t").encode(),
        "a spreadsheet": bomb(),
        "an old spreadsheet": b"\xd0\xcf\x11\xe0" + b"\x00" * 4_000,
        "gzip": b"\x1f\x8b\x08" + b"\x00" * 400,
        "a page": b"<html><table><tr><td>1</td></tr></table></html>",
        "deep json": b"[" * 10_000,
        **{f"cells of {trap[:8]!a} {n}": filled(header, trap) for n, trap in enumerate(TRAPS)},
        **{
            f"a header of {trap[:8]!a} {n}": f"{trap},{header}\n{row}\n".encode()
            for n, trap in enumerate(TRAPS)
        },
    }


def filled(header: str, cell: str) -> bytes:
    """One row of nothing but that cell."""
    made = io.StringIO()
    csv.writer(made).writerow([cell] * (header.count(",") + 1))
    return f"{header}\n{made.getvalue()}".encode()


def kept() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Stall, Anchor, Outcome, ImportedFile))


@pytest.fixture
def importers(api: Any, merchant_user: Any, merchant: Any, staff_user: Any) -> dict[str, Any]:
    town, owner = api(staff_user), api(merchant_user)
    for client in (town, owner):
        client.raise_request_exception = False
    return {"stalls/import/": owner, "anchors/import/": town, "outcomes/import/": owner}


def send(client: Any, route: str, content: bytes) -> Any:
    """Import it; whatever is refused names a field and keeps nothing."""
    Throttle.objects.all().delete()
    before = kept()
    answer = client.post(f"/api/v1/{route}", content, content_type="text/csv")
    assert answer.status_code in (200, 400, 413), (content[:200], answer.content[:300])
    if answer.status_code != 200:
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["fields"], content[:200]
        assert kept() == before
    return answer


@pytest.mark.usefixtures("nothing_broken")
def test_files_of_every_shape(importers: Any) -> None:
    taken = {
        (route, name)
        for route, text in FILES.items()
        for name, content in shapes(text).items()
        if send(importers[route], route, content).status_code == 200
    }
    # Who fills these in by hand gets them in, whatever saved them.
    for route in ("stalls/import/", "anchors/import/"):
        assert {name for at, name in taken if at == route} >= {"gb18030", "utf-8 with its mark", "tabs"}
    assert not {"utf-16", "a spreadsheet", "10,000 columns", "only zeros"} & {name for _at, name in taken}


@pytest.mark.parametrize("in_a_form", [False, True])
def test_half_a_file_is_not_taken_for_all_of_it(importers: Any, in_a_form: bool) -> None:
    whole = STALLS.encode() + STALLS.splitlines()[1].replace("A12", "A13").encode() + b"\n"
    kind = "text/csv"
    if in_a_form:
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        whole, kind = head + whole + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"
    half = whole[: whole.index("花样年华".encode(), whole.index(b"A12"))]
    sent = {"CONTENT_LENGTH": str(len(whole)), "wsgi.input": io.BytesIO(half)}

    answer = importers["stalls/import/"].generic("POST", "/api/v1/stalls/import/", half, kind, **sent)

    assert (answer.status_code, answer.json()["code"]) == (400, "body_cut_off"), answer.content
    assert not Stall.objects.exists()


# Of what files are made, put together by chance.
pieces = st.sampled_from(
    [b",", b"\n", b"\r", b'"', b"\t", b";", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xa1\xa1",
     b"\x81\x30\x81\x30", b"\xe5\xba\x97", b"\xed\xa0\x80", b"=1", b"2", b"A12"]
    + [name.encode() for text in FILES.values() for name in header_of(text).split(",")]
    + [cell.encode() for text in FILES.values() for cell in text.splitlines()[1].split(",")]
)  # fmt: skip


@pytest.mark.usefixtures("nothing_broken")
def test_files_put_together_by_chance(importers: Any) -> None:
    @settings(max_examples=150, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(
        route=st.sampled_from(sorted(FILES)),
        head=st.booleans(),
        parts=st.lists(pieces | st.binary(max_size=6), max_size=60),
    )
    def ask(route: str, head: bool, parts: list[bytes]) -> None:
        start = header_of(FILES[route]).encode() + b"\n" if head else b""
        send(importers[route], route, start + b"".join(parts))

    ask()
