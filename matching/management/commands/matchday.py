"""`manage.py matchday`: pair the whole town at once, print the report, and release it when told to."""

import json
import time
from argparse import ArgumentParser
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from tqdm import tqdm

from accounts.models import User
from jobs.models import JobState
from jobs.tasks import run_job
from matching.access import may_propose_to_both
from matching.models import MatchDay
from matching.selectors.matchday_words import refusal_lines, report_lines
from matching.services import matchdays
from matching.services.matchdays.moving import Settings, next_week
from matchmaker.core.errors import DomainError

POLL_SECONDS = 0.2
WAIT_SECONDS = 3600.0
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"


class Command(BaseCommand):
    """Run a match day."""

    help = "Pair the whole town at once under all capacities; nobody is asked before --release --confirm."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as", dest="phone", required=True, help="phone of the staff user who runs it")
        parser.add_argument("--day", type=int, help="go on with this match day instead of beginning one")
        parser.add_argument("--week", help="first Monday, such as 2026-11-30; next week unless given")
        parser.add_argument("--weeks", type=int, default=1)
        parser.add_argument("--from-hour", type=int, default=9)
        parser.add_argument("--to-hour", type=int, default=24)
        parser.add_argument("--session-hours", type=int, default=2)
        parser.add_argument("--places", type=int, default=1, help="stalls in a session; 1 is exclusive")
        parser.add_argument("--rho", default="0.50", help="0 likely sessions … 1 turnover")
        parser.add_argument("--newcomer-floor", type=int, default=1)
        parser.add_argument("--release", action="store_true", help="propose the pairs; needs --confirm")
        parser.add_argument("--confirm", action="store_true", help="yes: ask both sides of every pair")
        parser.add_argument("--json", action="store_true", help="print JSON instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["release"] and not options["confirm"]:
            raise CommandError(_("--release asks both sides of every pair: say --confirm as well."))
        actor = _staff(options["phone"])
        try:
            day = self._run(actor, options)
        except DomainError as error:
            raise CommandError(_told(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(day), ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_lines(day)))

    def _run(self, actor: User, options: dict[str, Any]) -> MatchDay:
        if options["day"]:
            day = MatchDay.objects.filter(pk=options["day"]).first()
            if day is None:
                raise CommandError(_("--day: there is no such match day."))
        else:
            day = matchdays.begin_match_day(actor=actor, settings=_settings(options))
        if not options["day"] or not options["release"]:
            _with_bar(lambda progress: matchdays.solve_match_day(day_id=day.pk, progress=progress))
            day.refresh_from_db()
            if day.report.get("refused"):
                raise CommandError("\n".join(refusal_lines(day)))
        if options["release"]:
            _release(actor, day)
            day.refresh_from_db()
        return day


def _staff(phone: str) -> User:
    """The staff user of that phone; CommandError for anybody else."""
    try:
        user: User = User.objects.get_by_natural_key(phone)
    except User.DoesNotExist:
        raise CommandError(_("--as: nobody has this phone.")) from None
    if not may_propose_to_both(user):
        raise CommandError(_("--as: this user may not propose matches as town staff."))
    return user


def _settings(options: dict[str, Any]) -> Settings:
    names = ("weeks", "from_hour", "to_hour", "session_hours", "places", "newcomer_floor")
    try:
        week = date.fromisoformat(options["week"]) if options["week"] else next_week()
    except ValueError as error:
        raise CommandError(_("--week: a date such as 2026-11-30.")) from error
    try:
        rho = Decimal(str(options["rho"]))
    except InvalidOperation as error:
        raise CommandError(_("--rho: a number from 0 to 1.")) from error
    if not rho.is_finite() or rho != round(rho, 2):
        raise CommandError(_("--rho: a number from 0 to 1 with two decimals."))
    return Settings(first_week_on=week, rho=rho, **{name: options[name] for name in names})


def _release(actor: User, day: MatchDay) -> None:
    """Do the job of the release here, unless a worker was faster: then wait for it."""
    job = matchdays.request_release(actor=actor, day=day)
    run_job(job.pk)
    deadline = time.monotonic() + WAIT_SECONDS
    with tqdm(desc=_("Proposals"), unit="", bar_format=BAR, total=1, leave=False, disable=None) as bar:
        while time.monotonic() < deadline:
            job.refresh_from_db()
            if job.state in (JobState.DONE, JobState.DEAD):
                break
            bar.total = job.total_units or 1
            bar.update(job.done_units - bar.n)
            time.sleep(POLL_SECONDS)
    if job.state != JobState.DONE:
        raise CommandError(
            job.error or _("The proposals are still being made; see the page of the match day.")
        )


def _with_bar(work: Any) -> None:
    """Do the work with its progress in the terminal; nothing is drawn elsewhere."""
    with tqdm(desc=_("Match day"), unit="", bar_format=BAR, total=1, leave=False, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        work(progress)


def _told(error: DomainError) -> str:
    fields = [f"--{name.replace('_', '-')}: {text}" for name, texts in error.fields.items() for text in texts]
    return "\n".join(fields) or str(error.detail)


def _lines(day: MatchDay) -> list[str]:
    rows = [(_("match day"), str(day.pk)), (_("state"), day.get_status_display()), *report_lines(day)]
    rows.append((_("digest"), day.digest))
    lines = [f"{label}: {value}" for label, value in rows]
    released = day.report.get("released")
    if released is not None:
        lines.append(_("proposed: %(count)s") % {"count": released["proposed"]})
        lines += [
            _("no longer passes: stall %(stall)s, anchor %(anchor)s: %(detail)s") % row
            for row in released["refused"]
        ]
    return lines


def _as_json(day: MatchDay) -> dict[str, Any]:
    return {
        "match_day": day.pk,
        "public_id": str(day.public_id),
        "status": day.status,
        "digest": day.digest,
        "report": day.report,
    }
