"""Cells as people type them, and the values they mean."""

import pytest
from django.conf import settings

from accounts.codes import Codes, ReferenceBook, ReferenceItem
from accounts.imports import cells
from accounts.imports.columns import ANCHOR_COLUMNS, STALL_COLUMNS, match_headers, stall_data
from accounts.imports.table import guess_encoding, read_table
from accounts.imports.words import MODE_WORDS, PERMIT_WORDS
from accounts.validation.fields import Bad
from matchmaker.core.errors import InvalidInput

BOOK = ReferenceBook(
    categories=Codes(
        [
            ReferenceItem(1, "dress", "连衣裙", "Dress"),
            ReferenceItem(2, "sweater", "针织衫/毛衣", "Knit sweater"),
            ReferenceItem(3, "jeans", "牛仔裤", "Jeans"),
        ]
    )
)


@pytest.mark.parametrize(
    ("read", "cell", "unit", "value"),
    [
        (cells.whole, "5", "", 5),
        (cells.whole, "5件", "", 5),
        (cells.whole, "１，２００", "", 1200),
        (cells.whole, "1,200", "", 1200),
        (cells.whole, "5.0", "", 5),
        (cells.whole, "12.5万", "", 125_000),
        (cells.whole, "12.5", "万", 125_000),
        (cells.whole, "3k", "", 3000),
        (cells.floor, "3", "", 3),
        (cells.floor, "3F", "", 3),
        (cells.floor, "三楼", "", 3),
        (cells.floor, "B1", "", -1),
        (cells.floor, "负一层", "", -1),
        (cells.floor, "-1", "", -1),
        (cells.cents, "¥89.00", "", 8900),
        (cells.cents, "89元", "", 8900),
        (cells.cents, "￥1,299", "", 129_900),
        (cells.cents, "0089", "", 8900),
        (cells.cents, "8900", "cents", 8900),
        (cells.cents, "¥89", "cents", 8900),
        (cells.cents, "3.5", "万", 3_500_000),
        (cells.cents, "3.5万", "万", 3_500_000),
        (cells.cents, "350元", "万", 35_000),
        (cells.band, "59-129", "", (5900, 12_900)),
        (cells.band, "¥59~¥129元", "", (5900, 12_900)),
        (cells.band, "59至129", "", (5900, 12_900)),
        (cells.rate, "20%", "", "0.2"),
        (cells.rate, "20％", "", "0.2"),
        (cells.rate, "0.2", "", "0.2"),
        (cells.rate, "20", "%", "0.2"),
        (cells.rate, "20", "", "20"),
        (cells.truth, "是", "", True),
        (cells.truth, "No", "", False),
        (cells.day, "2026/1/5", "", "2026-01-05"),
        (cells.day, "20260105", "", "2026-01-05"),
        (cells.day, "2026年1月5日", "", "2026-01-05"),
        (cells.codes("categories"), "连衣裙、jeans", "", ["dress", "jeans"]),
        (cells.codes("categories"), "针织衫/毛衣", "", ["sweater"]),
        (cells.codes("categories"), "连衣裙/牛仔裤", "", ["dress", "jeans"]),
        (cells.codes("categories"), "Dress; Knit sweater;foo", "", ["dress", "sweater", "foo"]),
        (cells.several(MODE_WORDS), "达播/走播", "", ["creator_broadcast", "roaming_broadcast"]),
        (cells.word(PERMIT_WORDS), "仅邀请", "", "by_invitation"),
        (cells.week, "09:00-18:00", "", dict.fromkeys(cells.DAYS, ["09:00-18:00"])),
        (cells.week, "周一至周三 9点-18点；周日 20:00-02:00", "",
         dict.fromkeys(("mon", "tue", "wed"), ["09:00-18:00"]) | {"sun": ["20:00-02:00"]}),
        (cells.week, "周六、周日 10:00-12:00,14:00-16:00", "",
         dict.fromkeys(("sat", "sun"), ["10:00-12:00", "14:00-16:00"])),
        (cells.week, "sat-mon 09:00-18:00", "", dict.fromkeys(("sat", "sun", "mon"), ["09:00-18:00"])),
        (cells.week, "工作日 09:00-18:00", "", dict.fromkeys(cells.DAYS[:5], ["09:00-18:00"])),
    ],
)  # fmt: skip
def test_a_cell_means(read, cell, unit, value):
    assert read(cell, unit, BOOK) == value


@pytest.mark.parametrize(
    ("read", "cell"),
    [
        (cells.whole, "many"),
        (cells.whole, "5.5"),
        (cells.whole, "1e9"),
        (cells.floor, "high"),
        (cells.floor, "三十三"),
        (cells.cents, "89.001"),
        (cells.band, "59"),
        (cells.rate, "a fifth"),
        (cells.truth, "maybe"),
        (cells.week, "always"),
        (cells.week, "someday 09:00-18:00"),
    ],
)
def test_a_cell_that_means_nothing_is_said_so(read, cell):
    with pytest.raises(Bad) as refusal:
        read(cell, "", BOOK)
    assert cell[:5] in refusal.value.parts[""][0]


@pytest.mark.parametrize(
    ("cell", "plain"),
    [
        ("'=1+1", "=1+1"),
        ("'+86", "+86"),
        ("'@x", "@x"),
        ("'＝1", "＝1"),
        ("'tis", "'tis"),
        ('="00123"', "00123"),
        ("=cmd|' /C calc'!A0", "cmd|' /C calc'!A0"),
        ("@SUM(1)", "SUM(1)"),
        ("+8613800138000", "+8613800138000"),
        ("-1", "-1"),
        ("\t=x", "x"),
        ("  花样 ", "花样"),
    ],
)
def test_what_spreadsheets_need_is_taken_off(cell, plain):
    assert cells.plain(cell) == plain


def test_a_range_of_sold_prices_becomes_shares():
    shares = cells.sold_band("59-129", "", BOOK)

    assert len(shares) == 16
    assert abs(sum(shares) - 1) < 1e-9
    # 4330–6668, 6668–10268 and 10268–15811 cents hold 59 to 129 yuan; the middle bin whole.
    assert [number for number, share in enumerate(shares) if share] == [5, 6, 7]
    assert max(shares) == shares[6]


@pytest.mark.parametrize(
    "header", ["最低价(元)", " 最低价 ", "最低价（元）", "*最低价", "price_min", "Price Min", "lowest price"]
)
def test_a_header_is_known_however_it_is_written(header):
    [(column, _unit)] = match_headers([header], STALL_COLUMNS)

    assert column.field == "price_min"


def test_no_header_means_two_columns():
    names = [name.casefold().replace(" ", "") for column in STALL_COLUMNS for name in column.headers]

    assert len(set(names)) == len(names)


def test_an_unknown_header_is_told_what_it_may_be():
    with pytest.raises(InvalidInput) as refusal:
        match_headers(["档口名", "起批"], STALL_COLUMNS)
    assert "起批量" in refusal.value.fields["header.2"][0]


def test_one_share_of_two_genders_tells_the_other():
    assert stall_data({"audience_gender.female": "0.85"}) == {
        "audience_gender": {"female": "0.85", "male": "0.15"}
    }


def test_the_encoding_of_most_rows_counts():
    utf8, gb = "档口,区域\n花,东\n样,西\n".encode(), "档口,区域\n花,东\n样,西\n".encode("gb18030")

    assert guess_encoding(utf8) == "utf-8"
    assert guess_encoding(gb) == "gb18030"
    assert guess_encoding(utf8 + b"\xe8\x8a\n") == "utf-8"
    assert guess_encoding(gb + b"\xff\n") == "gb18030"


def test_rows_are_counted_as_a_spreadsheet_does():
    table = read_table(b'a,b\n\n"x\ny",1\n,\nz,2\n', max_rows=10)

    assert [(line.number, line.cells) for line in table.lines] == [(3, ("x\ny", "1")), (5, ("z", "2"))]


@pytest.mark.parametrize("column", (*STALL_COLUMNS, *ANCHOR_COLUMNS), ids=lambda column: column.field)
def test_the_guide_names_every_header(column):
    guide = (settings.BASE_DIR / "docs" / "imports.md").read_text()

    assert all(f"`{header}`" in guide for header in column.headers)
