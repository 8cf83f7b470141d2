"""A newcomer's first minute: the environment is made once, and every way it can fail is one clear line."""

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from matchmaker import bootstrap
from tests.isolation import SERVICES

PYTHON = str(Path(sys.base_prefix) / "bin" / "python3")
REPOSITORY = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(SERVICES, reason="asks neither a database nor a broker: once is enough")
USE_TINY = ["-c", "import tiny, sys; print(tiny.WORD, sys.prefix)"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the bootstrap reads of a fresh clone."""
    folder = tmp_path / "clone"
    (folder / "matchmaker").mkdir(parents=True)
    for name in (
        "manage.py",
        "requirements.txt",
        "requirements-dev.txt",
        "matchmaker/__init__.py",
        "matchmaker/bootstrap.py",
    ):
        shutil.copy(REPOSITORY / name, folder / name)
    return folder


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package of one module, so that installing needs no network."""
    path = tmp_path / "wheels" / "tiny-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", "WORD = 'tiny works'\n")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(
            "tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\n")
    return path


def lock(clone: Path, wheel: Path, digest: str | None = None) -> None:
    digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    (clone / "requirements.txt").write_text(f"tiny==1.0 \\\n    --hash=sha256:{digest}\n")


def run(clone: Path, *command: str, language: str = "C.UTF-8", **options) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "LC_", "MATCH"))}
    env |= {"LANG": language, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PYTHONUTF8": "1"}
    env |= options.pop("env", {})
    return subprocess.run(
        [PYTHON, *command], cwd=clone, env=env, capture_output=True, text=True, timeout=120, **options
    )


def enter(clone: Path, wheel: Path, argv: list[str], before: str = "", **options):
    code = f"{before}\nfrom matchmaker import bootstrap\nbootstrap.enter_environment({argv!r})"
    return run(clone, "-c", code, env={"PIP_FIND_LINKS": str(wheel.parent)}, **options)


def assert_one_line(finished: subprocess.CompletedProcess[str], *words: str) -> None:
    line = finished.stderr.strip().splitlines()[-1]
    assert finished.returncode == 1, finished
    assert "Traceback" not in finished.stderr
    for word in words:
        assert word in line


def test_makes_the_environment_once_and_runs_the_command_in_it(clone, wheel):
    lock(clone, wheel)
    first = enter(clone, wheel, USE_TINY)
    assert first.stdout.split() == ["tiny", "works", str(clone / ".venv")], first.stderr
    assert "Installing" in first.stderr

    second = enter(clone, wheel, USE_TINY)
    assert second.stdout == first.stdout
    assert second.stderr == ""

    # Another lock file is another environment.
    with (clone / "requirements.txt").open("a") as file:
        file.write("# another lock\n")
    assert "Installing" in enter(clone, wheel, USE_TINY).stderr


@pytest.mark.faults
def test_two_commands_at_once_make_one_environment(clone, wheel):
    lock(clone, wheel)
    code = f"from matchmaker import bootstrap; bootstrap.enter_environment({USE_TINY!r})"
    env = {**os.environ, "PIP_FIND_LINKS": str(wheel.parent), "PIP_NO_INDEX": "1", "LANG": "C.UTF-8"}
    both = [
        subprocess.Popen(
            [PYTHON, "-c", code],
            cwd=clone,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in both]
    assert all(out.startswith("tiny works") for out, _ in said), said
    assert sum("Installing" in err for _, err in said) == 1


@pytest.mark.faults
def test_refuses_a_package_that_is_not_the_locked_one(clone, wheel):
    lock(clone, wheel, digest="0" * 64)
    finished = enter(clone, wheel, USE_TINY)
    assert_one_line(finished, "hash")
    assert not (clone / ".venv" / "requirements.txt.sha256").exists()


@pytest.mark.parametrize("version", ["(2, 7, 18)", "(3, 8, 0)", "(3, 10, 12)"])
def test_an_old_python_is_turned_away(clone, version):
    code = (
        f"import sys, runpy; sys.version_info = {version}; runpy.run_path('manage.py', run_name='__main__')"
    )
    assert_one_line(run(clone, "-c", code), "3.11")
    assert not (clone / ".venv").exists()


@pytest.mark.faults
def test_without_network(clone):
    index = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    assert_one_line(run(clone, "manage.py", "check", env=index), "No package index", "PIP_INDEX_URL")


def test_a_full_disk(clone, wheel):
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    lock(clone, wheel)
    assert_one_line(enter(clone, wheel, USE_TINY, preexec_fn=no_room), "No disk space")


def test_too_little_space_is_said_before_anything_is_written(clone, wheel):
    lock(clone, wheel)
    before = "import shutil, types; shutil.disk_usage = lambda path: types.SimpleNamespace(free=7 * 2**20)"
    assert_one_line(enter(clone, wheel, USE_TINY, before=before), "No disk space", "600 MB", "7 MB")
    assert not (clone / ".venv").exists()


def test_a_folder_that_cannot_be_written(clone, wheel):
    lock(clone, wheel)
    (clone / ".venv").write_text("in the way")
    finished = enter(clone, wheel, USE_TINY)
    assert_one_line(finished, ".venv")


def test_a_python_without_ensurepip(clone, wheel):
    lock(clone, wheel)
    finished = enter(clone, wheel, USE_TINY, before="import sys; sys.modules['ensurepip'] = None")
    assert_one_line(finished, "ensurepip", "-venv")


def test_speaks_the_language_of_the_terminal(clone, wheel):
    lock(clone, wheel)
    finished = enter(
        clone,
        wheel,
        USE_TINY,
        before="import sys; sys.modules['ensurepip'] = None",
        language="zh_CN.UTF-8",
    )
    assert_one_line(finished, "缺少 ensurepip")


def test_leaves_a_foreign_environment_alone(monkeypatch):
    monkeypatch.setattr(bootstrap, "VENV", Path("/nowhere/.venv"))
    monkeypatch.setattr(bootstrap, "install", lambda _name: pytest.fail("installed into it"))
    monkeypatch.setattr(sys, "prefix", "/somebody/elses")
    bootstrap.enter_environment(["manage.py", "check"])


def test_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("MATCHMAKER_BOOTSTRAP", "0")
    monkeypatch.setattr(bootstrap, "is_current", lambda _name: pytest.fail("looked"))
    bootstrap.enter_environment(["manage.py", "check"])


@pytest.mark.parametrize("output", ["ERROR: something new\n", "no error word at all"])
def test_an_unknown_failure_shows_what_pip_said(output):
    assert output.strip().removeprefix("ERROR: ") in bootstrap.explain_pip(output)
