"""A stall is saved: how long until its suggestions can be read, and until its partners' lists know it.

    python -m benchmarks.fresh --stalls 300 --anchors 3000 --saves 50

Seeds a town in a temporary folder, serves it as `manage.py up` does, and then is a merchant: changes a
stall or registers one, and asks for its suggestions every 20 ms. Every second save registers a new stall.
A time begins when the request is sent and ends when the new list has been received. Prints one JSON object:

`save_to_suggestions_seconds` one save at a time. A changed stall has to show a list computed after the
save, a new one its stored list; `..._changed` and `..._new` are the two kinds by themselves.
`partners_lists_seconds` until the job that patches the partners' lists is done. `partners_missing` counts
anchors who should now see a new stall and do not: it has to be 0.
`back_to_back_seconds` the same as the first while the work of the saves before is still going on.
`--learned` trains on the town's invented past first and lets those weights score.
`first_save_seconds` the very first save after the start. `get_page_ms` one page of 20 between saves.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib import request as http

from benchmarks.private_town import Town, add_town_options, private_town, rss_mb

POLL_SECONDS = 0.02
PATIENCE_SECONDS = 120.0
_PAGES = 30


@dataclass(frozen=True)
class Asker:
    """Somebody with a token."""

    address: str
    token: str

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str
    ) -> tuple[dict[str, Any], str]:
        """The JSON of the answer, and its ETag."""
        asked = http.Request(  # noqa: S310 (our own http address)
            f"{self.address}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )
        with http.urlopen(asked, timeout=60) as answer:  # noqa: S310
            return json.load(answer), answer.headers.get("ETag", "")

    def suggestions(self, stall: str) -> dict[str, Any]:
        return self.ask("GET", f"stalls/{stall}/suggestions/?page_size=20")[0]


@dataclass
class Save:
    """One save and what came of it."""

    stall: str
    is_new: bool
    sent_at: float
    answered: float = 0.0
    readable: float = 0.0
    partners: float = 0.0
    missing: int = 0
    polls: int = 0


@dataclass
class Merchants:
    """The stalls to be saved, each with somebody who may."""

    stalls: list[tuple[Asker, str]]
    rng: random.Random = field(default_factory=lambda: random.Random(621))  # noqa: S311
    number: int = 0

    def save(self, is_new: bool) -> Save:
        """Change a stall, or register one like it, and wait until its new list is readable."""
        asker, stall = self.stalls[self.number % len(self.stalls)]
        self.number += 1
        known, etag = asker.ask("GET", f"stalls/{stall}/")
        before = asker.suggestions(stall)["computed_at"]
        save = Save(stall, is_new, time.time())
        if is_new:
            save.stall = asker.ask("POST", "stalls/", self._like(known))[0]["id"]
        else:
            asker.ask("PATCH", f"stalls/{stall}/", {"moq": self._other(known["moq"])}, If_Match=etag)
        save.answered = time.time() - save.sent_at
        while True:
            page = asker.suggestions(save.stall)
            save.polls += 1
            if page["source"] == "stored" and (is_new or page["computed_at"] != before):
                save.readable = time.time() - save.sent_at
                return save
            if time.time() - save.sent_at > PATIENCE_SECONDS:
                raise TimeoutError(f"no new list for {save}: {_why_none(save, page)}")
            time.sleep(POLL_SECONDS)

    def _like(self, stall: dict[str, Any]) -> dict[str, Any]:
        kept = (
            "zone",
            "categories",
            "styles",
            "price_min_cents",
            "price_max_cents",
            "commission_rate",
            "restock_days",
            "stock_depth",
            "cooperation_modes",
            "languages",
            "platforms",
            "availability",
        )
        place = {"floor": 1, "number": f"N{os.getpid()}-{self.number}"}
        return {name: stall[name] for name in kept if stall.get(name) is not None} | {
            "name": "新铺",
            "moq": 2,
            **place,
        }

    def _other(self, number: int | None) -> int:
        return self.rng.choice([n for n in range(1, 9) if n != number])


def _why_none(save: Save, page: dict[str, Any]) -> dict[str, Any]:
    """What the last answer said beside its cards, and what became of the work."""
    from accounts.models import Stall
    from jobs.models import Job

    stall_id = Stall.objects.values_list("pk", flat=True).get(public_id=save.stall)
    jobs = Job.objects.filter(dedupe_key__endswith=f":{stall_id}").order_by("pk")
    told = ("kind", "state", "attempts", "not_before", "started_at", "finished_at", "error")
    answer = {key: value for key, value in page.items() if key != "results"}
    return answer | {"jobs": list(jobs.values(*told))}


def merchants(address: str, rng: random.Random, wanted: int = 40) -> Merchants:
    """Stalls that others may see and that have a full list, with a token for their owners.

    Who opted out of personalisation has no stored list that is read, and is left out.
    """
    from django.utils import timezone

    from accounts.choices import Scope
    from accounts.models import Membership, Stall
    from accounts.services.access import issue_api_token
    from matching.models import RecommendationList
    from matching.rules import own_reasons

    listed = RecommendationList.objects.filter(side="stall", superseded_at=None, floor_hundredths__gte=0)
    stalls = Stall.objects.filter(
        pk__in=list(listed.values_list("subject_id", flat=True)), merchant__is_personalised=True
    )
    shown, made = [stall for stall in stalls if not own_reasons(stall)], []
    for stall in rng.sample(shown, min(wanted, len(shown))):
        user = Membership.objects.filter(merchant=stall.merchant_id).latest("pk").user
        expires_at, scopes = timezone.now() + timedelta(days=1), [scope.value for scope in Scope]
        try:
            _row, token = issue_api_token(
                actor=user, user=user, name="benchmark", scopes=scopes, expires_at=expires_at
            )
        except Exception as error:  # an owner drawn too often
            print(f"left out: {error}", file=sys.stderr)
            continue
        made.append((Asker(address, token), str(stall.public_id)))
    return Merchants(made, rng)


# --- partners -------------------------------------------------------------------------------------------


def await_partners(save: Save) -> None:
    """Note when the partners' lists were patched, and who should see a new stall and does not."""
    from accounts.models import Stall

    stall_id = Stall.objects.values_list("pk", flat=True).get(public_id=save.stall)
    save.partners = _patched_at(stall_id, save.sent_at).timestamp() - save.sent_at
    if save.is_new:
        save.missing = _missing(stall_id)


def _patched_at(stall_id: int, since: float) -> datetime:
    from jobs.models import Job, JobState

    begun_after = datetime.fromtimestamp(since, tz=UTC)
    jobs = Job.objects.filter(dedupe_key=f"patch:stall:{stall_id}", started_at__gt=begun_after)
    while True:
        job = jobs.filter(state=JobState.DONE).order_by("finished_at").first()
        if job is not None and job.finished_at is not None:
            return job.finished_at
        if time.time() - since > PATIENCE_SECONDS:
            raise TimeoutError(f"the partners of stall {stall_id} were not patched: {list(jobs.values())}")
        time.sleep(POLL_SECONDS)


def _missing(stall_id: int) -> int:
    """Of the anchors on the new stall's list, how many lack it and would now be given it."""
    import numpy as np

    from matching.models import RecommendationList
    from matching.packing import IDS
    from matching.services.recommendations.computing import recommend_for
    from matching.snapshot.market import current_market

    current = RecommendationList.objects.filter(superseded_at=None)
    own = current.get(side="stall", subject_id=stall_id)
    anchors = sorted(np.frombuffer(bytes(own.partner_ids), dtype=IDS).tolist())
    market = current_market()
    if market is None or not anchors:
        return 0
    due = recommend_for(market, "anchor", anchors).partner_ids
    held = {
        row.subject_id: np.frombuffer(bytes(row.partner_ids), dtype=IDS)
        for row in current.filter(side="anchor", subject_id__in=anchors)
    }
    return sum(
        stall_id in due[row] and stall_id not in held.get(anchor, ()) for row, anchor in enumerate(anchors)
    )


# --- learned weights ------------------------------------------------------------------------------------


def learn(town: Town) -> str:
    """Let learned weights count, whatever the gate says; return their name.

    An invented town decides by dice, which the gate rightly refuses to believe; here only the cost counts.
    """
    from matching.choices import ModelStatus
    from matching.models import EngineModel

    town.manage("train")
    model = EngineModel.objects.latest("pk")
    EngineModel.objects.filter(pk=model.pk).update(status=ModelStatus.PUBLISHED)
    return str(model)


def learned_in_lists(model: str) -> str:
    """Return `model` once the lists are seen to be made with these weights."""
    from matching.models import EngineRun

    used = str(EngineRun.objects.filter(finished_at__isnull=False).latest("pk").learned)
    if used != model:
        raise RuntimeError(f"the lists were made with {used}, not with {model}")
    return model


# --- the run --------------------------------------------------------------------------------------------


def measure(town: Town, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    seeded = town.seed(options.stalls, options.anchors)
    town.set_up_django()
    learned = learn(town) if options.learned else ""
    with town.up() as (address, supervisor):
        rematched = town.manage("rematch")
    told = {"learned": learned_in_lists(learned)} if options.learned else {}
    # A second start, as after a night: no process has read the market yet.
    with town.up() as (address, supervisor):
        time.sleep(options.rest)
        people = merchants(address, random.Random(options.seed))  # noqa: S311
        single = []
        for number in range(options.saves):
            save = people.save(is_new=number % 2 == 1)
            await_partners(save)
            single.append(save)
            print(f"{number}: {save}", file=sys.stderr)
        pages = [_page_ms(people) for _ in range(_PAGES)]
        busy = [people.save(is_new=number % 2 == 1) for number in range(options.saves)]
        for save in busy:
            await_partners(save)
        memory = rss_mb(supervisor)
        database = town.database_mb()
    return told | {
        "stalls": options.stalls,
        "anchors": options.anchors,
        "saves": options.saves,
        "database": "postgresql" if "DATABASE_URL" in town.environment else "embedded",
        "load_average": os.getloadavg(),
        "seed_seconds": round(seeded, 1),
        "rematch_seconds": round(rematched, 1),
        "first_save_seconds": round(single[0].readable, 3),
        "answer_seconds": spread([save.answered for save in single]),
        "save_to_suggestions_seconds": spread([save.readable for save in single]),
        "save_to_suggestions_seconds_changed": spread([s.readable for s in single if not s.is_new]),
        "save_to_suggestions_seconds_new": spread([s.readable for s in single if s.is_new]),
        "partners_lists_seconds": spread([save.partners for save in single]),
        "partners_missing": sum(save.missing for save in [*single, *busy]),
        "back_to_back_seconds": spread([save.readable for save in busy]),
        "back_to_back_partners_seconds": spread([save.partners for save in busy]),
        "get_page_ms": spread(pages, digits=1),
        "rss_mb": memory,
        "database_mb": round(database),
    }


def _page_ms(people: Merchants) -> float:
    asker, stall = people.rng.choice(people.stalls)
    start = time.perf_counter()
    asker.suggestions(stall)
    return (time.perf_counter() - start) * 1000


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Median, 95th percentile and maximum."""
    ordered = sorted(values)
    p95 = ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
    numbers = {"p50": statistics.median(ordered), "p95": p95, "max": ordered[-1]}
    return {name: round(value, digits) for name, value in numbers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_town_options(parser, stalls=300, anchors=3000)
    parser.add_argument("--saves", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="which stalls are saved")
    parser.add_argument("--rest", type=float, default=5.0, help="seconds before the first save")
    parser.add_argument("--learned", action="store_true", help="train, and let what was learned count")
    options = parser.parse_args()
    with private_town(options) as town:
        print(json.dumps(measure(town, options)))


if __name__ == "__main__":
    main()
