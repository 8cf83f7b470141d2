"""The town's reference codes as plain values, so that checks need no database (layer: pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property

from django.utils.translation import get_language

# A file of 5,000 rows may hold 15,000 unknown words; comparing each with all codes would take half a minute.
MOST_COMPARED = 300
KINDS = ("categories", "styles", "zones", "regions", "languages")


def reads_chinese(language: str | None = None) -> bool:
    """Whether a language, the active one by default, is Chinese, as it is where none is set."""
    return (language or get_language() or "zh").startswith("zh")


@dataclass(frozen=True)
class ReferenceItem:
    """One reference row; `parent` is a category's department or a region's area."""

    id: int
    code: str
    name_zh: str
    name_en: str
    parent: str = ""
    is_retired: bool = False

    @property
    def name(self) -> str:
        """The name in the active language."""
        return self.name_zh if reads_chinese() else self.name_en

    def labelled(self) -> dict[str, str]:
        """Code and name, the form in which answers of the API show it."""
        return {"code": self.code, "name": self.name}


class Codes(Mapping[str, ReferenceItem]):
    """The items of one kind by code, in the town's order; finds people's spellings too."""

    def __init__(self, items: Iterable[ReferenceItem] = ()) -> None:
        self._items = {item.code: item for item in items}
        self._near: dict[str, list[ReferenceItem]] = {}

    def __getitem__(self, code: str) -> ReferenceItem:
        return self._items[code]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @cached_property
    def by_id(self) -> dict[int, ReferenceItem]:
        return {item.id: item for item in self._items.values()}

    def labelled(self, codes: Iterable[str]) -> list[dict[str, str]]:
        """Those of the codes that are of this kind, with their names in the active language."""
        labels = self._labels[reads_chinese()]
        return [labels[code] for code in codes if code in labels]

    @cached_property
    def _labels(self) -> dict[bool, dict[str, dict[str, str]]]:
        return {
            is_zh: {
                code: {"code": code, "name": item.name_zh if is_zh else item.name_en}
                for code, item in self._items.items()
            }
            for is_zh in (True, False)
        }

    @cached_property
    def by_spelling(self) -> dict[str, ReferenceItem]:
        """Items by code and by either name, case-folded; a code wins over another item's name."""
        spellings: dict[str, ReferenceItem] = {}
        for item in self._items.values():
            for name in (item.name_zh, item.name_en):
                spellings.setdefault(name.strip().casefold(), item)
        spellings.update({code.casefold(): item for code, item in self._items.items()})
        return spellings

    def named(self, text: str) -> ReferenceItem | None:
        """The item that `text` means, by code or by either name."""
        return self.by_spelling.get(text.strip().casefold())

    def near(self, text: str, count: int = 3) -> list[ReferenceItem]:
        """The items whose code or name looks like `text`, nearest first; nothing after too many questions.

        The book is made anew every minute, and with it the count.
        """
        wanted = text.strip().casefold()
        if wanted not in self._near:
            if len(self._near) >= MOST_COMPARED:
                return []
            self._near[wanted] = self._compared(wanted)
        return self._near[wanted][:count]

    def _compared(self, wanted: str, count: int = 3) -> list[ReferenceItem]:
        found = get_close_matches(wanted, self.by_spelling, n=count * 2, cutoff=0.55)
        found += [name for name in self.by_spelling if wanted and (wanted in name or name in wanted)]
        items = {self.by_spelling[name].code: self.by_spelling[name] for name in found}
        return list(items.values())[:count]


@dataclass(frozen=True)
class ReferenceBook:
    """All reference data that profiles refer to."""

    categories: Codes = field(default_factory=Codes)
    styles: Codes = field(default_factory=Codes)
    zones: Codes = field(default_factory=Codes)
    regions: Codes = field(default_factory=Codes)
    languages: Codes = field(default_factory=Codes)
