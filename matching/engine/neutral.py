"""A list by neutral facts only: what a party gets that does not want to be ranked personally.

Of the asker only the neutral blocks count (category, price, hours, region); of every partner nothing
that is said of it alone: no history, reach, reply time or load. Rules and capacities are untouched, so
exactly the same partners are candidates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from matching.engine.encoding import BLOCKS
from matching.engine.model import Encoded, Model
from matching.engine.scoring import PART_CODES

NEUTRAL_PARTS = tuple(
    code for code in PART_CODES if any(block.is_neutral and block.part == code for block in BLOCKS)
)


def neutral_asker(model: Model, own: Encoded, row: int) -> Encoded:
    """The one party in `row`, with every block but the neutral ones unknown."""
    party = own.parties.take(np.array([row], dtype=np.int64))
    vectors = own.vectors[[row]].copy()
    for block in BLOCKS:
        if not block.is_neutral:
            vectors[:, model.encoder.slice_of(block.name)] = 0.0
    return Encoded.of(model, replace(party, personalised=np.zeros(1, dtype=np.bool_)), vectors)


def neutral_partners(model: Model, partners: Encoded) -> Encoded:
    """The same partners with nothing said of them alone: as if each of them had opted out too."""
    unsaid = replace(partners.parties, personalised=np.zeros(len(partners), dtype=np.bool_))
    return Encoded.of(model, unsaid, partners.vectors)
