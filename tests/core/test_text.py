"""Which characters nobody can see."""

import pytest

from matchmaker.core.text import unseen_character


@pytest.mark.parametrize("text", ["", "花样年华", "A-12 #3", "👩‍👩‍👧", "é", "e\u0301", "《店》·①"])
def test_what_can_be_read_is_kept(text):
    assert unseen_character(text) == ""


@pytest.mark.parametrize(
    ("char", "code"),
    [
        ("\x00", "U+0000"), ("\n", "U+000A"), ("\x7f", "U+007F"), ("\u200b", "U+200B"), ("\u202e", "U+202E"),
        ("\u2028", "U+2028"), ("\u2060", "U+2060"), ("\ufeff", "U+FEFF"), ("\ud800", "U+D800"),
        ("\uffff", "U+FFFF"), ("\u3164", "U+3164"), ("\u00ad", "U+00AD"), ("\U000e0041", "U+E0041"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_named(char, code):
    assert unseen_character(f"花{char}样") == code


def test_joiners_alone_are_no_text():
    assert unseen_character("\u200d") == "U+200D"


def test_line_breaks_are_kept_where_lines_are():
    assert unseen_character("a\nb\r\n\tc", lines=True) == ""
    assert unseen_character("a\u2028b", lines=True) == "U+2028"
