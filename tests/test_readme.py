"""The shell lines of the README and of the page on matches, run against a real server and worker."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from accounts.models import Stall
from matching.models import Match
from matching.services import recommendations
from tests.services import worker_processes

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LIFE_OF_A_MATCH = (ROOT / "docs" / "matches.md").read_text(encoding="utf-8")

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.serial]


def blocks(page: str) -> list[str]:
    return re.findall(r"```bash\n(.*?)```", page, flags=re.S)


def test_the_trip_in_curl_and_what_may_follow(live_server: Any) -> None:
    with override_settings(EMBEDDED=True):  # elsewhere a town gets no demo logins
        call_command("seed", stalls=20, anchors=60, progress="none")
    recommendations.rematch_everybody()
    script = "set -euo pipefail\n" + "\n".join(blocks(README) + blocks(LIFE_OF_A_MATCH))
    script = script.replace("http://127.0.0.1:8000", live_server.url)
    script = script.replace("var/demo.json", str(Path(settings.VAR_DIR) / "demo.json"))
    with worker_processes(beat=False):
        run = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    assert '"score"' in run.stdout and "agreed" in run.stdout
    ended = Match.objects.filter(stall__name="锦云裳新款馆").order_by("pk").values_list("status", flat=True)
    assert list(ended) == ["withdrawn", "cancelled"]
    assert "('wrong_state', 'approved')" in run.stdout
    assert Stall.objects.filter(merchant__name__contains="锦云裳").count() > 20, (
        "the file of stalls was imported"
    )


def test_every_file_that_the_readme_names_exists() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
