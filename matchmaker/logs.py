"""How a log line looks, for eyes and for machines; neither shows what is private."""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from matchmaker import correlation
from matchmaker.core.masking import mask


def context_of(record: logging.LogRecord) -> dict[str, Any]:
    """What belongs to the line beside its text: the request, the job, and figures that were given with it."""
    request, job = correlation.request_id.get(), correlation.job_id.get()
    context: dict[str, Any] = {"request_id": request} if request else {}
    if job is not None:
        context["job"] = job
    return context | getattr(record, "fields", {})


class TextFormatter(logging.Formatter):
    """One line: time, level, logger, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        named = [f"{name}={value}" for name, value in context_of(record).items()]
        return mask(" ".join([super().format(record), *named]))


class JSONFormatter(logging.Formatter):
    """One JSON object a line, for a log collector."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": mask(record.getMessage()),
        } | context_of(record)
        if record.exc_info:
            line["exception"] = mask(self.formatException(record.exc_info))
        return mask(json.dumps(line, ensure_ascii=False))


def configuration(form: str, level: str) -> dict[str, Any]:
    """Everything to the error stream, as `text` or `json`; ImproperlyConfigured for another form."""
    if form not in {"text", "json"}:
        raise ImproperlyConfigured("MATCHMAKER_LOG_FORMAT is text or json.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"()": "matchmaker.logs.TextFormatter"},
            "json": {"()": "matchmaker.logs.JSONFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"level": level},
            # One line per 4xx is the access log's work, and its text may hold what a caller sent.
            "django.request": {"level": "ERROR"},
        },
    }


def count_requests_in(folder: Path) -> None:
    """Name the folder before prometheus_client is imported: it reads the environment then, once."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
