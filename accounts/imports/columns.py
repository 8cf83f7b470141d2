"""Which headers a table may have, in Chinese and English, and how each column is read (layer: pure)."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from django.utils.translation import gettext as _

from accounts.codes import ReferenceBook
from accounts.imports import cells
from accounts.imports.words import MODE_WORDS, PERMIT_WORDS, PLATFORM_WORDS
from accounts.validation.fields import Bad, Problems
from matchmaker.core.errors import InvalidInput

# More than the longest text of a profile.
MOST_CHARACTERS = 4000


@dataclass(frozen=True)
class Column:
    """One column: the field that it fills (dots lead into it), the reader, the headers that mean it."""

    field: str
    read: cells.Reader
    headers: tuple[str, ...]
    unit: str = ""


def _column(field: str, read: cells.Reader, *headers: str, unit: str = "") -> Column:
    return Column(field, read, (field, *headers), unit)


_AUDIENCE = (
    _column("audience_age.under_18", cells.rate, "18岁以下占比", "18岁以下"),
    _column("audience_age.18_24", cells.rate, "18-24岁占比", "18-24岁"),
    _column("audience_age.25_34", cells.rate, "25-34岁占比", "25-34岁"),
    _column("audience_age.35_44", cells.rate, "35-44岁占比", "35-44岁"),
    _column("audience_age.45_plus", cells.rate, "45岁以上占比", "45岁以上"),
    _column("audience_gender.female", cells.rate, "女性占比", "女粉占比", "女性粉丝占比", "female share"),
    _column("audience_gender.male", cells.rate, "男性占比", "男粉占比", "男性粉丝占比", "male share"),
    _column("audience_city_tier.tier_1", cells.rate, "一线占比", "一线城市占比", "tier 1 share"),
    _column("audience_city_tier.new_tier_1", cells.rate, "新一线占比", "新一线城市占比", "new tier 1 share"),
    _column("audience_city_tier.tier_2", cells.rate, "二线占比", "二线城市占比", "tier 2 share"),
    _column("audience_city_tier.tier_3", cells.rate, "三线占比", "三线城市占比", "tier 3 share"),
    _column(
        "audience_city_tier.tier_4_plus", cells.rate, "四线及以下占比", "四线及以下城市占比", "tier 4 share"
    ),
)
_BOTH = (
    _column("categories", cells.codes("categories"), "category", "品类", "经营品类", "主营品类", "主营类目",
            "类目", "带货品类", "擅长品类"),
    _column("styles", cells.codes("styles"), "style", "风格", "主打风格", "擅长风格", "服装风格"),
    _column("slot_fee_cents", cells.cents, unit="cents"),
    _column("slot_fee", cells.cents, "坑位费", "期望坑位费", "可付坑位费", "slot fee", "slot fee wanted"),
    _column("cooperation_modes", cells.several(MODE_WORDS), "合作方式", "合作模式", "直播方式"),
    _column("languages", cells.codes("languages"), "language", "语言", "直播语言", "语种"),
    _column("weekly_capacity", cells.whole, "每周场次", "每周可接场次", "周场次", "bookings per week"),
    _column("availability", cells.week, "直播时段", "可直播时间", "可直播时段", "可播时间", "hours"),
    *_AUDIENCE,
)  # fmt: skip
STALL_COLUMNS = (
    _column("name", cells.text, "stall", "stall name", "档口名称", "档口名", "档口", "店名", "名称"),
    _column("zone", cells.code("zones"), "区域", "分区", "区", "所在区域"),
    _column("floor", cells.floor, "楼层", "所在楼层", "层"),
    _column(
        "number", cells.text, "stall number", "stall no", "档口号", "档口编号", "铺位号", "门牌号", "铺号"
    ),
    _column("description", cells.text, "描述", "简介", "档口简介", "介绍"),
    _column("price_min_cents", cells.cents, unit="cents"),
    _column("price_max_cents", cells.cents, unit="cents"),
    _column(
        "price_min", cells.cents, "lowest price", "min price", "最低价", "最低售价", "最低直播价", "起始价"
    ),
    _column("price_max", cells.cents, "highest price", "max price", "最高价", "最高售价", "最高直播价"),
    _column("price_band", cells.band, "price range", "价格带", "价格区间", "直播价格带", "价位"),
    _column("moq", cells.whole, "起批量", "起订量", "最小起批量", "minimum order"),
    _column("stock_depth", cells.whole, "库存深度", "库存", "单款库存", "stock"),
    _column("restock_days", cells.whole, "返单周期", "返单天数", "补货天数", "补货周期", "restock"),
    _column("return_rate", cells.rate, "退货率", "退换率"),
    _column("commission_rate", cells.rate, "commission", "佣金率", "佣金", "佣金比例", "提供佣金"),
    _column("platforms", cells.several(PLATFORM_WORDS), "platform", "平台", "期望平台", "合作平台"),
    _column("followers_wanted_min", cells.whole, "最低粉丝数", "期望粉丝数", "粉丝要求", "min followers"),
    _column(
        "hosts_at_once", cells.whole, "可同时接待主播数", "同时接待主播", "接待主播数", "直播位", "hosts"
    ),
    _column(
        "streaming_permit",
        cells.word(PERMIT_WORDS),
        "直播许可",
        "是否可直播",
        "直播权限",
        "允许直播",
        "streaming",
    ),
    *_BOTH,
)
ANCHOR_COLUMNS = (
    _column("display_name", cells.text, "name", "name on air", "主播昵称", "昵称", "主播名", "主播", "艺名"),
    _column("real_name", cells.text, "姓名", "真实姓名", "real name"),
    _column("id_number", cells.text, "身份证号", "身份证", "身份证号码", "证件号", "id card"),
    _column("birth_date", cells.day, "出生日期", "生日", "出生年月日", "birthday", "date of birth"),
    _column("guardian_consent_on", cells.day, "监护人同意日期", "监护人同意", "guardian consent"),
    _column("contact_phone", cells.text, "手机", "手机号", "电话", "联系电话", "联系方式", "phone"),
    _column("bio", cells.text, "简介", "主播简介", "介绍", "about"),
    _column("region", cells.code("regions"), "地区", "所在地", "省份", "所在省份", "所在地区", "province"),
    _column("platform", cells.word(PLATFORM_WORDS), "平台", "直播平台", "主平台"),
    _column("handle", cells.text, "账号", "平台账号", "抖音号", "账号id", "account"),
    _column("followers", cells.whole, "粉丝数", "粉丝", "粉丝量"),
    _column("average_viewers", cells.whole, "平均在线", "场均在线", "平均在线人数", "average viewers", "acu"),
    _column(
        "sold_price_band", cells.sold_band, "成交价格带", "带货价格带", "价格带", "客单价区间", "主力价格带"
    ),
    _column(
        "commission_rate",
        cells.rate,
        "commission",
        "commission wanted",
        "佣金率",
        "期望佣金",
        "期望佣金率",
        "佣金",
    ),
    _column("is_commission_floor", cells.truth, "佣金底线", "低于不接", "commission is a must"),
    _column("moq_max", cells.whole, "可接受起批量", "最大起批量", "max moq"),
    _column("stock_depth_min", cells.whole, "最低库存要求", "库存要求", "min stock"),
    _column("restock_days_max", cells.whole, "可接受返单天数", "返单要求", "max restock days"),
    _column("return_rate_max", cells.rate, "可接受退货率", "最高退货率", "max return rate"),
    _column("is_on_site", cells.truth, "可到场", "是否到场", "愿意到场", "到场直播", "on site"),
    _column("legal_basis", cells.text, "法律依据", "授权依据", "合法性依据", "legal basis"),
    *_BOTH,
)
Matched = list[tuple[Column, str] | None]
# Columns that tables have for their keepers; they say nothing about the party.
IGNORED = frozenset({"序号", "编号", "备注", "no", "no.", "remark", "remarks", "note", "notes", "#"})
_UNITS = {
    "%": "%",
    "百分比": "%",
    "元": "yuan",
    "分": "cents",
    "万": "万",
    "万元": "万",
    "cny": "yuan",
    "yuan": "yuan",
    "cents": "cents",
    **dict.fromkeys(("秒", "s", "seconds"), "seconds"),
    **dict.fromkeys(("分钟", "min", "minutes"), "minutes"),
    **dict.fromkeys(("小时", "h", "hours"), "hours"),
}


def _key(header: str) -> str:
    clean = unicodedata.normalize("NFKC", header).casefold().strip().lstrip("'*")
    return re.sub(r"[\s_]+", "", re.sub(r"\(.*?\)|\[.*?\]|%", "", clean)).rstrip("*:")


def _unit(header: str) -> str:
    clean = unicodedata.normalize("NFKC", header).casefold()
    if "%" in clean:
        return "%"
    found = re.search(r"[(\[](.*?)[)\]]", clean)
    return _UNITS.get(found[1].strip(), "") if found else ""


def match_headers(header: Iterable[str], columns: tuple[Column, ...]) -> Matched:
    """Return column and unit for every header, None for those ignored; InvalidInput names unknown ones."""
    by_key = {_key(name): (column, name) for column in reversed(columns) for name in column.headers}
    matched: Matched = []
    problems: Problems = {}
    seen: dict[str, str] = {}
    for number, name in enumerate(header, start=1):
        column, _name = by_key.get(_key(name), (None, ""))
        if column is None:
            matched.append(None)
            if name.strip() and unicodedata.normalize("NFKC", name).strip().casefold() not in IGNORED:
                problems[f"header.{number}"] = [_unknown_header(name, by_key)]
            continue
        if column.field in seen:
            words = {"name": name.strip(), "other": seen[column.field]}
            problems[f"header.{number}"] = [_("“%(name)s” and “%(other)s” mean the same column.") % words]
        seen[column.field] = name.strip()
        matched.append((column, _unit(name) or column.unit))
    if problems:
        raise InvalidInput(
            _("The first row names columns that are not known."), code="unknown_header", fields=problems
        )
    return matched


def _unknown_header(name: str, by_key: dict[str, tuple[Column, str]]) -> str:
    near = [by_key[key][1] for key in get_close_matches(_key(name), by_key, n=3, cutoff=0.5)]
    words = {"name": name.strip()[:40], "near": ", ".join(near)}
    if near:
        return (
            _("“%(name)s” is no column we know; perhaps %(near)s. Remove the column if it is not needed.")
            % words
        )
    return _("“%(name)s” is no column we know. Remove the column if it is not needed.") % words


def read_cells(
    row: tuple[str, ...], matched: Matched, book: ReferenceBook
) -> tuple[dict[str, Any], Problems]:
    """Return the values of a row by field and what is wrong with its cells; empty cells say nothing."""
    values: dict[str, Any] = {}
    problems: Problems = {}
    for cell, target in zip(row, matched, strict=False):  # short rows are common
        text = cells.plain(cell)
        if target is None or not text:
            continue
        column, unit = target
        if len(text) > MOST_CHARACTERS:
            words = {"most": MOST_CHARACTERS, "count": len(text)}
            problems[column.field] = [_("Give at most %(most)s characters; there are %(count)s.") % words]
            continue
        try:
            values[column.field] = column.read(text, unit, book)
        except Bad as bad:
            problems[column.field] = bad.parts[""]
    if any(cell.strip() for cell in row[len(matched) :]):
        problems["row"] = [_("This row has more cells than the first row has columns.")]
    return values, problems


def _fold(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with dotted fields gathered: {"audience_gender.female": …} is part of audience_gender."""
    folded: dict[str, Any] = {}
    for name, value in values.items():
        outer, dot, inner = name.partition(".")
        if dot:
            folded.setdefault(outer, {})[inner] = value
        else:
            folded[name] = value
    gender = folded.get("audience_gender", {})
    if len(gender) == 1:
        [(known, share)] = gender.items()
        folded["audience_gender"] = gender | {"male" if known == "female" else "female": _rest(share)}
    return folded


def _rest(share: str) -> str:
    return f"{1 - Decimal(share):f}"


def stall_data(values: dict[str, Any]) -> dict[str, Any]:
    """Return a row's values as the fields of a stall."""
    data = _fold(values)
    if "price_band" in data:
        data["price_min_cents"], data["price_max_cents"] = data.pop("price_band")
    for name in ("price_min", "price_max", "slot_fee"):
        if name in data:
            data[f"{name}_cents"] = data.pop(name)
    return data


def anchor_data(values: dict[str, Any]) -> dict[str, Any]:
    """Return a row's values as the fields of an anchor, its one account in `platforms`."""
    data = _fold(values)
    if "slot_fee" in data:
        data["slot_fee_cents"] = data.pop("slot_fee")
    if "sold_price_band" in data:
        data["price_shares"] = data.pop("sold_price_band")
    account = {
        name: data.pop(name)
        for name in ("platform", "handle", "followers", "average_viewers")
        if name in data
    }
    if account:
        data["platforms"] = [{"followers": 0} | account]
    return data
