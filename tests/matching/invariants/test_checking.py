"""Running the checks: kept, repeated, crashed, by command and by night, and told on /metrics."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils.translation import override

from jobs.models import Job, JobState, Throttle
from jobs.tasks import run_job
from matching import tasks
from matching.invariants import DETECTORS, Detector, What, told
from matching.invariants.finding import MOST_KEPT, Finding, merged
from matching.invariants.privacy import personal_in
from matching.models import InvariantCheck
from matching.services import invariants as service
from matchmaker.celery import app
from tests.factories import UserFactory, credit_code, id_number

pytestmark = pytest.mark.django_db


def only(monkeypatch, *finders):
    """Let these functions be all detectors, numbered from 1."""
    found = [Detector(number, f"no. {number}", find) for number, find in enumerate(finders, start=1)]
    monkeypatch.setattr(service, "DETECTORS", tuple(found))


def finds_two(finding):
    finding.look(5)
    finding.report(What.JOB_DEAD, job=1)
    finding.report(What.JOB_DEAD, job=2)


def finds_nothing(finding):
    finding.look(3)


def crashes(finding):
    finding.look(1)
    raise RuntimeError("+8613800138000 is no business of the result")


def run(*arguments):
    out = io.StringIO()
    code = 0
    try:
        call_command("check_invariants", *arguments, stdout=out)
    except SystemExit as stop:
        code = stop.code
    return code, out.getvalue()


def test_a_check_is_kept_and_only_the_last_hundred_are(monkeypatch):
    only(monkeypatch, finds_two, finds_nothing)
    monkeypatch.setattr(service, "KEPT", 2)
    checks = [service.check_all() for _ in range(3)]
    assert list(InvariantCheck.objects.values_list("pk", flat=True)) == [checks[2].pk, checks[1].pk]
    assert checks[2].violations == 2
    first, second = checks[2].results
    assert (first["number"], first["examined"], first["violations"]) == (1, 5, 2)
    assert first["found"] == [{"what": "job_dead", "ids": {"job": n}} for n in (1, 2)]
    assert (second["examined"], second["violations"], second["found"]) == (3, 0, [])


def test_a_detector_that_crashes_fails_and_the_others_go_on(monkeypatch):
    only(monkeypatch, crashes, finds_nothing)
    check = service.check_all()
    assert [row["violations"] for row in check.results] == [1, 0]
    assert check.results[0]["found"] == [{"what": "detector_failed", "ids": {"error": "RuntimeError"}}]
    assert "138" not in json.dumps(check.results)


def test_an_error_of_the_database_spoils_no_other_detector(monkeypatch):
    def asks_nonsense(finding):
        list(Throttle.objects.raw("SELECT nothing FROM nowhere"))

    only(monkeypatch, asks_nonsense, lambda finding: finding.look(Throttle.objects.count() + 1))
    assert [row["violations"] for row in service.check_all().results] == [1, 0]


def test_what_is_not_there_a_moment_later_was_a_write_and_no_violation(monkeypatch):
    looks = []

    def finds_it_once(finding):
        looks.append(finding)
        if len(looks) == 1:
            finding.report(What.LOAD_DIFFERS, party=1)
        finding.report(What.LOAD_DIFFERS, party=2, counted=0)

    only(monkeypatch, finds_it_once)
    (result,) = service.check_some()
    assert (result["violations"], result["found"]) == (
        1,
        [{"what": "load_differs", "ids": {"party": 2, "counted": 0}}],
    )


def test_very_many_violations_are_counted_and_a_few_told(monkeypatch):
    def finds_many(finding):
        for number in range(MOST_KEPT + 5):
            finding.report(What.JOB_DEAD, job=number)

    only(monkeypatch, finds_many)
    (result,) = service.check_some()
    assert result["violations"] == MOST_KEPT + 5 and len(result["found"]) == service.TOLD
    (line,) = told([result])
    assert line.untold == MOST_KEPT + 5 - service.TOLD


def test_what_events_violate_is_told_with_its_values_and_once():
    seen = {"match": "m", "seq": 3, "found": "agreed", "expected": "proposed (anchor)"}
    what = {"what": "other_state", "ids": seen}
    stored = {"number": 4, "examined": 9, "violations": 3, "milliseconds": 1}
    # Kept by releases that stored less, and that knew another code.
    old = [{"what": "other_state", "ids": {"match": 7}}, {"what": "state_differs", "ids": {"match": 7}}]
    with override("en"):
        (line,) = told([stored | {"found": [what, *old]}])
    assert line.found == (
        "It is agreed, its events say proposed (anchor). (match m, seq 3)",
        "It is ?, its events say ?. (match 7)",
        "state_differs (match 7)",
    )


def test_streams_are_merged_by_their_keys():
    left, right = iter([(1, "a"), (3, "c"), (4, "d")]), iter([(2, "B"), (3, "C")])
    assert list(merged(left, right)) == [(1, "a", None), (2, None, "B"), (3, "c", "C"), (4, "d", None)]
    assert list(merged(iter([]), iter([(1, "x")]))) == [(1, None, "x")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call 13800138000 now", [What.PHONE_FOUND]),
        ('{"to": "+8613800138000"}', [What.PHONE_FOUND]),
        ("86-13800138000", [What.PHONE_FOUND]),
        (id_number(7), [What.ID_NUMBER_FOUND]),
        (credit_code(7).lower(), [What.CREDIT_CODE_FOUND]),
        ("1700000000000", []),
        ("score 0.13800138000", []),
        ("3f13800138000a", []),
        ("8b6c1380-0138-4000-8000-138001380001", []),
        (id_number(7)[:-1] + ("1" if id_number(7)[-1] != "1" else "2"), []),
    ],
)
def test_what_reads_as_personal(text, found):
    assert personal_in(text) == found


# --- the job and the night -----------------------------------------------------------------------------


def test_every_night_it_is_asked_for_and_the_job_tells_its_progress(monkeypatch):
    only(monkeypatch, finds_two, finds_nothing)
    tasks.check_invariants_nightly()
    service.request_check(actor=UserFactory.create())
    job = Job.objects.get()
    assert (job.kind, job.queue, job.requests) == ("matching.check_invariants", "default", 2)
    run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done_units, job.total_units) == (JobState.DONE, 2, 2)
    assert job.result == {"check": InvariantCheck.objects.get().pk, "violations": 2}


def test_the_night_is_in_the_timetable():
    entry = app.conf.beat_schedule["check-invariants-nightly"]
    assert entry["task"] == tasks.check_invariants_nightly.name
    assert (entry["schedule"].hour, entry["schedule"].minute) == ({20}, {30})


# --- the command -----------------------------------------------------------------------------------------


def test_a_sound_database_ends_with_0_and_is_kept():
    code, text = run()
    assert code == 0
    lines = text.splitlines()
    assert [int(line.split()[0]) for line in lines[1:]] == [detector.number for detector in DETECTORS]
    assert InvariantCheck.objects.get().violations == 0


def test_a_violation_ends_with_1_and_is_named():
    Throttle.objects.create(key="login:13800138000", window_at="2026-01-01T00:00Z")
    with override("en"):
        code, text = run("--only", "13", "2")
    assert code == 1
    assert "a phone number where only ids and codes may be (table jobs_throttle, column key, row " in text
    assert "13800138000" not in text
    assert not InvariantCheck.objects.exists()


def test_json_tells_the_same():
    Throttle.objects.create(key="login:13800138000", window_at="2026-01-01T00:00Z")
    with override("en"):
        code, text = run("--json", "--only", "13")
    answer = json.loads(text)
    (row,) = answer["invariants"]
    assert (code, answer["violations"]) == (1, 1)
    assert (row["number"], row["name"]) == (13, "No personal data in jobs, keys and logs")
    assert row["found"][0]["what"] == "phone_found" and row["milliseconds"] >= 0 < row["examined"]


def test_an_unknown_number_is_refused_by_name():
    with override("en"), pytest.raises(CommandError, match=r"no invariant 17, 99\. Known: 1, 2"):
        run("--only", "99", "2", "17")


# --- /metrics --------------------------------------------------------------------------------------------


def test_the_last_check_is_among_the_figures(client: Client, monkeypatch, django_assert_max_num_queries):
    before = client.get("/metrics").content.decode()
    assert "matchmaker_invariant" not in before
    only(monkeypatch, finds_nothing, finds_nothing)
    service.check_all()
    only(monkeypatch, finds_two, finds_nothing)
    service.check_all()
    with django_assert_max_num_queries(16):
        text = client.get("/metrics").content.decode()
    assert 'matchmaker_invariant_violations{invariant="1"} 2.0\n' in text
    assert 'matchmaker_invariant_violations{invariant="2"} 0.0\n' in text
    assert 'matchmaker_invariant_examined{invariant="1"} 5.0\n' in text
    age = next(
        line for line in text.splitlines() if line.startswith("matchmaker_invariants_checked_seconds ")
    )
    assert 0 <= float(age.split()[1]) < 60


def test_found_again_keeps_what_both_saw():
    first, second = Finding(), Finding(7)
    first.report(What.JOB_DEAD, job=1)
    second.report(What.JOB_DEAD, job=2)
    assert first.found_again(second) == Finding(7, 0, [])
