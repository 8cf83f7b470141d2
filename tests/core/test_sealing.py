"""Sealed texts: nobody reads them, nobody changes them, nobody uses them elsewhere."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaker.core.sealing import seal, unseal


@given(st.text())
def test_what_is_sealed_comes_back(text):
    assert unseal(seal(text, purpose="a"), purpose="a") == text


def test_a_seal_does_not_show_its_text():
    token = seal("4711", purpose="a")

    assert b"4711" not in base64.urlsafe_b64decode(token + "==")
    assert token == seal("4711", purpose="a")
    assert token[-6:] != seal("4712", purpose="a")[-6:]


def test_a_seal_of_another_purpose_or_key_is_none(settings):
    token = seal("4711", purpose="a")
    with pytest.raises(ValueError):
        unseal(token, purpose="b")
    settings.SECRET_KEY = "another"  # noqa: S105
    with pytest.raises(ValueError):
        unseal(token, purpose="a")


@pytest.mark.parametrize("token", ["", "A", "AA", "====", "☃", "\x00", "A" * 21, "A" * 500, "cD01"])
def test_what_is_no_seal_is_refused(token):
    with pytest.raises(ValueError):
        unseal(token, purpose="a")


def test_every_changed_character_is_noticed():
    token = seal("a text of more than one block of thirty-two bytes", purpose="a")
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "Q"
        with pytest.raises(ValueError):
            unseal(token[:place] + other + token[place + 1 :], purpose="a")
