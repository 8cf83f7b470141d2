"""docs/notifications.md tells the words as the code has them."""

from pathlib import Path

from django.utils.translation import override

from matching.notices import MOVES, OUTCOMES

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "notifications.md"
HEAD = "| what | told to | title | text |\n|---|---|---|---|\n"
READERS = {
    "them": "the other side",
    "us": "the others of the side that did it",
    "town": "both sides",
    "staff": "town staff",
}


def words_table() -> str:
    """The table of the page, as it has to be."""
    with override("en"):
        rows = [
            f"| {subject} {what} | {READERS[voice]} | {words.title} | {words.body} |\n"
            for subject, lines in (("match", MOVES), ("outcome", OUTCOMES))
            for (what, voice), words in lines.items()
        ]
    return (HEAD + "".join(rows)).replace("%(", "*").replace(")s", "*")


def test_the_page_has_the_words_of_the_code():
    expected = words_table()
    page = PAGE.read_text(encoding="utf-8")
    shown = "".join(line for line in page.splitlines(keepends=True) if line.startswith("| "))
    assert expected.removeprefix(HEAD) in shown, f"put this into the page:\n\n{expected}"
    assert page.count("| match ") + page.count("| outcome ") == len(MOVES) + len(OUTCOMES)
