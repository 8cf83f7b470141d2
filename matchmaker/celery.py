"""The Celery app and the one timetable."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matchmaker.settings")

app = Celery("matchmaker")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# A tick that could not be taken in time is worthless: the next one does its work.
app.conf.beat_schedule = {
    "sweep-jobs": {
        "task": "jobs.tasks.sweep_jobs",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "forget-old-jobs": {
        "task": "jobs.tasks.forget_old_jobs",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    "forget-expired-access": {
        "task": "accounts.tasks.forget_expired_access",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
}
