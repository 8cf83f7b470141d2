"""Journal against database, both ways: what was acknowledged is there once, what is there was sent."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

Line = dict[str, Any]
Found = dict[str, list[str]]


def reconcile(lines: list[Line]) -> dict[str, Any]:
    """What was lost, what is there twice, and what nobody sent; Django has to be set up."""
    found: Found = {"lost": [], "double": [], "never_sent": [], "undone": []}
    sent = [line for line in lines if line["kind"] == "sent"]
    answered = {line["key"]: line for line in lines if line["kind"] == "answered"}
    _registrations(sent, answered, found)
    _edits(lines, found)
    _matches(sent, answered, found)
    _outcomes(sent, answered, found)
    _lists(found)
    acknowledged = sum(200 <= line["status"] < 300 for line in answered.values())
    return {
        "sent": len(sent),
        "acknowledged": acknowledged,
        "unanswered": sum(line["status"] == 0 for line in answered.values()),
        "answers": dict(sorted(Counter(_told(line) for line in answered.values()).items())),
        "at_most_lost_share": round(3.0 / acknowledged, 6) if acknowledged else None,
        # Repeats of a write that was cut off after it had been done.
        "replayed": sum(line["replayed"] for line in answered.values()),
        "killed_at_commit": _killed(answered),
        **{kind: {"count": len(what), "first": _examples(what)} for kind, what in found.items()},
    }


def _examples(what: list[str], most: int = 10) -> list[str]:
    """The first of each sort, which is the first word."""
    told = Counter[str]()
    chosen = []
    for line in what:
        sort = line.split()[0]
        told[sort] += 1
        if told[sort] <= most:
            chosen.append(line)
    return chosen


def _told(line: Line) -> str:
    return " ".join(str(line[name]) for name in ("what", "status", "code") if line[name])


def _killed(answered: dict[str, Line]) -> dict[str, dict[str, int]]:
    """How many writes had their web killed before, during and after the COMMIT, and what had been done."""
    killed: dict[str, dict[str, int]] = {}
    for line in answered.values():
        if line["aim"]:
            counts = killed.setdefault(line["aim"], {"writes": 0, "had_committed": 0})
            counts["writes"] += 1
            counts["had_committed"] += line["replayed"]
    return killed


def _registrations(sent: list[Line], answered: dict[str, Line], found: Found) -> None:
    from accounts.models import Stall

    rows: dict[str, list[str]] = defaultdict(list)
    for name, public_id in Stall.objects.filter(name__startswith="chaos-").values_list("name", "public_id"):
        rows[name].append(str(public_id))
    tried = {line["about"]: line for line in sent if line["what"] == "register"}
    for name, line in tried.items():
        answer, held = answered.get(line["key"]), rows.get(name, [])
        if answer and answer["status"] == 201 and answer["id"] not in held:
            found["lost"].append(f"stall {name}")
        if len(held) > 1:
            found["double"].append(f"stall {name} × {len(held)}")
    found["never_sent"] += [f"stall {name}" for name in rows if name not in tried]


def _edits(lines: list[Line], found: Found) -> None:
    """A stall holds what was acknowledged last or tried since, and changed as often as was acknowledged."""
    from accounts.models import Stall

    possible: dict[str, set[int]] = {}
    began: dict[str, int] = {}
    sent, told = Counter[str](), Counter[str]()
    for line in (line for line in lines if line["what"] == "edit"):
        stall = line["about"]
        if line["kind"] == "began":
            began[stall] = line["version"]
        elif line["kind"] == "sent":
            possible.setdefault(stall, set()).add(line["moq"])
            sent[stall] += 1
        elif line["status"] == 200:
            possible[stall] = {line["moq"]}
            told[stall] += 1
    columns = ("public_id", "moq", "version")
    there = set(map(str, Stall.objects.filter(public_id__in=list(told)).values_list("public_id", flat=True)))
    found["lost"] += [f"stall {stall}" for stall in told if stall not in there]
    for public_id, moq, version in Stall.objects.filter(public_id__in=list(told)).values_list(*columns):
        stall, changes = str(public_id), version - began[str(public_id)]
        if moq not in possible[stall]:
            found["lost"].append(f"edit of stall {stall}: {moq}, not of {sorted(possible[stall])}")
        if changes < told[stall]:
            found["lost"].append(f"{told[stall] - changes} edits of stall {stall}")
        if changes > sent[stall]:
            found["double"].append(f"{changes - sent[stall]} edits of stall {stall}")


def _matches(sent: list[Line], answered: dict[str, Line], found: Found) -> None:
    """A match is where the last acknowledged move left it, and has as many events as moves."""
    from django.db.models import Count

    from matching.models import Match

    ids = [line["id"] for line in answered.values() if line["what"] == "propose" and line["status"] == 201]
    found["double"] += [f"match {match} told {n} times" for match, n in Counter(ids).items() if n > 1]
    rows = (
        Match.objects.filter(public_id__in=ids)
        .annotate(moves=Count("events"))
        .values_list("public_id", "status", "moves")
    )
    held = {str(public_id): (status, moves) for public_id, status, moves in rows}
    becomes, moves, open_ones = dict.fromkeys(ids, "proposed"), Counter(ids), set[str]()
    for line in sent:
        match, answer = line["about"], answered.get(line["key"])
        if match not in becomes:
            continue
        if answer is None or answer["status"] == 0:
            open_ones.add(match)  # it may have been done or not
        elif answer["status"] == 200:
            becomes[match] = answer["becomes"]
            moves[match] += 1
    for match in ids:
        status, events = held.get(match, (None, 0))
        if match in open_ones and status is not None:
            continue
        if status != becomes[match] or events < moves[match]:
            found["lost"].append(
                f"match {match}: {status} by {events}, not {becomes[match]} by {moves[match]}"
            )
        elif events > moves[match]:
            found["double"].append(f"match {match}: {events} events of {moves[match]} moves")
    _unsent(sent, set(ids), answered, found)
    _notices(set(ids), found)


def _unsent(sent: list[Line], known: set[str], answered: dict[str, Line], found: Found) -> None:
    """Matches of the clients' stalls that no acknowledged proposal made: at most one for each unanswered one.

    A proposal that was cut off after its COMMIT is replayed, so a refusal means that nothing is there.
    """
    from matching.models import Match

    made = [line for line in sent if line["what"] == "propose"]
    unanswered = Counter(
        line["about"] for line in made if not (answered.get(line["key"]) or {"status": 0})["status"]
    )
    stalls = {line["about"] for line in made}
    began = min((line["at"] for line in made), default=None)
    if began is None:
        return
    rows = Match.objects.filter(
        stall__public_id__in=stalls, created_at__gte=datetime.fromtimestamp(began, UTC)
    )
    extra = Counter(
        str(stall)
        for public_id, stall in rows.values_list("public_id", "stall__public_id")
        if str(public_id) not in known
    )
    for stall, count in (extra - unanswered).items():
        found["never_sent"].append(f"{count} matches of stall {stall}")


def _outcomes(lines: list[Line], answered: dict[str, Line], found: Found) -> None:
    """Every acknowledged figure is there, and confirmed where that was acknowledged; each told once."""
    from django.db.models import Count

    from matching.models import Outcome
    from tests.chaos.clients import FIGURES

    rows = Outcome.objects.annotate(told=Count("events")).select_related("booking")
    outcomes = {str(row.booking.public_id): row for row in rows}
    held = {booking: (row.status, row.told) for booking, row in outcomes.items()}
    moves, sent = (
        Counter[str](),
        Counter(line["about"] for line in lines if line["what"] in ("record", "confirm")),
    )
    wanted: dict[str, str] = {}
    for line in answered.values():
        if line["what"] in ("record", "confirm") and 200 <= line["status"] < 300:
            moves[line["about"]] += 1
            wanted[line["about"]] = "confirmed" if line["what"] == "confirm" else "recorded"
    for booking, count in moves.items():
        status, told = held.get(booking, (None, 0))
        if told < count or status not in (wanted[booking], "confirmed"):
            found["lost"].append(
                f"outcome of {booking}: {status} by {told}, not {wanted[booking]} by {count}"
            )
        elif told > sent[booking]:
            found["double"].append(f"outcome of {booking}: {told} events of {sent[booking]} moves")
        elif any(getattr(outcomes[booking], name) != value for name, value in FIGURES.items()):
            found["lost"].append(f"figures of {booking}")


def _lists(found: Found) -> None:
    """After the town has come to rest every stall's list was computed from the stall as it is."""
    from matching.models import RecommendationList
    from matching.snapshot.market import read_versions

    rows = RecommendationList.objects.filter(side="stall", superseded_at=None)
    held = dict(rows.values_list("subject_id", "subject_version"))
    for stall, version in zip(*(column.tolist() for column in read_versions("stall")), strict=True):
        if held.get(stall, -1) < version:
            found["undone"].append(f"list of stall {stall}: {held.get(stall)} of {version}")


def _notices(matches: set[str], found: Found) -> None:
    """Everybody who acts for the anchor was told of the proposal, and nobody of anything twice."""
    from accounts.models import Membership
    from matching.models import Match
    from notifications.models import Notice

    rows = Notice.objects.filter(subject_id__in=matches).values_list(
        "user_id", "subject_id", "topic", "facts"
    )
    told = Counter(
        (user, str(about), topic, json.dumps(facts, sort_keys=True)) for user, about, topic, facts in rows
    )
    found["double"] += [f"notice {notice}" for notice, times in told.items() if times > 1]
    heard = {
        (user, about)
        for user, about, _topic, facts in told
        if json.loads(facts).get("action", "propose") == "propose"
    }
    anchors = dict(Match.objects.filter(public_id__in=matches).values_list("public_id", "anchor_id"))
    members = Membership.objects.filter(anchor_id__in=set(anchors.values())).values_list(
        "anchor_id", "user_id"
    )
    by_anchor: dict[int, set[int]] = defaultdict(set)
    for anchor, user in members:
        by_anchor[anchor].add(user)
    for match, anchor in anchors.items():
        for user in by_anchor[anchor]:
            if (user, str(match)) not in heard:
                found["lost"].append(f"notice of match {match} to user {user}")
