"""Loaded before the settings are (`-p tests.isolation` in pyproject.toml): no test touches a real town.

Every test process gets a `var` folder of its own, thus its own database and broker. What the shell says
of a database or a broker is forgotten, unless `manage.py test --services` started those for the tests.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

SERVICES = os.environ.get("MATCHMAKER_TEST_SERVICES") == "1"
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def _own_redis_database(url: str) -> str:
    """Each parallel test process uses another of the server's numbered databases."""
    number = int(_WORKER.removeprefix("gw") or 0) + 1
    return urlunsplit(urlsplit(url)._replace(path=f"/{number}"))


def _isolate() -> None:
    root = os.environ.get("MATCHMAKER_TEST_DIR")
    if not root:
        root = os.environ["MATCHMAKER_TEST_DIR"] = tempfile.mkdtemp(prefix="matchmaker-test-")
        atexit.register(shutil.rmtree, root, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith("MATCHMAKER_")]:
        if not name.startswith("MATCHMAKER_TEST_"):
            del os.environ[name]
    os.environ["MATCHMAKER_VAR_DIR"] = str(Path(root) / (_WORKER or "main"))
    if SERVICES:
        os.environ["REDIS_URL"] = _own_redis_database(os.environ["REDIS_URL"])
        # The tests speak plain http to it; everything else is as in production.
        os.environ.update(
            SECRET_KEY="tests-only-" + "x" * 50,
            MATCHMAKER_ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
            # Tests of the second factor turn it on.
            MATCHMAKER_STAFF_TOTP="false",
            MATCHMAKER_SSL_REDIRECT="false",
            MATCHMAKER_SECURE_COOKIES="false",
            MATCHMAKER_HSTS_SECONDS="0",
            MATCHMAKER_DATABASE_MAX_AGE="0",
        )
    else:
        for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"):
            os.environ.pop(name, None)


_isolate()
