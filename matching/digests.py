"""The hashes that bind what has happened: of an event, and of a day's heads of chains (layer: pure).

docs/events.md repeats both in a few lines that need nothing of this project, and a test runs them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any
from uuid import UUID


def event_hash(event: Any, match_id: UUID) -> str:
    """Return the link of a match's event in its chain; `event` is a row of the model or a bare one."""
    subject = {
        "match": str(match_id),
        "awaiting": event.awaiting,
        "terms_digest": event.terms_digest,
    }
    return link_of(event, subject)


def outcome_event_hash(event: Any, outcome_id: UUID) -> str:
    """Return the link of an outcome's event in its chain."""
    return link_of(event, {"outcome": str(outcome_id), "figures": event.figures})


def model_event_hash(event: Any, model_id: UUID, digest: str) -> str:
    """Return the link of an event of learned weights in its chain; `digest` is that of the weights."""
    return link_of(event, {"model": str(model_id), "weights": digest})


def match_day_event_hash(event: Any, day_id: UUID) -> str:
    """Return the link of a match day's event in its chain."""
    return link_of(event, {"match_day": str(day_id), "digest": event.digest})


def link_of(event: Any, subject: Mapping[str, Any]) -> str:
    """Return sha256 over the previous hash and the canonical JSON of the event, without its erasable note.

    `subject` says what the event is of, and what only its kind has.
    """
    content = {
        **subject,
        "seq": event.seq,
        "action": event.action,
        "from_status": event.from_status,
        "to_status": event.to_status,
        "actor_id": event.actor_id,
        "actor_role": event.actor_role,
        "reason_code": event.reason_code,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{event.prev_hash}{text}".encode()).hexdigest()


def root_hash(prev_root: str, leaves: Iterable[tuple[UUID, int, str]]) -> tuple[str, int]:
    """Return sha256 over the root before and the leaves (match, number, hash), and how many they were.

    The leaves come sorted by match; each is one line, so that a million of them need no memory.
    """
    digest, count = hashlib.sha256(prev_root.encode()), 0
    for match_id, seq, link in leaves:
        digest.update(f"{match_id} {seq} {link}\n".encode())
        count += 1
    return digest.hexdigest(), count
