"""Looks over everything that leaves the process during the whole test run, for what is personal.

Messages to the broker, log records, cache keys and addresses hold no phone, ID number, credit code, e-mail or
real name; an answer of the API holds them of the asker, of a counterpart after an agreement, or for staff.
The test that leaked fails. The database is asked only once something was found: it costs next to nothing.
"""

import logging
import re
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_plus

from celery import Celery
from django.core.cache.backends.base import BaseCache
from django.db import connection
from django.db.models import Q
from django.test.client import Client
from stdnum.cn import ric, uscc

from accounts.models import Anchor, Membership, Merchant, Stall, User
from matching.api.render import CONTACT_STATUSES
from matching.models import Match
from matchmaker.core.masking import mask

# What the factories call people; no label, fixture or text of the town holds one of them.
REAL_NAMES = ("李晓", "陈小姐", "曾诺比", "昆仑先生")
# Named in the words of a refusal.
EXAMPLES = {"13800138000"}
_BEFORE, _AFTER = r"(?<![0-9A-Za-z.\-_])", r"(?![0-9A-Za-z\-_])"
_PHONE = re.compile(_BEFORE + r"(?:\+?86[- ]?)?(1[3-9]\d{9})" + _AFTER)
_NUMBER = re.compile(_BEFORE + r"[0-9A-Z]{2}\d{6}[0-9A-Z]{10}" + _AFTER)
_EMAIL = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+(?:com|cn|net|org)\b")

# Who proves a phone has given it one request before, and is told which it is before being signed in.
_PROVING = "/api/v1/auth/phone/"

leaks: list[str] = []
seconds = 0.0


def personal_in(text: str, *, names: bool = True) -> Iterator[str]:
    """Yield the personal values that a text holds, phones without their country code."""
    yield from _PHONE.findall(text)
    for number in _NUMBER.findall(text):
        if ric.is_valid(number) or uscc.is_valid(number):
            yield number
    yield from _EMAIL.findall(text)
    if names:
        yield from (name for name in REAL_NAMES if name in text)


def look(where: str, text: str, *, names: bool = True) -> None:
    """Note what is personal in a text that may hold nothing of the kind; the values stay unsaid."""
    global seconds
    began = time.perf_counter()
    for value in personal_in(text, names=names):
        leaks.append(f"{where} holds a personal value of {len(value)} characters, {value[:2]}…")
    seconds += time.perf_counter() - began


def look_at_answer(response: Any, sent: str) -> None:
    """Note what an answer tells of somebody else than it may."""
    global seconds
    path = response.request["PATH_INFO"]
    if path.startswith(_PROVING):
        return
    began = time.perf_counter()
    text = _text_of(response)
    # What the asker has sent may come back, such as in a refusal.
    found = {value for value in personal_in(text) if value not in sent} - EXAMPLES
    if found:
        with _uncounted():
            told = found - _known_to(getattr(response.wsgi_request, "user", None), found)
        leaks.extend(f"the answer of {path} tells {value[:2]}… of somebody else" for value in sorted(told))
    seconds += time.perf_counter() - began


def _text_of(response: Any) -> str:
    """What an answer says; of one that is streamed what its rows said, which then wait to be read again."""
    kind = response.get("Content-Type", "")
    if not kind.startswith("text/") and "json" not in kind:
        return ""
    if not getattr(response, "streaming", False):
        return str(response.content.decode("utf-8", "replace"))
    if response.is_async:
        return ""
    parts = list(response.streaming_content)
    response.streaming_content = parts
    return b"".join(parts).decode("utf-8", "replace")


@contextmanager
def _uncounted() -> Iterator[None]:
    """Ask the database beside the counts of queries that a test takes."""
    counted, connection.force_debug_cursor = connection.force_debug_cursor, False
    try:
        yield
    finally:
        connection.force_debug_cursor = counted


def _known_to(user: Any, found: set[str]) -> set[str]:
    """Return the personal values that this user may read; for staff, all that were found."""
    if not isinstance(user, User):
        return set()
    if user.is_staff:
        return found
    merchants, anchors = _own_parties(user)
    agreed = Match.objects.filter(
        Q(stall__merchant__in=merchants) | Q(anchor__in=anchors), status__in=CONTACT_STATUSES
    )
    pairs = list(agreed.values_list("stall__merchant", "anchor"))
    values = [user.phone, user.name]
    for row in Merchant.objects.filter(pk__in={*merchants, *(pair[0] for pair in pairs)}):
        values += [row.contact_phone, row.contact_name, row.credit_code if row.pk in merchants else ""]
    for row in Anchor.objects.filter(pk__in={*anchors, *(pair[1] for pair in pairs)}):
        values += [row.contact_phone, row.real_name, row.bio]
    texts = Stall.objects.filter(merchant__in={*merchants, *(pair[0] for pair in pairs)})
    values += texts.values_list("description", flat=True)
    return {personal for value in values for personal in personal_in(value or "")}


def _own_parties(user: User) -> tuple[set[int], set[int]]:
    pairs = list(Membership.objects.filter(user=user).values_list("merchant_id", "anchor_id"))
    return {merchant for merchant, _ in pairs if merchant}, {anchor for _, anchor in pairs if anchor}


def install() -> None:
    """Stand beside every way out; once per process."""
    _watch_the_broker(), _watch_logs(), _watch_cache_keys(), _watch_clients()


def _watch_the_broker() -> None:
    send = Celery.send_task

    def send_task(self: Any, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        look(f"the message {name}", f"{args} {kwargs}")
        return send(self, name, args, kwargs, **options)

    Celery.send_task = send_task


def _watch_logs() -> None:
    make = logging.getLogRecordFactory()

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = make(*args, **kwargs)
        try:
            text = made.getMessage()
        except Exception:  # a wrong format is told by logging itself
            return made
        if made.exc_info and made.exc_info[0] is not None:
            text += "".join(traceback.format_exception(*made.exc_info))
        # As every formatter of ours writes it.
        look(f"a log record of {made.name}", mask(text))
        return made

    logging.setLogRecordFactory(record)


def _watch_cache_keys() -> None:
    make_key = BaseCache.make_key

    def watched(self: Any, key: Any, version: Any = None) -> Any:
        look("a cache key", str(key))
        return make_key(self, key, version)

    BaseCache.make_key = watched  # type: ignore[method-assign]


def _watch_clients() -> None:
    request_of = Client.request

    def request(self: Any, **environ: Any) -> Any:
        address = unquote_plus(f"{environ.get('PATH_INFO', '')}?{environ.get('QUERY_STRING', '')}")
        # Staff search by name; numbers stay out of addresses, which stand in every log.
        look(f"the address {environ.get('PATH_INFO', '')}", address, names=False)
        body = environ.get("wsgi.input")
        sent = address + (_bytes_of(body).decode("utf-8", "replace") if body is not None else "")
        response = request_of(self, **environ)
        look_at_answer(response, sent)
        return response

    Client.request = request  # type: ignore[method-assign]


def _bytes_of(body: Any) -> bytes:
    """Return what a test client sends, without reading it away from the view."""
    inner = getattr(body, "_FakePayload__content", None)
    return bytes(inner.getvalue()) if inner is not None else b""
