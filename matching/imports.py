"""The table of outcomes that people fill in: its columns, and the file to begin with (layer: imports)."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.codes import ReferenceBook
from accounts.imports import cells
from accounts.imports.columns import Column
from accounts.validation.fields import Bad
from matching.models import Booking
from matchmaker.core.text import quote_cell
from matchmaker.core.weeks import TOWN_ZONE

_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)(?::([0-5]\d))?")
_BARE = re.compile(r"\d{1,9}(?:\.\d{1,4})?")
_PARTS = re.compile(
    r"(?:(\d{1,4}(?:\.\d{1,4})?)(?:小时|h|hours?))?(?:(\d{1,6})(?:分钟|分|min|minutes?))?(?:(\d{1,7})(?:秒|s|seconds?))?"
)


def duration(cell: str, unit: str, book: ReferenceBook) -> int:
    """A time in seconds: `2:30:00`, `2小时30分钟`, `150分钟`; a bare number is of the header's unit."""
    clean = re.sub(r"\s", "", unicodedata.normalize("NFKC", cell)).casefold()
    clock, parts = _CLOCK.fullmatch(clean), _PARTS.fullmatch(clean)
    if clock:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return hours * 3600 + minutes * 60 + seconds
    if clean and parts:
        hours_, minutes_, seconds_ = (Decimal(part or 0) for part in parts.groups())
        return round(hours_ * 3600 + minutes_ * 60 + seconds_)
    bare = _BARE.fullmatch(clean)
    if not bare or unit not in _SECONDS:
        message = _("“%(cell)s” is no duration; write it such as 2:30:00 or 150分钟.")
        raise Bad(message % {"cell": cell[:40]})
    return round(Decimal(clean) * _SECONDS[unit])


# Of the columns that we hand out the first header is the English one, the second the Chinese one. What people
# write in yuan and minutes has another header than the exact cents and seconds, and fills the same field.
BOOKING = Column("booking", cells.text, ("booking", "排期", "booking id", "排期编号", "排期id"))
# For people to know the session by; what they say is not read.
_KNOWN_BY = (
    Column("stall", cells.text, ("stall", "档口", "档口名称", "stall name")),
    Column("anchor", cells.text, ("anchor", "主播", "主播昵称", "anchor name")),
    Column("starts_at", cells.text, ("starts_at", "开播时间", "开始时间")),
)
_IN_PEOPLES_UNITS = (
    Column("gmv_cents", cells.cents, ("gmv", "成交总额", "成交额", "支付金额")),
    Column("refunded_cents", cells.cents, ("refunded", "退款金额", "退款额", "refunds")),
    Column("cancelled_cents", cells.cents, ("cancelled", "发货前退款金额", "发货前取消金额")),
    Column("orders", cells.whole, ("orders", "订单数", "成交订单数", "支付订单数")),
    Column("orders_cancelled", cells.whole, ("orders_cancelled", "发货前取消订单数", "发货前退款订单数")),
    Column("orders_returned", cells.whole, ("orders_returned", "退货订单数", "退货数", "returned")),
    Column("buyers", cells.whole, ("buyers", "成交人数", "购买人数", "支付人数")),
    Column("views", cells.whole, ("views", "场观人次", "观看人次", "观看次数", "pv")),
    Column("viewers", cells.whole, ("viewers", "场观人数", "观看人数", "uv")),
    Column("duration_seconds", duration, ("duration", "时长", "直播时长", "开播时长")),
)
_EXACT = (
    Column("gmv_cents", cells.cents, ("gmv_cents",), unit="cents"),
    Column("refunded_cents", cells.cents, ("refunded_cents",), unit="cents"),
    Column("cancelled_cents", cells.cents, ("cancelled_cents",), unit="cents"),
    Column("duration_seconds", duration, ("duration_seconds",), unit="seconds"),
)
_HANDED_OUT = (BOOKING, *_KNOWN_BY, *_IN_PEOPLES_UNITS)
OUTCOME_COLUMNS = (*_HANDED_OUT, *_EXACT)
_UNITS = {"_cents": ("yuan", "元"), "_seconds": ("minutes", "分钟")}


def figures_in(values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the booking's id as a row has it, and the figures by their names."""
    known_by = {column.field for column in _KNOWN_BY}
    figures = {name: value for name, value in values.items() if name not in known_by}
    return str(figures.pop("booking", "")), figures


def outcome_table(bookings: Iterable[Booking]) -> bytes:
    """Return a CSV file with a row per booking whose figures are to be filled in; Excel opens it as it is."""
    is_chinese = (get_language() or "zh").startswith("zh")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_header(column, is_chinese) for column in _HANDED_OUT)
    empty = [""] * (len(_HANDED_OUT) - len(_KNOWN_BY) - 1)
    for booking in bookings:
        starts_at = timezone.localtime(booking.session.starts_at, TOWN_ZONE)
        names = (booking.match.stall.name, booking.match.anchor.display_name)
        known_by = (*map(quote_cell, names), f"{starts_at:%Y-%m-%d %H:%M}")
        writer.writerow([booking.public_id, *known_by, *empty])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _header(column: Column, is_chinese: bool) -> str:
    unit = next((names[is_chinese] for end, names in _UNITS.items() if column.field.endswith(end)), "")
    return column.headers[is_chinese] + (f"({unit})" if unit else "")
