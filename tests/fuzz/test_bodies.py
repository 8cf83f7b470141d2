"""What no decent client sends: bodies that are no JSON or JSON with traps, texts that are not what they seem.

To every route that takes a body: an answer in words, below 500, and nothing kept of what was refused.
"""

import json
import unicodedata
from typing import Any

import pytest

from accounts.models import User
from jobs.models import Throttle
from tests.accounts.conftest import PASSWORD, PHONE
from tests.authorization.test_mass_assignment import everything, town, writes
from tests.fuzz.conftest import Sender, share, violations

__all__ = ["town"]  # a fixture
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cheap_sign_in")]
LIMIT = 256 * 1024


def first_of(body: dict[str, Any]) -> str:
    return next(iter(body))


def broken(body: dict[str, Any]) -> dict[str, bytes]:
    """Bytes that are refused whatever route they are sent to."""
    good = json.dumps(body).encode()
    name = first_of(body)
    rest = good[1:]
    return {
        "a key twice": b'{"%s": 1, ' % name.encode() + rest,
        "a key twice within": b'{"x": {"a": 1, "a": 2}, ' + rest,
        "not a number": b'{"%s": NaN}' % name.encode(),
        "infinity": b'{"%s": -Infinity}' % name.encode(),
        "too large for a float": b'{"%s": 1e99999}' % name.encode(),
        "many digits": b'{"%s": %s}' % (name.encode(), b"9" * 5_000),
        "deep lists": b'{"%s": %s%s}' % (name.encode(), b"[" * 50_000, b"]" * 50_000),
        "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        "a list": b"[" + good + b"]",
        "null": b"null",
        "a text": b'"text"',
        "a number": b"5",
        "cut off": good[:-1],
        "two bodies": good + good,
        "more after it": good + b"x",
        "one quote": good.replace(b'"', b"'"),
        "a comma too many": good[:-1] + b",}",
        "a comment": b"/* */" + good,
        "utf-16": json.dumps(body).encode("utf-16"),
        "utf-32": json.dumps(body).encode("utf-32"),
        "latin-1": b'{"%s": "\xe9"}' % name.encode(),
        "overlong": b'{"%s": "\xc0\xaf"}' % name.encode(),
        "raw surrogates": b'{"%s": "\xed\xa0\x80"}' % name.encode(),
        "half a pair": b'{"%s": "\\ud800"}' % name.encode(),
        "half a pair as key": b'{"\\udfff": 1, ' + rest,
        "zero": b'{"%s": "a\\u0000b"}' % name.encode(),
        "raw zero": b'{"%s": "a\x00b"}' % name.encode(),
        "control characters": b'{"%s": "a\x01b"}' % name.encode(),
        "an empty key": b'{"": 1, ' + rest,
        "a proto": b'{"__proto__": {"is_staff": true}, ' + rest,
        "too long": b'{"%s": "%s"}' % (name.encode(), b"x" * LIMIT),
        "many keys": json.dumps({f"k{n}": 1 for n in range(5_000)}).encode(),
    }


WRONG_TYPES = (
    "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data",
    "multipart/form-data; boundary=x", "application/json-patch+json", "application/octet-stream",
    "text/html; charset=utf-7", "", "\u200bapplication/json", "x" * 3_000,
)  # fmt: skip
# Right as JSON, read by everybody alike or by nobody.
ODD_TYPES = ("application/json; charset=utf-16", "application/json; charset=none", "APPLICATION/JSON;;;")


@pytest.fixture
def senders(api: Any, town: dict[str, Any], request: pytest.FixtureRequest) -> list[Sender]:
    """Every write with its client, route and body that is right."""
    User.objects.create_user(PHONE, PASSWORD)
    made = []
    for (method, route), (user, url, body) in writes(town, request.getfixturevalue).items():
        may_be_versioned = method == "patch" or route.endswith("calendar/")
        client = api(user, **({"HTTP_IF_MATCH": "*"} if may_be_versioned else {}))
        client.raise_request_exception = False
        client.get("/api/v1/accounts/me/")  # marks when the token was used
        made.append(Sender(client, method, route, f"/api/v1/{url}", body))
    return made


def test_bodies_that_are_no_json_of_ours(senders: list[Sender]) -> None:
    before, wrong = everything(), []
    for number, sender in enumerate(senders):
        for name, content in share(broken(sender.body).items(), number, 4):
            Throttle.objects.all().delete()  # some routes count tries before they read
            answer = sender.send(content)
            if answer.status_code not in (400, 413) or "problem+json" not in answer["Content-Type"]:
                wrong.append(f"{sender}, {name}: {answer.status_code} {answer.content[:200]!r}")
    assert not wrong, "\n".join(wrong)
    assert everything() == before


def test_types_and_lengths_that_are_wrong(senders: list[Sender]) -> None:
    before, wrong = everything(), []
    for sender in share(senders, 0, 2):
        Throttle.objects.all().delete()
        good = json.dumps(sender.body).encode()
        asked = {kind: sender.send(good, content_type=kind) for kind in WRONG_TYPES}
        asked["chunked"] = sender.send(b"", CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
        asked["cut off on the way"] = sender.send(good[:-5], length=str(len(good)))
        asked["a length of 1 GB"] = sender.send(good, length=str(2**30))
        asked["a length that is none"] = sender.send(good, length="x")
        asked["a length below nothing"] = sender.send(good, length="-1")
        asked["compressed"] = sender.send(b"\x1f\x8b" + good, HTTP_CONTENT_ENCODING="gzip")
        for name, answer in asked.items():
            if not 400 <= answer.status_code < 500:
                wrong.append(f"{sender}, {name[:60]}: {answer.status_code} {answer.content[:200]!r}")
    assert not wrong, "\n".join(wrong)
    assert everything() == before


TRAPS = {
    "right to left": "abc\u202ecba",
    "isolates": "\u2066abc\u2069",
    "zero width": "ab\u200bc",
    "a mark of bytes": "\ufeffabc",
    "fullwidth digits": "１２３",
    "arabic digits": "١٢٣",
    "superscripts": "²³",
    "composed": unicodedata.normalize("NFC", "e\u0301a\u0308"),
    "decomposed": unicodedata.normalize("NFD", "éä"),
    "a flood of marks": "a" + "\u0301" * 60,
    "kelvin": "\u212a",
    "ligature": "ﬁ",
    "grows in upper case": "ß" * 60,
    "dotless": "İı",
    "hangul filler": "\u3164",
    "private": "\ue000",
    "no character": "\uffff",
    "tags": "\U000e0041\U000e0042",
    "emoji": "👩‍👩‍👧‍👦",
    "line separator": "a\u2028b",
    "next line": "a\x85b",
    "long in full form": "\ufdfa" * 30,
    "a template": "{{7*7}}{% debug %}${jndi:x}%(name)s{0.__class__}",
    "sql": "'; DROP TABLE accounts_user; --",
    "markup": "<script>alert(1)</script>",
    "a path": "../../../etc/passwd\x00",
    "a formula": "=cmd|' /C calc'!A0",
}  # fmt: skip


def texts(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a body holds text."""
    if isinstance(body, str):
        return [path]
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [found for key, value in items for found in texts(value, (*path, key))]


def replaced(body: Any, path: tuple[Any, ...], text: str) -> Any:
    if not path:
        return text
    changed = dict(body) if isinstance(body, dict) else list(body)
    changed[path[0]] = replaced(body[path[0]], path[1:], text)
    return changed


def test_texts_that_are_not_what_they_seem(senders: list[Sender]) -> None:
    before, wrong, count = violations(), [], 0
    for sender in senders:
        fields = texts(sender.body)
        for number, path in enumerate(fields):
            Throttle.objects.all().delete()
            for name, text in share(TRAPS.items(), number, max(2, len(fields))):
                answer = sender.send(json.dumps(replaced(sender.body, path, text)).encode())
                count += 1
                if answer.status_code >= 500:
                    wrong.append(f"{sender}, {path}, {name}: {answer.content[:200]!r}")
    assert violations() == before
    print(f"{count} texts")
    assert not wrong, "\n".join(wrong)
