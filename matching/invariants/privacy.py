"""Invariant 13: no phone, ID number or credit code where only ids and codes may be (layer: invariants).

A broker message holds the id of a job and nothing else, so the columns of the job are what a message could
lead to. What is found is reported by row and column, never by its text.
"""

import re
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Model, TextField
from django.db.models.functions import Cast
from stdnum.cn import ric, uscc

from accounts.models import ImportedFile
from jobs.models import IdempotencyKey, Job, Throttle
from matching.invariants.finding import Finding, stream
from matching.invariants.words import What
from matching.models import EngineRun, InvariantCheck
from notifications.models import Notice

COLUMNS: tuple[tuple[type[Model], tuple[str, ...]], ...] = (
    (Job, ("kind", "dedupe_key", "args", "result", "error")),
    (Throttle, ("key",)),
    (IdempotencyKey, ("key",)),
    (Notice, ("key", "topic", "facts")),
    (EngineRun, ("details",)),
    (InvariantCheck, ("results",)),
    (ImportedFile, ("report",)),
    (LogEntry, ("object_repr", "change_message")),
)
# Not within a longer word or number, nor behind a decimal point: digests and scores are full of digits.
_BEFORE, _AFTER = r"(?<![0-9A-Za-z])(?<!\d\.)", r"(?![0-9A-Za-z])"
PHONE = re.compile(_BEFORE + r"(?:\+?86[- ]?)?1[3-9]\d{9}" + _AFTER)
NUMBER = re.compile(_BEFORE + r"[0-9A-Z]{2}\d{6}[0-9A-Z]{10}" + _AFTER, re.IGNORECASE)


def find_personal_data(finding: Finding) -> None:
    """Report columns that hold what reads as a mainland mobile number, an ID number or a credit code."""
    for model, names in COLUMNS:
        texts = {f"text_{name}": Cast(name, TextField()) for name in names}
        rows = model._default_manager.order_by("pk").annotate(**texts).values_list("pk", *texts)
        for pk, *values in stream(rows):
            finding.look()
            for name, value in zip(names, values, strict=True):
                for what in personal_in(value or ""):
                    finding.report(what, table=model._meta.db_table, column=name, row=pk)


def personal_in(text: str) -> list[What]:
    """Return which kinds of personal numbers a text holds."""
    found = [What.PHONE_FOUND] if PHONE.search(text) else []
    numbers = [match.upper() for match in NUMBER.findall(text)]
    kinds: tuple[tuple[What, Any], ...] = ((What.ID_NUMBER_FOUND, ric), (What.CREDIT_CODE_FOUND, uscc))
    return found + [what for what, kind in kinds if any(kind.is_valid(number) for number in numbers)]
