"""docs/outcomes.md: its curl lines run as they stand, and it names every figure, metric, move and column."""

import os
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from matching.imports import OUTCOME_COLUMNS
from matching.models import Outcome
from matching.outcomes import FIGURES, Metrics
from matching.policy import BELIEVED_AFTER, OUTCOMES_PER_FILE, OVERRUN_MAX
from matching.services.outcomes import record_outcome
from matching.states import OUTCOME_TRANSITIONS
from tests.factories import AnchorFactory, UserFactory
from tests.matching.held import FIGURES as EXAMPLE
from tests.matching.held import bookings_in, held, settler
from tests.matching.market import session

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "outcomes.md").read_text(encoding="utf-8")


def test_the_page_names_all_there_is() -> None:
    metrics = [field.name for field in fields(Metrics)]
    for name in (*FIGURES, *metrics):
        assert f"`{name}`" in PAGE, name
    for row in OUTCOME_TRANSITIONS:
        sources = ", ".join(source or "–" for source in row.sources)
        assert re.search(rf"^\| {row.action}.* \| {sources} \| {row.target} \|", PAGE, re.M), row.action
    for column in OUTCOME_COLUMNS:
        for header in column.headers:
            assert f"`{header}`" in PAGE, header
    assert (OVERRUN_MAX.seconds, BELIEVED_AFTER.days, OUTCOMES_PER_FILE) == (4 * 3600, 7, 500)


@pytest.mark.serial
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_lines_in_curl(
    live_server: Any,
    api: Any,
    stall: Any,
    anchor: Any,
    merchant_user: User,
    anchor_user: User,
    tmp_path: Path,
) -> None:
    held(stall, anchor, session(0), session(2))
    other = bookings_in(held(stall, AnchorFactory.create(owner=UserFactory.create()), session(4)))[0]
    record_outcome(actor=merchant_user, booking=other, figures=EXAMPLE)
    first = bookings_in(anchor.matches.get())[0]

    def token(user: User) -> str:
        return str(api(user)._credentials["HTTP_X_SESSION_TOKEN"])

    named = {
        "API": f"{live_server.url}/api/v1", "MERCHANT": token(merchant_user), "ANCHOR": token(anchor_user),
        "STAFF": token(settler()), "BOOKING": str(first.public_id), "OTHER_BOOKING": str(other.public_id),
        "TMP": str(tmp_path),
    }  # fmt: skip
    script = "set -euo pipefail\n" + "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, flags=re.S))
    run = subprocess.run(
        ["bash", "-c", script], env=os.environ | named, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert '"net_gmv_cents":700000' in run.stdout and '"created":1' in run.stdout
    told = {
        outcome.booking.public_id: outcome.status for outcome in Outcome.objects.select_related("booking")
    }
    assert sorted(told.values()) == ["confirmed", "recorded", "settled"]
    assert (told[first.public_id], told[other.public_id]) == ("confirmed", "settled")
