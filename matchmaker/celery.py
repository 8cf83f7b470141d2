"""The Celery app and the one timetable."""

import os
from typing import Any

from celery import Celery, signals
from celery.schedules import crontab
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

from matchmaker import correlation as correlation
from matchmaker import watchdog as watchdog
from matchmaker.core.process import give_way, hold_little_memory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matchmaker.settings")

TRANSPORT_ALIASES["filesystem"] = "matchmaker.filebroker:Transport"
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "matchmaker.redisbroker:Transport"


class Town(Celery):
    """Celery, in a hurry when it sends: a worker may wait for its broker, a request may not."""

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        seconds = settings.PUBLISH_TIMEOUT_SECONDS
        # Without `max_retries` kombu waits two seconds after a refused connection and tries again.
        hurry = {"socket_timeout": seconds, "socket_connect_timeout": seconds, "max_retries": 0}
        options.setdefault("connect_timeout", seconds)
        options.setdefault("transport_options", hurry)
        return super().connection_for_write(url, **options)


app = Town("matchmaker")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.celeryd_after_setup.connect(weak=False)
def share_the_machine(instance: Any = None, **_: Any) -> None:
    """Before the pool's threads start, which follow it: lists may wait a moment, people that ask may not."""
    hold_little_memory()
    queues = instance.app.amqp.queues.consume_from
    if [name for name in settings.JOBS_QUEUES if name in queues] == ["compute"]:
        give_way()


# A tick that could not be taken in time is worthless: the next one does its work.
app.conf.beat_schedule = {
    "sweep-jobs": {
        "task": "jobs.tasks.sweep_jobs",
        "schedule": 2.0,
        "options": {"expires": 2.0},
    },
    "ask-for-due-lists": {
        "task": "matching.tasks.ask_for_due_lists",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "keep-deadlines": {
        "task": "matching.tasks.keep_deadlines",
        "schedule": 20.0,
        "options": {"expires": 20.0},
    },
    "forget-old-jobs": {
        "task": "jobs.tasks.forget_old_jobs",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    "forget-superseded-lists": {
        "task": "matching.tasks.forget_superseded_lists",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    # Midnight in the town (16:00 UTC): what is as of a day is read anew.
    "read-market": {
        "task": "matching.tasks.read_market",
        "schedule": crontab(hour=16, minute=0),
        "options": {"expires": 3600.0, "queue": "compute"},
    },
    # Five past midnight in the town, and every hour after: a town that was switched off then makes up for it.
    "close-day": {
        "task": "matching.tasks.close_day",
        "schedule": crontab(minute=5),
        "options": {"expires": 3600.0},
    },
    # 02:45 in the town (18:45 UTC): what it publishes scores in the nightly rematch.
    "train-nightly": {
        "task": "matching.tasks.train_nightly",
        "schedule": crontab(hour=18, minute=45),
        "options": {"expires": 3600.0},
    },
    # 03:30 in the town (19:30 UTC): licences and verifications lapse at midnight, streams end before it.
    "rematch-nightly": {
        "task": "matching.tasks.rematch_nightly",
        "schedule": crontab(hour=19, minute=30),
        "options": {"expires": 3600.0},
    },
    "forget-read-notices": {
        "task": "notifications.tasks.forget_read_notices",
        "schedule": crontab(hour=20, minute=0),
        "options": {"expires": 3600.0},
    },
    # 04:30 in the town (20:30 UTC): after the nightly rematch, before anybody works.
    "check-invariants-nightly": {
        "task": "matching.tasks.check_invariants_nightly",
        "schedule": crontab(hour=20, minute=30),
        "options": {"expires": 3600.0},
    },
    "forget-old-counts": {
        "task": "jobs.tasks.forget_old_counts",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    "forget-old-answers": {
        "task": "jobs.tasks.forget_old_answers",
        "schedule": crontab(hour=20, minute=20),
        "options": {"expires": 3600.0},
    },
    # 04:10 in the town (20:10 UTC): what was kept apart for three years goes.
    "forget-legal-records": {
        "task": "accounts.tasks.forget_legal_records",
        "schedule": crontab(hour=20, minute=10),
        "options": {"expires": 3600.0},
    },
    "forget-expired-access": {
        "task": "accounts.tasks.forget_expired_access",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
}

# Through every queue, so that the age of the last one tells whether anybody works on it.
for _queue in settings.JOBS_QUEUES:
    app.conf.beat_schedule[f"canary-{_queue}"] = {
        "task": "jobs.tasks.canary",
        "schedule": 10.0,
        "args": [_queue],
        "options": {"expires": 10.0, "queue": _queue},
    }
