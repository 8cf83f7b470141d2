"""Numbers that people write into free texts, hidden before an agreement (layer: selectors)."""

import re

# Seven digits and more, however they are set apart: a phone, a number of an account, an ID number.
_NUMBER = re.compile(r"\+?\d(?:[ \-.·()（）]{0,2}\d){6,}")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w+")


def without_contacts(text: str) -> str:
    """Return `text` with long numbers and e-mail addresses replaced by stars."""
    return _ADDRESS.sub("****", _NUMBER.sub("****", text))
