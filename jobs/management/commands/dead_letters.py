"""`manage.py dead_letters`: what was given up and why, and the way back into the queue (layer: faces)."""

import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from jobs import services
from jobs.models import DeadLetter
from matchmaker.core.errors import DomainError


class Command(BaseCommand):
    """List the jobs that were given up, or try them again."""

    help = "List the jobs that were given up; --retry tries them again in the name of --as."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--kind", help="only jobs of this kind")
        parser.add_argument("--retry", nargs="+", metavar="ID", help="numbers of jobs, or the word all")
        parser.add_argument("--as", dest="phone", help="phone of the staff user who tries again")
        parser.add_argument("--json", action="store_true", help="print JSON instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        dead = DeadLetter.objects.order_by("pk")
        if options["kind"]:
            dead = dead.filter(kind=options["kind"])
        if options["retry"]:
            self._retry(_chosen(dead, options["retry"]), _actor(options["phone"]))
        elif options["json"]:
            self.stdout.write(json.dumps([_facts(job) for job in dead], ensure_ascii=False))
        else:
            self.stdout.write("\n".join("{id}  {kind}  {key}  {at}  {why}".format(**_facts(j)) for j in dead))

    def _retry(self, jobs: list[DeadLetter], actor: Any) -> None:
        refused = []
        for job in jobs:
            try:
                services.retry(job, actor=actor)
            except DomainError as error:
                refused.append(f"{job.pk}: {error.detail}")
        queued = _("%(count)d jobs are queued again.") % {"count": len(jobs) - len(refused)}
        self.stdout.write(queued)
        if refused:
            raise CommandError("\n".join(refused))


def _facts(job: DeadLetter) -> dict[str, Any]:
    at = job.finished_at.isoformat(timespec="seconds") if job.finished_at else "–"
    return {"id": job.pk, "kind": job.kind, "key": job.dedupe_key, "at": at, "why": job.reason}


def _chosen(dead: Any, words: list[str]) -> list[DeadLetter]:
    """The dead letters of these numbers; CommandError names what is none."""
    if words == ["all"]:
        return list(dead)
    found = {str(job.pk): job for job in dead.filter(pk__in=[word for word in words if word.isdecimal()])}
    unknown = [word for word in words if word not in found]
    if unknown:
        raise CommandError(_("--retry: not the number of a dead letter: %s") % ", ".join(unknown))
    return list(found.values())


def _actor(phone: str | None) -> Any:
    """The user who answers for it; CommandError for nobody."""
    model: Any = get_user_model()
    try:
        return model.objects.get_by_natural_key(phone or "")
    except model.DoesNotExist:
        raise CommandError(_("--as: nobody has this phone.")) from None
