"""Codes and packed values of a party in words, for pages of the admin (layer: faces)."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.html import format_html, format_html_join
from django.utils.translation import get_language, gettext_lazy, pgettext
from django.utils.translation import gettext as _

from accounts.choices import CooperationMode, Platform
from accounts.codes import Codes
from accounts.models import ReasonCode
from matchmaker.core.money import percent

HOURS_A_DAY = 24
GROUPS: dict[str, Any] = {
    "under_18": gettext_lazy("under 18"),
    "18_24": gettext_lazy("aged 18–24"),
    "25_34": gettext_lazy("aged 25–34"),
    "35_44": gettext_lazy("aged 35–44"),
    "45_plus": gettext_lazy("aged 45 and over"),
    "female": gettext_lazy("women"),
    "male": gettext_lazy("men"),
    "tier_1": gettext_lazy("tier-1 cities"),
    "new_tier_1": gettext_lazy("new tier-1 cities"),
    "tier_2": gettext_lazy("tier-2 cities"),
    "tier_3": gettext_lazy("tier-3 cities"),
    "tier_4_plus": gettext_lazy("smaller towns"),
}


def joined(names: Iterable[object]) -> str:
    """Return names as a list in a sentence of the asker's language."""
    return pgettext("between the items of a list", ", ").join(map(str, names))


def names_of(codes: Codes, wanted: Iterable[str]) -> str:
    """Return the names of reference codes in the asker's language; a code that is unknown stands as it is."""
    return joined(codes[code].name if code in codes else code for code in wanted) or "–"


def with_reason_names(rows: QuerySet) -> QuerySet:
    """Return rows that have a `reason_code` with its name in the asker's language as `reason_name`."""
    name = "name_zh" if (get_language() or "zh").startswith("zh") else "name_en"
    reasons = ReasonCode.objects.filter(code=OuterRef("reason_code")).values(name)
    return rows.annotate(reason_name=Subquery(reasons))


def reason_of(row: Any) -> str:
    """Return the reason of a row of `with_reason_names` in words."""
    return row.reason_name or row.reason_code or "–"


def labels_of(choices: Any, codes: Iterable[str]) -> str:
    """Return the labels of choice codes, joined."""
    labels = dict(choices.choices)
    return joined(labels.get(code, code) for code in codes) or "–"


def modes(codes: Iterable[str]) -> str:
    return labels_of(CooperationMode, codes)


def shares(table: Mapping[str, Any]) -> str:
    """Return marginal shares as `aged 18–24 35% · aged 25–34 40%`."""
    pairs = ((GROUPS.get(code, code), percent(share)) for code, share in table.items())
    return " · ".join(f"{name} {share}" for name, share in pairs) or "–"


def platforms(rows: Iterable[Any]) -> str:
    """Return one line for each platform of an anchor, or the names a stall wants."""
    labels = dict(Platform.choices)
    lines = [_platform(row, labels) if isinstance(row, dict) else str(labels.get(row, row)) for row in rows]
    return format_html_join("", "<div>{}</div>", ((line,) for line in lines)) or "–"


def _platform(row: dict[str, Any], labels: Mapping[str, Any]) -> str:
    figures = _("%(followers)s followers, %(viewers)s viewers on average") % {
        "followers": _number(row.get("followers")),
        "viewers": _number(row.get("average_viewers")),
    }
    return f"{labels.get(row.get('platform', ''), row.get('platform'))} {row.get('handle', '')}: {figures}"


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"


def hours(packed: str) -> str:
    """Return 168 hours of a week as one line a day: `Mon 09–12, 14–22`."""
    days = (packed[day * HOURS_A_DAY : (day + 1) * HOURS_A_DAY] for day in range(7))
    lines = ((WEEKDAYS_ABBR[number], ranges(day)) for number, day in enumerate(days))
    return format_html("<dl class='hours'>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", lines))


def ranges(day: str) -> str:
    spans = []
    for free, run in groupby(range(len(day)), key=lambda hour: day[hour] == "1"):
        span = list(run)
        if free:
            spans.append(f"{span[0]:02d}–{span[-1] + 1:02d}")
    return ", ".join(spans) or "–"
