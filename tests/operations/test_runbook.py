"""Every command, option, metric, setting and unit that the runbook names is there."""

import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from prometheus_client import REGISTRY

from matchmaker.metrics import requests as _counted  # noqa: F401 (names the metrics of requests)

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"manage\.py (\w+)([^`\n|&]*)")
SUFFIXES = ("_total", "_bucket", "_sum", "_count")


def options_of(command: str) -> set[str]:
    parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
    return {option for action in parser._actions for option in action.option_strings}


def test_every_command_and_option_exists() -> None:
    named = COMMAND.findall(TEXT)
    assert len(named) > 15
    for command, rest in named:
        assert command in get_commands(), command
        if command == "test":  # takes pytest's
            continue
        missing = set(re.findall(r"(?<!\w)--[a-z-]+", rest)) - options_of(command)
        assert not missing, f"{command} has no {missing}"


def test_a_command_that_is_not_there_would_be_noticed() -> None:
    assert COMMAND.findall("`python3 manage.py heal --all`") == [("heal", " --all")]
    assert "heal" not in get_commands()
    assert "--all" not in options_of("backup")


def defined_metrics() -> set[str]:
    """What the code names: those of rows as they are written in it, those of requests as registered."""
    source = (ROOT / "matchmaker" / "metrics" / "town.py").read_text(encoding="utf-8")
    names = set(re.findall(r'"(matchmaker_[a-z_]+)"', source))
    names |= {f"matchmaker_invariant_{field}" for field in ("violations", "examined")}
    ours = {name for name in REGISTRY._names_to_collectors if name.startswith("matchmaker_")}
    return names | {name.removesuffix("_created") for name in ours}


def test_every_metric_exists() -> None:
    named = set(re.findall(r"\bmatchmaker_[a-z_]+", TEXT))
    assert len(named) > 15
    assert named - defined_metrics() == set()


def test_every_metric_of_rows_is_explained_by_a_symptom_or_an_alarm() -> None:
    told = {"matchmaker_jobs_last_number", "matchmaker_model_age_seconds", "matchmaker_invariant_examined"}
    told |= {"matchmaker_freshness_saves"}
    silent = {n for n in defined_metrics() if n not in TEXT and not n.endswith(SUFFIXES)}
    assert silent - told - {"matchmaker_http_requests", "matchmaker_http_database_seconds"} == set()


def test_every_setting_exists() -> None:
    table = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE))
    named = set(re.findall(r"`((?:MATCHMAKER_|SECRET_KEY)[A-Z_]*)`", TEXT))
    assert len(named) > 5
    assert named - known == set()


def test_every_unit_and_page_exists() -> None:
    units = set(re.findall(r"\bmatchmaker-(?:web|beat|worker@)|\bmatchmaker\.slice", TEXT))
    there = {path.name for path in (ROOT / "docs" / "systemd").iterdir()}
    assert units and all(any(name.startswith(unit) for name in there) for unit in units)
    for page in re.findall(r"\]\((\w[\w.-]*\.md)", TEXT):
        assert (ROOT / "docs" / page).exists(), page


def test_every_link_within_the_page_leads_somewhere() -> None:
    heads = re.findall(r"^#{2,3} (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
    links = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    assert links and links - anchors == set()


def test_every_symptom_says_what_to_look_at() -> None:
    symptoms = re.split(r"^### ", TEXT.split("## By symptom")[1].split("\n## ")[0], flags=re.MULTILINE)[1:]
    assert len(symptoms) >= 14
    for symptom in symptoms:
        title = symptom.splitlines()[0]
        assert re.search(r"`(metric |python3 manage|journalctl|curl|redis-cli|df )", symptom), title


@pytest.mark.parametrize("line", re.findall(r"^metric\(\).*$", TEXT, re.MULTILINE))
def test_the_shell_function_is_one(line: str) -> None:
    assert subprocess.run(["bash", "-n", "-c", line]).returncode == 0
