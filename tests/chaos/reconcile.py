"""Journal against database, both ways: what was acknowledged is there once, what is there was sent."""

import json
from collections import Counter, defaultdict
from typing import Any

Line = dict[str, Any]


def reconcile(lines: list[Line]) -> dict[str, Any]:
    """What was lost, what is there twice, and what nobody sent; Django has to be set up."""
    found: dict[str, list[str]] = {"lost": [], "double": [], "never_sent": [], "undone": []}
    sent = [line for line in lines if line["kind"] == "sent"]
    answered = {line["key"]: line for line in lines if line["kind"] == "answered"}
    _registrations(sent, answered, found)
    _edits(lines, found)
    _proposals(sent, answered, found)
    _lists(found)
    acknowledged = sum(200 <= line["status"] < 300 for line in answered.values())
    return {
        "sent": len(sent),
        "acknowledged": acknowledged,
        "unanswered": sum(line["status"] == 0 for line in answered.values()),
        "answers": dict(Counter(f"{line['what']} {line['status']}" for line in answered.values())),
        "at_most_lost_share": round(3.0 / acknowledged, 6) if acknowledged else None,
        **{kind: {"count": len(what), "first": what[:20]} for kind, what in found.items()},
    }


def _registrations(sent: list[Line], answered: dict[str, Line], found: dict[str, list[str]]) -> None:
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


def _edits(lines: list[Line], found: dict[str, list[str]]) -> None:
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
    for public_id, moq, version in Stall.objects.filter(public_id__in=list(told)).values_list(*columns):
        stall, changes = str(public_id), version - began[str(public_id)]
        if moq not in possible[stall]:
            found["lost"].append(f"edit of stall {stall}: {moq}, not of {sorted(possible[stall])}")
        if changes < told[stall]:
            found["lost"].append(f"{told[stall] - changes} edits of stall {stall}")
        if changes > sent[stall]:
            found["double"].append(f"{changes - sent[stall]} edits of stall {stall}")


def _proposals(sent: list[Line], answered: dict[str, Line], found: dict[str, list[str]]) -> None:
    from matching.models import Match

    told = [line for line in answered.values() if line["what"] == "propose" and line["status"] == 201]
    status = {str(i): s for i, s in Match.objects.values_list("public_id", "status")}
    found["lost"] += [f"match {line['id']}" for line in told if line["id"] not in status]
    ids = Counter(line["id"] for line in told)
    found["double"] += [f"match {match} told {times} times" for match, times in ids.items() if times > 1]
    for line in answered.values():
        if line["what"] == "withdraw" and line["status"] == 200 and status.get(line["about"]) != "withdrawn":
            found["lost"].append(f"withdrawal of {line['about']}: {status.get(line['about'])}")
    _notices(set(ids), found)


def _lists(found: dict[str, list[str]]) -> None:
    """After the town has come to rest every stall's list was computed from the stall as it is."""
    from matching.models import RecommendationList
    from matching.snapshot.market import read_versions

    rows = RecommendationList.objects.filter(side="stall", superseded_at=None)
    held = dict(rows.values_list("subject_id", "subject_version"))
    for stall, version in zip(*(column.tolist() for column in read_versions("stall")), strict=True):
        if held.get(stall, -1) < version:
            found["undone"].append(f"list of stall {stall}: {held.get(stall)} of {version}")


def _notices(matches: set[str], found: dict[str, list[str]]) -> None:
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
    heard = {(user, about) for user, about, _topic, _facts in told}
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
