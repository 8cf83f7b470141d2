"""Invented names of people, firms, shops and shows, and numbers that look right (layer: pure)."""

from typing import Any

from seeds.generate.dice import Dice, Weighted
from seeds.generate.ranges import read_data

WORDS: dict[str, Any] = read_data("names.json")
SURNAMES: Weighted[str] = Weighted(
    {char: weight for chars, weight in WORDS["surnames"].items() for char in chars}
)
SHOWS: dict[str, list[str]] = {department: words.split() for department, words in WORDS["shows"].items()}
LISTS = {key: words.split() for key, words in WORDS.items() if isinstance(words, str)}
# GB/T 2260 codes of districts around a wholesale town.
PLACES: Weighted[tuple[str, str]] = Weighted(
    {
        ("440104", "广州市越秀区"): 0.28,
        ("440105", "广州市海珠区"): 0.24,
        ("440103", "广州市荔湾区"): 0.16,
        ("440111", "广州市白云区"): 0.12,
        ("440113", "广州市番禺区"): 0.06,
        ("440604", "佛山市禅城区"): 0.05,
        ("441900", "东莞市"): 0.05,
        ("442000", "中山市"): 0.04,
    }
)
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CODE_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def one_word(dice: Dice, key: str) -> str:
    """Return one of the words that `names.json` lists under `key`."""
    return dice.one_of(LISTS[key])


def person(dice: Dice, female_share: float) -> str:
    """Return a Chinese name."""
    return dice.weighted(SURNAMES) + one_word(dice, "female" if dice.chance(female_share) else "male")


def name_on_air(dice: Dice, department: str, city: str) -> str:
    """Return a name as anchors give themselves."""
    is_built = dice.chance(0.6)
    nick = (
        one_word(dice, "nick_first") + one_word(dice, "nick_second")
        if is_built
        else one_word(dice, "nicknames")
    )
    show = dice.one_of(SHOWS[department])
    address = ("哥", "老板", "姐") if department == "men" else ("姐", "小姐姐", "老板娘")
    form = dice.uniform()
    if form < 0.55:
        return nick + show
    if form < 0.75:
        return dice.weighted(SURNAMES) + dice.one_of(address) + show
    if form < 0.9:
        return f"{city}{nick}"
    return f"{nick}在{city}"


def trade_word(dice: Dice) -> str:
    """Return the invented word of two or three characters that a firm goes by."""
    third = one_word(dice, "firm_second") if dice.chance(0.35) else ""
    return one_word(dice, "firm_first") + one_word(dice, "firm_second") + third


def merchant_name(dice: Dice, word: str, place: str, is_company: bool) -> str:
    """Return the registered name of a company or of an individual business."""
    return f"{place}{word}{one_word(dice, 'company_ends' if is_company else 'shop_ends')}"


def credit_code(dice: Dice, district: str, is_company: bool) -> str:
    """Return a unified social credit code (GB 32100) whose inner code (GB 11714) is right too."""
    organisation = "MA" + "".join(dice.one_of(ALPHABET) for _ in range(6))
    body = ("91" if is_company else "92") + district + organisation + organisation_check(organisation)
    total = sum(ALPHABET.index(char) * weight for char, weight in zip(body, CODE_WEIGHTS, strict=True))
    return body + ALPHABET[(31 - total) % 31]


def organisation_check(body: str) -> str:
    """Return the check character of an eight-character organisation code."""
    total = sum(LETTERS.index(char) * weight for char, weight in zip(body, ORGANISATION_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]


def contact_phone(number: int) -> str:
    """Return a mobile number that is plainly made up: counted upwards from 138 0000 0000."""
    return f"+86{13_800_000_000 + number % 10_000_000}"


def handle(dice: Dice) -> str:
    """Return an account name on a platform."""
    return "live" + "".join(str(dice.integer(0, 9)) for _ in range(8))
