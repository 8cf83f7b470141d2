"""The shell lines of docs/calendars.md, run as they stand against a real server."""

import re
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from icalendar import Calendar

from accounts.digests import digest_of, new_device_token
from accounts.models import DeviceToken, User
from tests.matching.market import agreed, make_anchor, make_stall, member_of, session

ROOT = Path(__file__).resolve().parent.parent
DOCS = (ROOT / "docs" / "calendars.md").read_text(encoding="utf-8")


def token_of(user: User) -> str:
    token, now = new_device_token(), timezone.now()
    times = {"last_used_at": now, "expires_at": now + timedelta(days=1)}
    DeviceToken.objects.create(user=user, digest=digest_of(token), session_key="t", **times)
    return token


@pytest.mark.serial
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_examples_do_what_is_said(live_server: Any, tmp_path: Path) -> None:
    stall, anchor = make_stall(), make_anchor()
    booking = agreed(stall, anchor, session()).bookings.get()
    names = {
        "API": f"{live_server.url}/api/v1",
        "MERCHANT": token_of(member_of(stall)),
        "ANCHOR": token_of(member_of(anchor)),
        "STALL": str(stall.public_id),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    script = "set -euo pipefail\n" + "\n".join(re.findall(r"```bash\n(.*?)```", DOCS, flags=re.S))

    run = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=names, capture_output=True, text=True, timeout=60
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert str(booking.public_id) in run.stdout and '"exceptions":[{"on"' in run.stdout
    [event] = Calendar.from_ical((tmp_path / "mine.ics").read_bytes()).walk("VEVENT")
    assert str(event["UID"]) == str(booking.public_id)
    stall.refresh_from_db()
    assert stall.version == 2 and stall.exceptions.count() == 1


def test_every_file_that_the_page_names_exists() -> None:
    for target in re.findall(r"`((?:matching|accounts)/[\w/]+\.py)`", DOCS):
        assert (ROOT / target).exists(), target
