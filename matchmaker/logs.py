"""How a log line looks, for eyes and for machines; neither shows a whole phone number."""

import json
import logging
import re
from datetime import UTC, datetime

# A mainland number with or without its country code, an E.164 number, an 18-digit identity or credit code.
_PERSONAL = re.compile(r"\+\d{4,11}(\d{4})\b|\b(?:86)?1[3-9]\d{5}(\d{4})\b|\b\d{13}[0-9A-Z](\d{3}[0-9X])\b")


def mask(text: str) -> str:
    """The text with phone and identity numbers cut down to their last four characters."""
    return _PERSONAL.sub(lambda found: "****" + next(part for part in found.groups() if part), text)


class TextFormatter(logging.Formatter):
    """One line: time, level, logger, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


class JSONFormatter(logging.Formatter):
    """One JSON object a line, for a log collector."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return mask(json.dumps(line, ensure_ascii=False))
