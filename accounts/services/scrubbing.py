"""Taking an erased person's texts out of what belongs to others: answers, logs, files (layer: services)."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import CharField, Q, TextField
from django.db.models.functions import Cast

from accounts.models import Anchor, Erasure, Merchant, Stall, User
from accounts.privacy import ERASED, Field, columns_of, rows_of
from jobs.models import IdempotencyKey

TOLD_BY = (
    "accounts.user", "accounts.merchant", "accounts.historicalmerchant", "accounts.stall",
    "accounts.historicalstall", "accounts.anchor", "accounts.historicalanchor",
)  # fmt: skip
# Free texts in which anybody may have named the person.
TOLD_IN = (
    ("matching.note", "text"), ("matching.pairrule", "note"), ("matching.matchdaypair", "fault"),
    ("accounts.verification", "note"), ("jobs.job", "error"),
)  # fmt: skip


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
            if isinstance(column, CharField | TextField) and not column.choices
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


def scrub_answers(row: Erasure) -> int:
    """Scrub answers that others got and that are kept for a repeat; return how many."""
    marks = [text for text in row.looked_for if text.isascii() and is_own(text)]
    for model, ids in ((Merchant, row.merchant_ids), (Stall, row.stall_ids), (Anchor, row.anchor_ids)):
        found = model._default_manager.filter(pk__in=ids).values_list("public_id", flat=True)
        marks += [str(public_id) for public_id in found]
    if not marks:
        return 0
    holds = Q(*[("text__contains", mark) for mark in marks], _connector=Q.OR)
    count = 0
    for key in IdempotencyKey.objects.annotate(text=Cast("body", TextField())).filter(holds).iterator():
        body = scrubbed(key.body, row.looked_for, row.pseudonym)
        if body != key.body:
            count += IdempotencyKey.objects.filter(pk=key.pk).update(body=body)
    return count


def scrub_log(row: Erasure) -> int:
    """Let the log of the administration name the pseudonym instead; what staff wrote there goes."""
    about = Q(pk__in=[])
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
