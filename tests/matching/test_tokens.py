"""Ids of suggestions: what they carry, and that nobody else can make them."""

import base64
import uuid

import pytest

from matching.choices import Side
from matching.tokens import make_suggestion_id, read_suggestion_id
from matchmaker.core.errors import NotFound

STALL, ANCHOR = uuid.UUID(int=1), uuid.UUID(int=2**128 - 1)


@pytest.mark.parametrize("side", list(Side))
def test_an_id_names_side_subject_and_partner(side):
    text = make_suggestion_id(side, STALL, ANCHOR)
    ref = read_suggestion_id(text)
    assert (ref.side, ref.subject_id, ref.partner_id) == (side, STALL, ANCHOR)
    expected = (STALL, ANCHOR) if side == Side.STALL else (ANCHOR, STALL)
    assert (ref.stall_id, ref.anchor_id) == expected
    assert len(text) == 64 and "=" not in text


def test_an_id_is_the_same_each_time_and_other_for_the_other_side():
    assert make_suggestion_id("stall", STALL, ANCHOR) == make_suggestion_id("stall", STALL, ANCHOR)
    assert make_suggestion_id("stall", STALL, ANCHOR) != make_suggestion_id("anchor", STALL, ANCHOR)


def test_no_byte_can_be_changed():
    raw = bytearray(base64.urlsafe_b64decode(make_suggestion_id("stall", STALL, ANCHOR)))
    for position in range(len(raw)):
        changed = raw.copy()
        changed[position] ^= 1
        with pytest.raises(NotFound):
            read_suggestion_id(base64.urlsafe_b64encode(bytes(changed)).decode())


@pytest.mark.parametrize(
    "text", ["", "x", "A" * 64, "A" * 63, "é" * 64, "=" * 64, " " * 64, "A" * 10_000, "\x00"]
)
def test_what_we_did_not_sign_is_not_there(text):
    with pytest.raises(NotFound):
        read_suggestion_id(text)


def test_a_former_key_still_reads_and_does_not_sign(settings):
    text = make_suggestion_id("stall", STALL, ANCHOR)
    former = settings.SECRET_KEY
    settings.SECRET_KEY = "another-key-of-this-deployment"
    with pytest.raises(NotFound):
        read_suggestion_id(text)
    settings.SECRET_KEY_FALLBACKS = [former]
    assert read_suggestion_id(text).subject_id == STALL
    assert make_suggestion_id("stall", STALL, ANCHOR) != text
