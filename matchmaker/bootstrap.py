"""Makes `.venv` from the hash-checked requirements and runs the command in it. Standard library only.

Every failure a newcomer can meet here ends in one line that says what to do.
"""

import contextlib
import errno
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
VENV = BASE_DIR / ".venv"
# What an installed `.venv` takes; below this pip would stop half way.
NEEDED_BYTES = {"requirements.txt": 600 * 2**20, "requirements-dev.txt": 1200 * 2**20}
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class Stop(Exception):
    """The one line that ends the command."""


def speaks_chinese() -> bool:
    """Whether the terminal's locale is Chinese."""
    chosen = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next(filter(None, chosen), "").startswith("zh")


def say(english: str, chinese: str) -> str:
    """The line in the language of the terminal."""
    return chinese if speaks_chinese() else english


def enter_environment(argv: list[str]) -> None:
    """Return in an environment that has what this command needs, or end with one clear line."""
    if os.environ.get("MATCHMAKER_BOOTSTRAP") == "0" or _is_foreign_environment():
        return
    if os.name == "nt":
        sys.exit(say("On Windows, run it inside WSL.", "在 Windows 上请在 WSL 中运行。"))
    needed = "requirements-dev.txt" if argv[1:2] == ["test"] else "requirements.txt"
    try:
        if not is_current(needed):
            with _one_at_a_time():
                if not is_current(needed):
                    install(needed)
    except Stop as reason:
        sys.exit(str(reason))
    except OSError as error:
        sys.exit(explain_os_error(error))
    except KeyboardInterrupt:
        sys.exit(130)
    if Path(sys.prefix).resolve() != VENV.resolve():
        python = str(_python())
        # pip left the packages uncompiled; without files of bytecode every start would compile them again.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.execv(python, [python, *argv])  # noqa: S606 (the Python made above)


def _is_foreign_environment() -> bool:
    """Whether this runs in a virtual environment that somebody else made, and looks after."""
    return sys.prefix != sys.base_prefix and Path(sys.prefix).resolve() != VENV.resolve()


def is_current(requirements: str) -> bool:
    """Whether `.venv` holds what this file locks; the development file includes the product's."""
    stamps = {name: VENV / f"{name}.sha256" for name in NEEDED_BYTES}
    with contextlib.suppress(OSError):
        return _python().exists() and stamps[requirements].read_text() == _fingerprint(requirements)
    return False


def _fingerprint(requirements: str) -> str:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}".encode()
    return hashlib.sha256(version + (BASE_DIR / requirements).read_bytes()).hexdigest()


def _python() -> Path:
    return VENV / "bin" / "python"


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two commands started together on a fresh clone: the second waits for the first's installation."""
    import fcntl

    folder = os.open(BASE_DIR, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def install(requirements: str) -> None:
    """Create `.venv` where needed and install the locked packages into it."""
    check_space(requirements)
    make_venv()
    note(say("Installing the locked packages into .venv …", "正在把锁定版本的依赖装入 .venv …"))
    # Not compiled here: half the time, and most modules are never imported.
    pip = [str(_python()), "-m", "pip", "install", "--no-input", "--no-deps", "--no-compile"]
    pip += ["--disable-pip-version-check", "--retries", "1", "--progress-bar", "off"]
    pip += ["--require-hashes", "--only-binary", ":all:", "-r", str(BASE_DIR / requirements)]
    code, output = _run_counting(pip, total=_count_packages(requirements))
    if code:
        raise Stop(explain_pip(output))
    for name in NEEDED_BYTES if requirements == "requirements-dev.txt" else [requirements]:
        (VENV / f"{name}.sha256").write_text(_fingerprint(name))


def check_space(requirements: str) -> None:
    """Stop before a half-made environment, not after it."""
    installed = sum(size for name, size in NEEDED_BYTES.items() if (VENV / f"{name}.sha256").exists())
    missing = NEEDED_BYTES[requirements] - installed
    free = shutil.disk_usage(BASE_DIR).free
    if free < missing:
        raise Stop(no_space_line(needed=missing, free=free))


def make_venv() -> None:
    """An empty environment with pip, replacing a broken one or one of another Python."""
    if _is_usable_venv():
        return
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise Stop(
            say(
                f"This Python has no ensurepip: install it first (Debian, Ubuntu: apt install {package}).",
                f"这个 Python 缺少 ensurepip：请先安装（Debian、Ubuntu：apt install {package}）。",
            )
        )
    note(say("Making the environment .venv …", "正在创建运行环境 .venv …"))
    # In two steps: `venv` alone would hide why ensurepip failed.
    _must([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)])
    _must([str(_python()), "-m", "ensurepip", "--default-pip"])


def _must(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    if done.returncode:
        raise Stop(explain_pip(done.stdout + done.stderr))


def _is_usable_venv() -> bool:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if not (_python().exists() and (VENV / "lib" / version / "site-packages").is_dir()):
        return False
    check = subprocess.run([str(_python()), "-m", "pip", "--version"], capture_output=True, check=False)  # noqa: S603
    return check.returncode == 0


def _count_packages(requirements: str) -> int:
    lines = (BASE_DIR / requirements).read_text(encoding="utf-8").splitlines()
    return sum(bool(re.match(r"[A-Za-z0-9]", line)) for line in lines)


def _run_counting(command: list[str], total: int) -> tuple[int, str]:
    """Run pip, counting packages on one line of a terminal; its exit code and all it said."""
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 (built above)
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            seen = sum(text.startswith("Collecting ") for text in lines)
            if sys.stderr.isatty():
                print(f"\r  {min(seen, total)}/{total}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return process.returncode, "".join(lines)


def note(line: str) -> None:
    """Progress goes to the error stream: a command's own output stays clean."""
    print(line, file=sys.stderr, flush=True)


def explain_os_error(error: OSError) -> str:
    """The one line for a disk that is full or may not be written."""
    if error.errno in NO_SPACE:
        return no_space_line()
    where = error.filename or BASE_DIR
    if error.errno in READ_ONLY:
        return say(f"{where} cannot be written: {error.strerror}.", f"无法写入 {where}：{error.strerror}。")
    return say(f"{where}: {error.strerror}.", f"{where}：{error.strerror}。")


def no_space_line(needed: int = NEEDED_BYTES["requirements.txt"], free: int | None = None) -> str:
    """The one line for a full disk."""
    need = needed // 2**20
    left = "" if free is None else say(f", {free // 2**20} MB are free", f"，目前只剩 {free // 2**20} MB")
    return say(
        f"No disk space: {BASE_DIR} needs about {need} MB{left}.",
        f"磁盘空间不足：{BASE_DIR} 需要约 {need} MB{left}。",
    )


_NO_NETWORK = (
    "NewConnectionError|ConnectTimeoutError|Failed to establish|name resolution|Name or service not known"
    "|Network is unreachable|Connection refused|Read timed out|ProxyError|Cannot connect to proxy"
    "|Max retries exceeded|Connection broken|No route to host"
)


def explain_pip(output: str) -> str:
    """One line for what made pip or venv fail; its own last error where the cause is unknown."""
    if re.search("No space left|Disk quota exceeded|File too large", output):
        return no_space_line()
    if re.search("Read-only file system|Permission denied", output):
        return say(f"{VENV} cannot be written.", f"无法写入 {VENV}。")
    if "DO NOT MATCH THE HASHES" in output:
        return say(
            "A package is not the one that was locked (its hash differs): nothing of it was installed.",
            "有依赖包与锁定的哈希不符，已拒绝安装。",
        )
    if re.search(_NO_NETWORK, output):
        return say(
            "No package index could be reached: check the network, or name a mirror in PIP_INDEX_URL.",
            "无法连接软件包索引：请检查网络，或用 PIP_INDEX_URL 指定镜像。",
        )
    errors = [line.strip() for line in output.splitlines() if line.lower().startswith("error")]
    last = errors[-1] if errors else (output.strip().splitlines() or ["?"])[-1]
    return say(f"The packages could not be installed: {last}", f"依赖安装失败：{last}")
