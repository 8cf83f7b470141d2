"""What scanners find is answered or fails, and a question that nobody heard is never called an answer."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_supply", ROOT / "tools" / "check_supply.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


supply = tool()
ROW = "| bandit | `B603` | `a.py` | A list of ours, without a shell. |\n"


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": [{"version": "1", "vulns": []} | one for one in packages]})


def test_a_finding_without_a_row_and_a_row_without_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    answers = supply.answers_in(ROW)
    found = {("bandit", "B603", "a.py")}
    assert supply.told("bandit", found, answers) == 0
    assert supply.told("bandit", found | {("bandit", "B608", "b.py")}, answers) == 1
    assert "B608 in b.py is not answered" in capsys.readouterr().out
    assert supply.told("bandit", set(), answers) == 1
    assert "not found any more" in capsys.readouterr().out
    assert supply.told("pip-audit", set(), answers) == 0


def test_a_shrug_is_no_answer() -> None:
    assert supply.answers_in(ROW.replace("A list of ours, without a shell.", "fine")) == set()


def test_what_an_advisory_service_says() -> None:
    known = {"name": "django", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]}
    assert supply.audited(report({"name": "celery"}), "") == set()
    assert supply.audited(report({"name": "celery"}, known), "") == {
        ("pip-audit", "PYSEC-1", "django"),
        ("pip-audit", "PYSEC-2", "django"),
    }


@pytest.mark.parametrize(
    ("said", "complaint", "reason"),
    [
        ("", "Traceback …\nConnectionError: no route", "ConnectionError: no route"),
        ("", "", "said nothing"),
        ("{}", "odd", "odd"),
        (
            report({"name": "amqp", "skip_reason": "not found on PyPI"}, {"name": "vine"}),
            "",
            "1 of 2 packages",
        ),
    ],
)
def test_a_question_that_nobody_heard_is_told(said: str, complaint: str, reason: str) -> None:
    with pytest.raises(supply.NobodyAsked, match=reason):
        supply.audited(said, complaint)


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--must-ask"], 1)])
def test_without_internet_it_is_said_plainly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int
) -> None:
    def nobody() -> None:
        raise supply.NobodyAsked("pypi: away")

    answers = supply.answers_in(supply.ANSWERS.read_text(encoding="utf-8"))
    monkeypatch.setattr(supply, "bandit_findings", lambda: {a for a in answers if a[0] == "bandit"})
    monkeypatch.setattr(supply, "audit_findings", nobody)
    monkeypatch.setattr(supply.sys, "argv", ["check_supply.py", *arguments])
    assert supply.main() == status
    assert "pip-audit: NOT DONE" in capsys.readouterr().out


def test_every_answer_is_about_a_file_that_is_there() -> None:
    for name, _finding, where in supply.answers_in(supply.ANSWERS.read_text(encoding="utf-8")):
        assert name != "bandit" or (ROOT / where).is_file(), where
