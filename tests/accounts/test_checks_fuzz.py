"""Whatever is sent is accepted or refused with words: checks never fail in another way."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.codes import Codes, ReferenceBook, ReferenceItem
from accounts.imports.columns import ANCHOR_COLUMNS, STALL_COLUMNS, anchor_data, stall_data
from accounts.imports.rows import read_rows
from accounts.validation import ANCHOR_FORM, CALENDAR_FORM, MERCHANT_FORM, STALL_FORM
from accounts.validation.fields import Context, Form
from accounts.validation.hours import week_ranges, weekly_hours
from matchmaker.core.errors import InvalidInput

CODES = Codes([ReferenceItem(1, "dress", "连衣裙", "Dress"), ReferenceItem(2, "a", "A区", "Zone A")])
BOOK = ReferenceBook(CODES, CODES, CODES, CODES, CODES)
CONTEXT = Context(BOOK, date(2026, 11, 23))
CURRENT = SimpleNamespace(
    birth_date=date(1996, 5, 20), guardian_consent_on=None, price_min_cents=5900, price_max_cents=12_900
)
FORMS = {"merchant": MERCHANT_FORM, "stall": STALL_FORM, "anchor": ANCHOR_FORM, "calendar": CALENDAR_FORM}

words = st.sampled_from(
    ["a", "dress", "2026-01-01", "2026-W01-1", "09:00-18:00", "0.2", "-1e-999999999", "1e999999999", "NaN"]
    + ["13800138000", "9" * 4000, "douyin", "٣", "²", "\u202e", "女", "18_24", "female", "mon"]
    + ["440103199605200019"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | words
anything: Any = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            words | st.sampled_from(["platform", "handle", "followers", "average_viewers", "on", "hours"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_json_is_accepted_or_refused_with_words(name: str, data: st.DataObject):
    form: Form = FORMS[name]
    body = data.draw(
        st.dictionaries(st.sampled_from(sorted(form.fields)) | st.text(max_size=5), anything, max_size=6)
    )
    try:
        form.clean(body, CONTEXT, partial=True, current=CURRENT)
    except InvalidInput as refusal:
        assert refusal.fields
        assert all(
            isinstance(word, str) and len(word) < 1500 for words in refusal.fields.values() for word in words
        )


cells = (
    st.text(max_size=20)
    | words
    | st.from_regex(r"[¥￥]?-?\d{1,40}(\.\d{1,30})?(%|元|万|件|F)?", fullmatch=True)
)


@pytest.mark.parametrize(("columns", "gather"), [(STALL_COLUMNS, stall_data), (ANCHOR_COLUMNS, anchor_data)])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_cell_is_read_or_refused_with_words(columns: Any, gather: Any, data: st.DataObject):
    column = data.draw(st.sampled_from(columns))
    other = data.draw(st.sampled_from([c for c in columns if c.field != column.field]))
    first, second = (data.draw(cells).replace('"', "") for _ in range(2))
    content = f'{column.headers[-1]},{other.headers[-1]}\n"{first}","{second}"\nx,x\n'
    try:
        _encoding, rows = read_rows(content.encode("utf-8", "replace"), columns, BOOK, max_rows=10)
    except InvalidInput as refusal:
        assert refusal.fields
        return
    form = STALL_FORM if columns is STALL_COLUMNS else ANCHOR_FORM
    for row in rows:
        row.data = gather(row.data)
        row.data.pop("legal_basis", None)
        row.clean(lambda fields: form.clean(fields, CONTEXT))
        assert row.problems


@pytest.mark.parametrize("number", ["1e-999999999", "-1e-999999999", "1e999999999", 1e-300, "9" * 4000])
@pytest.mark.parametrize("field", ["commission_rate", "return_rate", "audience_gender"])
def test_numbers_that_are_long_only_when_written_out(field: str, number: Any):
    body = {field: {"female": number} if field.startswith("audience") else number}
    with pytest.raises(InvalidInput) as refusal:
        STALL_FORM.clean(body, CONTEXT, partial=True)
    assert all(len(word) < 200 for words in refusal.value.fields.values() for word in words)


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_table_or_refused_with_words(content: bytes):
    try:
        read_rows(content, STALL_COLUMNS, BOOK, max_rows=10)
    except InvalidInput as refusal:
        assert refusal.fields


@settings(max_examples=100, deadline=None)
@given(bits=st.text(alphabet="01", min_size=168, max_size=168))
def test_hours_come_back_as_they_were_sent(bits: str):
    assert weekly_hours(week_ranges(bits), CONTEXT) == bits
