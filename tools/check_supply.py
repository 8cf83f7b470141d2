"""Ends with an error when bandit or pip-audit finds something that docs/security-findings.md does not answer.

bandit reads our code. pip-audit asks an advisory service about the locked packages; where none can be reached
it is said plainly that nobody was asked, and with `--must-ask` that is an error too.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent
ANSWERS = BASE_DIR / "docs" / "security-findings.md"
SOURCES = ("matchmaker", "jobs", "accounts", "notifications", "matching", "seeds", "benchmarks", "tools")
LOCKS = ("requirements.txt", "requirements-dev.txt")
SERVICES = ("pypi", "osv")
# `| tool | finding | where | answer |`, an answer being a sentence and no shrug.
ROW = re.compile(r"^\| (bandit|pip-audit) \| `([^`]+)` \| `([^`]+)` \| (.{20,}) \|$", re.MULTILINE)
Finding = tuple[str, str, str]


class NobodyAsked(Exception):
    """No advisory service answered; carries the reason."""


def main() -> int:
    """0 when every finding is answered, and every answer still has its finding."""
    answers = answers_in(ANSWERS.read_text(encoding="utf-8"))
    found, failed = bandit_findings(), 0
    failed += told("bandit", found, answers)
    try:
        failed += told("pip-audit", audit_findings(), answers, "no known vulnerability")
    except NobodyAsked as reason:
        print(f"pip-audit: NOT DONE. No advisory service could be asked about the packages: {reason}")
        failed += "--must-ask" in sys.argv
    return 1 if failed else 0


def answers_in(text: str) -> set[Finding]:
    """Tool, finding and place of every row of the table."""
    return {(tool, finding, where) for tool, finding, where, _answer in ROW.findall(text)}


def told(tool: str, found: Iterable[Finding], answers: set[Finding], well: str = "no open finding") -> int:
    """Print what is open for this tool; return how much that is."""
    found = set(found)
    open_ones = sorted(found - answers)
    spare = sorted({answer for answer in answers if answer[0] == tool} - found)
    for _tool, finding, where in open_ones:
        print(f"{tool}: {finding} in {where} is not answered in {ANSWERS.name}")
    for _tool, finding, where in spare:
        print(f"{tool}: {finding} in {where} is answered in {ANSWERS.name} and not found any more")
    if not open_ones and not spare:
        print(f"{tool}: {well} ({len(found)} answered)")
    return len(open_ones) + len(spare)


def bandit_findings() -> set[Finding]:
    """What bandit says of our code; its own failure is one."""
    command = [sys.executable, "-m", "bandit", "-q", "-r", *SOURCES, "manage.py", "-f", "json"]
    done = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True)  # noqa: S603 (ours)
    report = json.loads(done.stdout)
    if report["errors"]:
        raise SystemExit(f"bandit could not read: {report['errors']}")
    return {("bandit", one["test_id"], one["filename"].removeprefix("./")) for one in report["results"]}


def audit_findings() -> set[Finding]:
    """What the first advisory service that answers says of the locked packages."""
    reasons = []
    for service in SERVICES:
        try:
            return {finding for lock in LOCKS for finding in _audit(lock, service)}
        except NobodyAsked as reason:
            reasons.append(f"{service}: {reason}")
    raise NobodyAsked("; ".join(reasons))


def _audit(lock: str, service: str) -> set[Finding]:
    command = [sys.executable, "-m", "pip_audit", "-r", lock, "--require-hashes", "--disable-pip"]
    command += ["-s", service, "-f", "json", "--progress-spinner", "off", "--timeout", "15"]
    try:
        done = subprocess.run(  # noqa: S603 (ours)
            command, cwd=BASE_DIR, capture_output=True, text=True, timeout=300
        )
    except subprocess.TimeoutExpired as error:
        raise NobodyAsked("no answer in five minutes") from error
    return audited(done.stdout, done.stderr)


def audited(report: str, complaint: str) -> set[Finding]:
    """Read a report; NobodyAsked when it has none, or when it says of a package that it was left out.

    A mirror that has packages and no advisories makes pip-audit leave all out and call that no vulnerability.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError) as error:
        last = complaint.strip().splitlines()[-1:] or ["it said nothing"]
        raise NobodyAsked(last[0][:200]) from error
    left_out = [one["name"] for one in packages if "skip_reason" in one]
    if left_out:
        raise NobodyAsked(f"{len(left_out)} of {len(packages)} packages unknown there, {left_out[0]} first")
    return {("pip-audit", vuln["id"], one["name"]) for one in packages for vuln in one["vulns"]}


if __name__ == "__main__":
    sys.exit(main())
