"""Whole files of outcomes: all rows or none, the same file twice does nothing (layer: services)."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.imports.rows import Row, read_rows
from accounts.models import User
from accounts.selectors import reference
from accounts.services.imports import FileImport, Report
from matching.access import SETTLE, Standing
from matching.choices import Role
from matching.imports import OUTCOME_COLUMNS, figures_in
from matching.models import Booking
from matching.outcomes import Figures
from matching.policy import OUTCOMES_PER_FILE
from matching.selectors.outcomes import bookings_of
from matching.services.outcomes import (
    checked,
    correct_outcome,
    outcome_of,
    record_outcome,
    role_in_move,
    settle_outcome,
)
from matching.states import SIDES
from matchmaker.core import clock
from matchmaker.core.errors import DomainError

_MOVES = {"record": record_outcome, "correct": correct_outcome, "settle": settle_outcome}


def import_outcomes(*, actor: User, content: bytes, is_dry_run: bool = False) -> Report:
    """Record and correct outcomes by a CSV file, for the sides that the actor stands on; staff settle them.

    A row with no figure is left as it is. Returns a report with a line per row. Raises InvalidInput (with
    that report) when a row cannot be accepted, Conflict when a booking changed meanwhile; nothing is stored
    then.
    """
    book = reference()

    def prepare() -> tuple[str, list[Row]]:
        encoding, rows = read_rows(content, OUTCOME_COLUMNS, book, max_rows=OUTCOMES_PER_FILE)
        _aim(rows, actor)
        return encoding, rows

    def write(rows: Sequence[Row]) -> None:
        for row in rows:
            if row.status in ("created", "updated"):
                action = row.columns["action"]
                _MOVES[action](actor=actor, booking=row.target, figures=row.columns["figures"])

    file = FileImport("outcomes", str(actor.public_id), actor, hashlib.sha256(content).hexdigest())
    return file.run(prepare, write, is_dry_run=is_dry_run)


def _aim(rows: Sequence[Row], actor: User) -> None:
    """Set booking, figures and status of every row."""
    ids = {}
    for row in rows:
        named, row.data = figures_in(row.data)
        ids[row.line.number] = _id_in(row, named)
    named_ids = [booking_id for booking_id in ids.values() if booking_id]
    known = {booking.public_id: booking for booking in bookings_of(actor).filter(public_id__in=named_ids)}
    standing, settles = Standing.of(actor), actor.is_staff and actor.has_perm(SETTLE)
    now, seen = clock.now(), dict[UUID, int]()
    for row in rows:
        booking_id = ids[row.line.number]
        if booking_id is None:
            continue
        row.target = known.get(booking_id)
        if row.target is None:
            row.refuse("booking", _("There is no such booking."))
            continue
        if booking_id in seen:
            row.refuse("booking", _("Row %(row)s has the same booking.") % {"row": seen[booking_id]})
        seen.setdefault(booking_id, row.line.number)
        sides = standing.roles_in(row.target.match) & SIDES
        _settle(row, sides | ({Role.STAFF} if settles else frozenset()), now)


def _id_in(row: Row, named: str) -> UUID | None:
    try:
        return UUID(named)
    except ValueError:
        message = _("Give the id of a booking, as /outcomes/due/ lists them.")
        row.refuse("booking", message if named else _("This field is needed."))
        return None


def _settle(row: Row, roles: frozenset[str], now: datetime) -> None:
    """Set what becomes of a row whose booking is known."""
    if not (row.data or row.problems):
        row.status = "unchanged"
        return
    booking: Booking = row.target
    outcome = outcome_of(booking)
    before: dict[str, Any] = asdict(Figures.of(outcome)) if outcome else {}
    row.clean(lambda values: {"figures": asdict(checked(booking, before | values))})
    if row.problems:
        return
    if before == row.columns["figures"]:
        row.status = "unchanged"
        return
    action = ("correct" if outcome else "record") if roles & SIDES else "settle"
    row.columns["action"] = action
    try:
        role_in_move(action, booking, roles, now)
    except DomainError as error:
        row.refuse("booking", error.detail)
        return
    row.status = "updated" if outcome else "created"
