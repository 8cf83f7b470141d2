"""The shell lines of the pages on terms and exclusions, run as they stand against a real server."""

import re
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.digests import digest_of, new_device_token
from accounts.models import DeviceToken, User
from matching.engine.types import Rule
from matching.models import Block, Match
from tests.matching.market import make_anchor, make_stall, member_of

ROOT = Path(__file__).resolve().parent.parent
PAGES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("terms.md", "exclusions.md")}


def token_of(user: User) -> str:
    token, now = new_device_token(), timezone.now()
    times = {"last_used_at": now, "expires_at": now + timedelta(days=1)}
    DeviceToken.objects.create(user=user, digest=digest_of(token), session_key="t", **times)
    return token


@pytest.fixture
def run(live_server: Any) -> Any:
    """Runs the shell lines of a page for a stall and an anchor that fit; returns what they print."""
    stall, anchor = make_stall(), make_anchor()
    names = {
        "API": f"{live_server.url}/api/v1",
        "MERCHANT": token_of(member_of(stall)),
        "ANCHOR": token_of(member_of(anchor)),
        "STALL": str(stall.public_id),
        "ANCHOR_ID": str(anchor.public_id),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }

    def lines_of(page: str) -> str:
        script = "set -euo pipefail\n" + "\n".join(re.findall(r"```bash\n(.*?)```", PAGES[page], flags=re.S))
        done = subprocess.run(["bash", "-c", script], env=names, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return lines_of


@pytest.mark.serial
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_examples_of_terms_do_what_is_said(run: Any) -> None:
    printed = run("terms.md")
    assert '"preview":"Commission 18% of settled sales; slot fee ¥500 for the session.' in printed
    assert "'text': 'Commission 18% → 20%'" in printed
    assert Match.objects.get().versions.count() == 2


@pytest.mark.serial
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_examples_of_exclusions_do_what_is_said(run: Any) -> None:
    covered, of_the_merchant, reason = run("exclusions.md").splitlines()
    assert "'name': 'Stall" in covered and (of_the_merchant, reason) == ("[]", "The terms do not suit")
    assert not Block.objects.exists()


def test_the_page_names_every_rule() -> None:
    assert {rule.code for rule in Rule if f"`{rule.code}`" not in PAGES["exclusions.md"]} == {"filtered"}


def test_every_file_that_the_pages_name_exists() -> None:
    for page in PAGES.values():
        for target in re.findall(r"`((?:matching|tests)/[\w/]+\.py)`", page):
            assert (ROOT / target).exists(), target
