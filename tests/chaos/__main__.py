"""Hurt a town for some minutes and print one JSON report; exit status 1 when anything was lost."""

import argparse
import json
import signal
import sys

from tests.chaos.run import Plan, run


def main() -> int:
    # Asked to end, it ends everything that it started first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="how long faults are injected")
    parser.add_argument("--seed", type=int, default=1, help="the same seed plans the same faults")
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--pause", type=float, default=0.1, help="mean seconds between a client's requests")
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="NAME[=TIMES]", help="these faults alone, so often at least"
    )
    parser.add_argument("--no-faults", action="store_true", help="only use the town")
    parser.add_argument(
        "--apart",
        action="store_true",
        help="begin no fault while a job still ends its workers",
    )
    parser.add_argument("--deliveries", type=int, default=0, help="so many jobs, each delivered five times")
    parser.add_argument("--stalls", type=int, default=20)
    parser.add_argument("--anchors", type=int, default=60)
    parser.add_argument("--lossy", default="", help="a build that is wrong on purpose (tests/chaos/lossy.py)")
    parser.add_argument("--quiet", type=float, default=120.0, help="seconds that the town may take to rest")
    options = vars(parser.parse_args())
    report = run(Plan(**options))
    print(json.dumps(report, ensure_ascii=False, indent=1))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
