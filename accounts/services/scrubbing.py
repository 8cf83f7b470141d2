"""Taking an erased person's texts out of what belongs to others: answers, logs, files (layer: services)."""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import CharField, Q, TextField

from accounts.models import Anchor, Erasure, Merchant, Stall, User
from accounts.privacy import ERASED, Field, columns_of, rows_of
from jobs.models import IdempotencyKey

TOLD_BY = (
    "accounts.user", "accounts.merchant", "accounts.historicalmerchant", "accounts.stall",
    "accounts.historicalstall", "accounts.anchor", "accounts.historicalanchor",
)  # fmt: skip
# Rows whose entries in the log of the administration name their people.
LOGGED = (
    "accounts.verification", "accounts.apitoken", "accounts.devicetoken", "matching.match",
    "matching.block", "matching.pairrule", "matching.exclusivity",
)  # fmt: skip
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Free texts in which anybody may have named the person.
TOLD_IN = (
    ("matching.note", "text"), ("matching.pairrule", "note"), ("matching.matchdaypair", "fault"),
    ("accounts.verification", "note"), ("jobs.job", "error"),
)  # fmt: skip


# Said alike of everybody in a file that staff imported.
SHARED = {"legal_basis"}


def is_own(text: str, *, nearby: bool = False) -> bool:
    """Tell whether a text within a longer one means the person; shorter ones are parts of other people's.

    `nearby` is said of rows about the person, where a name of two characters is theirs.
    """
    if text.isascii():
        return len(text) >= (4 if nearby else 6)
    return len(text) >= (2 if nearby else 3)


def texts_of(owners: dict[str, list[int]]) -> list[str]:
    """Return every text by which these people are known, now or in history; long ones first."""
    found: set[str] = set()
    for label in TOLD_BY:
        names = [
            column.name
            for column in columns_of(label, ERASED - {Field.SECRET, Field.STAFF})
            if isinstance(column, CharField | TextField) and not column.choices and column.name not in SHARED
        ]
        for values in rows_of(label, owners).values_list(*names):
            found.update(value for value in values if value and len(value) > 1)
    return sorted(found, key=lambda text: (-len(text), text))


def scrubbed(value: Any, texts: Iterable[str], instead: str, *, nearby: bool = True) -> Any:
    """Return JSON with these texts replaced, also where a longer one holds them."""
    if isinstance(value, dict):
        return {key: scrubbed(item, texts, instead, nearby=nearby) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item, texts, instead, nearby=nearby) for item in value]
    if isinstance(value, str):
        for text in texts:
            if value == text or (is_own(text, nearby=nearby) and text in value):
                value = value.replace(text, instead)
    return value


def forget_answers(ids: Collection[str], texts: Iterable[str] = ()) -> int:
    """Empty answers kept for a repeat that name one of these public ids or hold one of these texts.

    The row stays, and with it that a repeat has no second effect: it gets the status and nothing else. One
    pass over what is kept; returns how many were emptied.
    """
    wanted, told = set(ids), [text for text in texts if is_own(text)]
    if not wanted and not told:
        return 0
    gone = [
        pk
        for pk, body in IdempotencyKey.objects.values_list("pk", "body").iterator(chunk_size=1000)
        if _names(body, wanted, told)
    ]
    return IdempotencyKey.objects.filter(pk__in=gone).update(body=None, headers={})


def _names(body: Any, ids: set[str], texts: Sequence[str]) -> bool:
    text = json.dumps(body, ensure_ascii=False)
    return not ids.isdisjoint(_ID.findall(text)) or any(told in text for told in texts)


def scrub_answers(row: Erasure) -> int:
    """Empty answers that others got of the person; return how many."""
    ids: list[Any] = []
    for model, keys in ((Merchant, row.merchant_ids), (Stall, row.stall_ids), (Anchor, row.anchor_ids)):
        ids += model._default_manager.filter(pk__in=keys).values_list("public_id", flat=True)
    return forget_answers(list(map(str, ids)), row.looked_for)


def entries_about(owners: dict[str, list[int]]) -> Q:
    """Entries in the log of the administration about these people's rows; asked before the rows are gone."""
    about = Q(pk__in=[])
    for label in LOGGED:
        keys = [str(pk) for pk in rows_of(label, owners).values_list("pk", flat=True)]
        kind = ContentType.objects.get_for_model(apps.get_model(label))
        about |= Q(content_type=kind, object_id__in=keys)
    return about


def scrub_log(row: Erasure, about: Q) -> int:
    """Let the log of the administration name the pseudonym instead; what staff wrote there goes."""
    ids = (
        (User, [row.user_id]),
        (Merchant, row.merchant_ids),
        (Stall, row.stall_ids),
        (Anchor, row.anchor_ids),
    )
    for model, keys in ids:
        kind = ContentType.objects.get_for_model(model)
        about |= Q(content_type=kind, object_id__in=[str(key) for key in keys])
    for text in row.looked_for:
        if is_own(text):
            about |= Q(object_repr__contains=text) | Q(change_message__contains=text)
    return LogEntry.objects.filter(about).update(object_repr=row.pseudonym, change_message="")


def scrub_texts(row: Erasure, owners: dict[str, list[int]]) -> int:
    """Scrub what others wrote about the person, and errors that quote them; return how many texts."""
    count = 0
    for event in ("matching.matchevent", "matching.outcomeevent"):
        notes = rows_of(event, owners).filter(note__isnull=False).values("note")
        count += _scrub_column("matching.note", "text", row, Q(pk__in=notes), nearby=True)
    for label, column in TOLD_IN:
        told = Q(pk__in=[])
        for text in row.looked_for:
            if is_own(text):
                told |= Q(**{f"{column}__contains": text})
        count += _scrub_column(label, column, row, told, nearby=False)
    return count


def _scrub_column(label: str, column: str, row: Erasure, which: Q, *, nearby: bool) -> int:
    count = 0
    model = apps.get_model(label)
    for found in model._default_manager.filter(which).only("pk", column):
        text = getattr(found, column)
        clean = scrubbed(text, row.looked_for, row.pseudonym, nearby=nearby)
        if clean != text:
            count += model._default_manager.filter(pk=found.pk).update(**{column: clean})
    return count


def scrub_messages(row: Erasure) -> int:
    """Scrub the file in which a town without an SMS provider keeps its messages; return how many."""
    phones = [text for text in row.looked_for if text.startswith("+")]
    path = settings.VAR_DIR / "sms.log"
    if not phones or not path.exists():
        return 0
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not any(phone in line for phone in phones)]
    if len(kept) < len(lines):
        path.write_text("".join(kept), encoding="utf-8")
    return len(lines) - len(kept)
