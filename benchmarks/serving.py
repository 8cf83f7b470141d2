"""A page of suggestions over HTTP, beside a constant view and a DRF ModelSerializer, all authenticated alike.

    python -m benchmarks.serving --stalls 300 --anchors 3000 [--services]

Serves a town of its own by gunicorn with two workers. In each round every view is asked `--requests` times
over kept connections, each time for another stall, one view after the other; a first round warms up and does
not count. Nothing of an answer is cached. `constant` is a view with a fixed answer; `pairs` serves one row a
pair through a ModelSerializer, its reasons passed through from a JSON column with texts in one language;
`typed` has a serializer for each part too. Neither checks a rule. `suggestions` is the product.

Prints one JSON object: requests a second, CPU of the workers a request, bytes of an answer, and the ratios of
each round.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.fresh import merchants
from benchmarks.private_town import Town, add_town_options, cpu_of_all, private_town
from tests.services import free_port, running, wait_until

PAGE = 20
CLIENTS = 4
VIEWS = {
    "constant": "/api/v1/bench/constant/",
    "pairs": "/api/v1/bench/stalls/{stall}/pairs/",
    "typed": "/api/v1/bench/stalls/{stall}/typed/",
    "suggestions": f"/api/v1/stalls/{{stall}}/suggestions/?page_size={PAGE}",
}
People = Sequence[tuple[str, str]]  # token, stall


def ask(port: int, view: str, people: People, requests: int) -> tuple[float, int]:
    """Ask a view for so many pages over a few kept connections; return requests a second and bytes of one."""
    sizes: list[int] = []
    failed: list[str] = []

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for turn in range(number, requests, CLIENTS):
            token, stall = people[turn % len(people)]
            connection.request(
                "GET", VIEWS[view].format(stall=stall), headers={"Authorization": f"Bearer {token}"}
            )
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                failed.append(f"{answer.status} {body[:200]!r}")
                break
            sizes.append(len(body))
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(f"{view}: {failed[0]}")
    return requests / (time.perf_counter() - start), round(statistics.median(sizes))


def make_pairs(stalls: Sequence[str]) -> None:
    """Create the peer's table and fill it with what the product shows of the same lists."""
    from django.db import connection

    from accounts.models import Stall
    from benchmarks.serving_site.models import PairSuggestion
    from matching.selectors import suggestions_for

    with connection.schema_editor() as editor:
        editor.create_model(PairSuggestion)
    for stall in Stall.objects.filter(public_id__in=stalls).select_related("merchant"):
        page = suggestions_for(side="stall", subject=stall, page_size=50)
        PairSuggestion.objects.bulk_create(
            PairSuggestion(
                stall=stall,
                anchor_id=item.partner.pk,
                rank=item.rank,
                score=item.score,
                base=item.base,
                confidence=item.confidence,
                parts=item.parts,
                adjustments=item.adjustments,
                computed_at=page.computed_at,
            )
            for item in page.items
        )


def measure(town: Town, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    town.seed(options.stalls, options.anchors)
    with town.up():
        town.manage("rematch")
    town.environment["DJANGO_SETTINGS_MODULE"] = "benchmarks.serving_site.settings"
    town.set_up_django()
    found = merchants("", random.Random(options.seed), options.people)  # noqa: S311
    people = [(asker.token, stall) for asker, stall in found.stalls]
    make_pairs([stall for _token, stall in people])
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "matchmaker.wsgi:application", "--preload"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", "2", "--threads", "4", "--log-level", "warning"]
    rates: dict[str, list[float]] = {view: [] for view in VIEWS}
    cpu: dict[str, list[float]] = {view: [] for view in VIEWS}
    sizes: dict[str, int] = {}
    options_of_process = {"env": town.environment, "stdout": sys.stderr, "stderr": sys.stderr}
    with running(command, signal.SIGTERM, **options_of_process) as master:
        wait_until(lambda: _serves(port), 60)
        for turn in range(options.rounds + 1):
            for view in VIEWS:
                before = cpu_of_all(master.pid)
                rate, sizes[view] = ask(port, view, people, options.requests)
                if turn:
                    rates[view].append(rate)
                    cpu[view].append((cpu_of_all(master.pid) - before) / options.requests * 1000)
            print(
                f"round {turn}: { {view: round(r[-1]) for view, r in rates.items() if r} }", file=sys.stderr
            )
    return {
        "stalls": options.stalls,
        "anchors": options.anchors,
        "database": "postgresql" if "DATABASE_URL" in town.environment else "embedded",
        "rounds": options.rounds,
        "requests": options.requests,
        "load_average": os.getloadavg(),
        "bytes": sizes,
        "requests_per_second": {view: spread(values) for view, values in rates.items()},
        "cpu_ms": {view: spread(values) for view, values in cpu.items()},
        "of_constant_cpu": {
            view: ratios(cpu["constant"], cpu[view]) for view in ("pairs", "typed", "suggestions")
        },
        "of_constant": {
            view: ratios(rates[view], rates["constant"]) for view in ("pairs", "typed", "suggestions")
        },
        "suggestions_of": {peer: ratios(rates["suggestions"], rates[peer]) for peer in ("pairs", "typed")},
        "suggestions_of_cpu": {peer: ratios(cpu[peer], cpu["suggestions"]) for peer in ("pairs", "typed")},
    }


def ratios(ones: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """The ratio of each round."""
    return spread([one / other for one, other in zip(ones, others, strict=True)])


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    numbers = {"p50": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in numbers.items()}


def _serves(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_town_options(parser, stalls=300, anchors=3000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--people", type=int, default=40, help="how many stalls are asked about")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with private_town(options) as town:
        print(json.dumps(measure(town, options)))


if __name__ == "__main__":
    main()
