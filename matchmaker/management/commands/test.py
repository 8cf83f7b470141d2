"""`manage.py test`: pytest on the embedded default, or with `--services` on PostgreSQL and Redis."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import NoReturn

from django.conf import settings
from django.core.management import BaseCommand

from matchmaker.translations import compile_translations


class Command(BaseCommand):
    """Takes pytest's own arguments; replaces Django's command of this name."""

    help = "Runs pytest; --services on PostgreSQL and Redis, the rest goes to pytest."
    requires_system_checks: list[str] = []

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Past Django's parser: it would refuse pytest's options."""
        given = argv[2:]
        arguments = [argument for argument in given if argument != "--services"]
        # A terminated run stops its servers, as an interrupted one does.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            sys.exit(run_tests(arguments, with_services="--services" in given))
        except KeyboardInterrupt:
            sys.exit(130)


def run_tests(arguments: list[str], with_services: bool) -> int:
    """pytest's exit code; what was started for it is stopped, what it wrote is gone."""
    compile_translations(settings.LOCALE_PATHS)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="matchmaker-test-"))
        environment = {**os.environ, "MATCHMAKER_TEST_DIR": folder}
        if with_services:
            from tests.services import private_postgres, private_redis  # a development dependency's room

            environment["DATABASE_URL"] = stack.enter_context(private_postgres())
            environment["REDIS_URL"] = stack.enter_context(private_redis())
            environment["MATCHMAKER_TEST_SERVICES"] = "1"
        pytest = [sys.executable, "-m", "pytest", *_parallel(arguments), *_chosen(arguments), *arguments]
        return subprocess.call(pytest, env=environment, cwd=settings.BASE_DIR)  # noqa: S603


def _chosen(arguments: list[str]) -> list[str]:
    """Everything but whole towns and browsers, unless the arguments choose by themselves."""
    return (
        []
        if any(argument.startswith("-m") for argument in arguments)
        else ["-m", "not faults and not browser"]
    )


def _parallel(arguments: list[str]) -> list[str]:
    """One process per core for the whole suite; a chosen few tests start faster in one."""
    chosen = any("::" in argument or (settings.BASE_DIR / argument).exists() for argument in arguments)
    told = any(argument.startswith(("-n", "--numprocesses", "--pdb")) for argument in arguments)
    return [] if chosen or told else ["-n", "auto", "--dist", "loadgroup"]
