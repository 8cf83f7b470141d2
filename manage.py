#!/usr/bin/env python3
"""Runs every command of the project; makes its own environment first (see matchmaker/bootstrap.py)."""

import os
import sys

if sys.version_info < (3, 11):  # before anything that an old Python could not even read
    found = "%d.%d" % sys.version_info[:2]
    if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("zh"):
        sys.exit("Matchmaker 需要 Python 3.11 或更高版本；当前是 Python " + found + "。")
    sys.exit("Matchmaker needs Python 3.11 or later; this is Python " + found + ".")


def main():
    from matchmaker import bootstrap

    bootstrap.enter_environment(sys.argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matchmaker.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.INSTALLED_APPS  # noqa: B018 (reads the environment and makes `var/`)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(bootstrap.explain_os_error(error))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
