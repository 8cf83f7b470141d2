"""Whole files of stalls and anchors: all rows or none, the same file twice does nothing (layer: services)."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.imports.columns import ANCHOR_COLUMNS, STALL_COLUMNS
from accounts.imports.rows import Row, read_rows
from accounts.models import ImportedFile, Merchant, User
from accounts.selectors import reference
from accounts.services.anchors import add_anchors, change_anchors
from accounts.services.import_targets import aim_anchors, aim_stalls
from accounts.services.rows import check_open, in_chunks
from accounts.services.stalls import add_stalls, change_stalls
from accounts.validation.fields import Bad
from accounts.validation.values import plain_text
from matchmaker.core.errors import InvalidInput, NotAllowed

Report = dict[str, Any]
CHUNK = 1000
# So many bad rows are named in a problem's `fields`; all of them are in its `rows`.
NAMED_ROWS = 50
TOWN = "town"
CHANGE_ANCHOR = "accounts.change_anchor"


def import_stalls(*, actor: User, merchant: Merchant, content: bytes, is_dry_run: bool = False) -> Report:
    """Add and change the merchant's stalls by a CSV file; a row at a place of hers changes that stall.

    Returns a report with a line per row. Raises InvalidInput (with that report) when a row cannot be
    accepted, Conflict when a place was taken meanwhile; nothing is stored then. Announces once a chunk.
    """
    check_open(merchant)
    book = reference()

    def prepare() -> tuple[str, list[Row]]:
        encoding, rows = read_rows(content, STALL_COLUMNS, book, max_rows=settings.IMPORT_MAX_ROWS)
        aim_stalls(rows, merchant=merchant, book=book)
        return encoding, rows

    def write(rows: Sequence[Row]) -> None:
        for part in in_chunks([row for row in rows if row.status == "created"], CHUNK):
            made = add_stalls([(merchant, row.columns) for row in part], actor=actor)
            _point_at(part, made)
        for part in in_chunks([row for row in rows if row.status == "updated"], CHUNK):
            change_stalls([(row.target, row.columns) for row in part], actor=actor)

    job = FileImport("stalls", str(merchant.public_id), actor, hashlib.sha256(content).hexdigest())
    return job.run(prepare, write, is_dry_run=is_dry_run)


def import_anchors(*, actor: User, content: bytes, legal_basis: str = "", is_dry_run: bool = False) -> Report:
    """Add and change unclaimed anchors by a CSV file; for staff. Works as `import_stalls`.

    Those without a `legal_basis`, of their row or of the file, are stored and shown to nobody.
    """
    if not (actor.is_staff and actor.has_perm(CHANGE_ANCHOR)):
        raise NotAllowed(_("Only town staff import anchors."), code="staff_only")
    basis = _checked_basis(legal_basis)
    book = reference()

    def prepare() -> tuple[str, list[Row]]:
        encoding, rows = read_rows(content, ANCHOR_COLUMNS, book, max_rows=settings.IMPORT_MAX_ROWS)
        aim_anchors(rows, book=book, legal_basis=basis)
        return encoding, rows

    def write(rows: Sequence[Row]) -> None:
        for part in in_chunks([row for row in rows if row.status == "created"], CHUNK):
            _point_at(part, add_anchors([row.columns for row in part], actor=actor))
        for part in in_chunks([row for row in rows if row.status == "updated"], CHUNK):
            change_anchors([(row.target, row.columns) for row in part], actor=actor)

    digest = hashlib.sha256(content + b"\0" + basis.encode()).hexdigest()
    return FileImport("anchors", TOWN, actor, digest).run(prepare, write, is_dry_run=is_dry_run)


def _checked_basis(legal_basis: str) -> str:
    try:
        return plain_text(legal_basis, most=200)
    except Bad as bad:
        raise InvalidInput(fields={"legal_basis": bad.parts[""]}) from bad


def _point_at(rows: Sequence[Row], made: Sequence[Any]) -> None:
    for row, target in zip(rows, made, strict=True):
        row.target = target


class FileImport:
    """One file of one owner: known before, tried, refused or stored."""

    def __init__(self, kind: str, scope: str, actor: User, digest: str) -> None:
        self.file = {"kind": kind, "scope": scope, "digest": digest}
        self.actor = actor

    def run(
        self,
        prepare: Callable[[], tuple[str, list[Row]]],
        write: Callable[[Sequence[Row]], None],
        *,
        is_dry_run: bool,
    ) -> Report:
        earlier = self._earlier()
        if earlier is not None:
            return earlier
        encoding, rows = prepare()
        if is_dry_run:
            return _report(encoding, rows, is_dry_run=True)
        _refuse_invalid(encoding, rows)
        try:
            with transaction.atomic():
                return self._store(encoding, rows, write)
        except IntegrityError:
            # Two requests with one file: the row of the file is written first, so the second comes here.
            earlier = self._earlier()
            if earlier is None:
                raise
            return earlier

    def _earlier(self) -> Report | None:
        known = ImportedFile.objects.filter(**self.file).first()
        return None if known is None else known.report | {"is_repeat": True}

    def _store(self, encoding: str, rows: Sequence[Row], write: Callable[[Sequence[Row]], None]) -> Report:
        known = ImportedFile.objects.create(**self.file, imported_by=self.actor)
        write(rows)
        known.report = report = _report(encoding, rows, is_dry_run=False)
        known.save(update_fields=["report", "updated_at"])
        return report


def _report(encoding: str, rows: Sequence[Row], *, is_dry_run: bool) -> Report:
    return {
        "is_dry_run": is_dry_run,
        "is_repeat": False,
        "encoding": encoding,
        "counts": _counts(rows),
        "rows": [row.answer() for row in rows],
    }


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    return dict.fromkeys(("created", "updated", "unchanged", "invalid"), 0) | Counter(
        row.status for row in rows
    )


def _refuse_invalid(encoding: str, rows: Sequence[Row]) -> None:
    bad = [row for row in rows if row.status == "invalid"]
    if not bad:
        return
    message = ngettext(
        "%(bad)s row of %(all)s cannot be accepted; nothing was stored.",
        "%(bad)s rows of %(all)s cannot be accepted; nothing was stored.",
        len(bad),
    )
    fields = {
        f"rows.{row.line.number}.{name}": messages
        for row in bad[:NAMED_ROWS]
        for name, messages in row.problems.items()
    }
    raise InvalidInput(
        message % {"bad": len(bad), "all": len(rows)},
        code="invalid_rows",
        fields=fields,
        encoding=encoding,
        counts=_counts(rows),
        rows=[row.answer() for row in bad],
    )
