"""The calendars of anchors and stalls: hours, holidays, what is booked, how full the weeks are."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from accounts.digests import digest_of
from accounts.models import Anchor, ApiToken, Holiday, Stall
from accounts.services.stalls import archive_stall
from matching.models import Booking
from matching.services.matches import approve_match, complete_match, reject_match
from matchmaker.core.weeks import town_today
from tests.factories import AnchorFactory, StallFactory, UserFactory
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, monday, session

MINE = "/api/v1/anchors/me/calendar/"
pytestmark = pytest.mark.django_db


def calendar_of(stall: Stall) -> str:
    return f"/api/v1/stalls/{stall.public_id}/calendar/"


@pytest.fixture(params=["anchor", "stall"])
def own(request, api, anchor_user, merchant_user, anchor, stall) -> tuple[Any, str, Any, str]:
    """The client, the address of its calendar, the party it belongs to, and the address of the profile."""
    if request.param == "anchor":
        return api(anchor_user), MINE, anchor, "/api/v1/anchors/me/"
    return api(merchant_user), calendar_of(stall), stall, f"/api/v1/stalls/{stall.public_id}/"


def this_monday() -> date:
    return monday(0).date()


# --- hours ------------------------------------------------------------------------------------------


def test_the_hours_are_replaced_as_a_whole(own, announced):
    client, url, party, profile = own
    calendar = {
        "weekly": {"fri": ["20:00-02:00"]},
        "exceptions": [
            {"on": f"{town_today() + timedelta(days=30)}", "hours": []},
            {"on": f"{town_today() + timedelta(days=31)}", "hours": ["9:00-10:00", "11:00-24:00"]},
        ],
    }

    assert client.put(url, calendar).status_code == 428
    answer = client.put(url, calendar, HTTP_IF_MATCH='"v1"')
    assert (answer.status_code, answer["ETag"]) == (200, '"v2"'), answer.json()
    body = answer.json()
    assert (body["weekly"]["fri"], body["weekly"]["sat"]) == (["20:00-24:00"], ["00:00-02:00"])
    assert body["exceptions"][1]["hours"] == ["09:00-10:00", "11:00-24:00"]
    read = client.get(url)
    assert (read["ETag"], read.json()) == ('"v2"', read.json() | body)
    # The same again changes nothing; dates alone are a change; the profile's ETag is the calendar's.
    assert client.put(url, body, HTTP_IF_MATCH='"v2"')["ETag"] == '"v2"'
    assert client.put(url, body | {"exceptions": []}, HTTP_IF_MATCH='"v2"')["ETag"] == '"v3"'
    assert client.get(profile)["ETag"] == '"v3"'
    assert client.put(url, body, HTTP_IF_MATCH='"v2"').status_code == 412
    side = "stall" if isinstance(party, Stall) else "anchor"
    assert announced == [(side, [party.pk])] * 2
    assert party.history.count() == 1 + 2


@pytest.mark.parametrize(
    ("calendar", "field"),
    [
        ({}, "weekly"),
        ({"weekly": {"mon": ["25:00-26:00"]}}, "weekly.mon"),
        ({"weekly": {}, "exceptions": [{"on": "2026-02-30", "hours": []}]}, "exceptions.0.on"),
        ({"weekly": {}, "exceptions": [{"on": "2199-01-01", "hours": []}]}, "exceptions.0.on"),
        ({"weekly": {}, "exceptions": [{"on": f"{town_today()}", "hours": ["22:00-02:00"]}]},
         "exceptions.0.hours"),
        ({"weekly": {}, "exceptions": [{"on": f"{town_today()}", "hours": []}] * 2}, "exceptions"),
        ({"weekly": {}, "exceptions": [{"on": f"{town_today()}"}]}, "exceptions.0"),
        ({"weekly": {}, "extra": 1}, "extra"),
        ({"weekly": {}, "sessions": []}, "sessions"),
        ({"weekly": 10**30}, "weekly"),
        ({"weekly": {"mon": ["\x00"]}}, "weekly.mon.0"),
    ],
)  # fmt: skip
def test_hours_that_are_wrong_change_nothing(own, calendar, field):
    client, url, party, _profile = own
    answer = client.put(url, calendar, HTTP_IF_MATCH="*")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]
    party.refresh_from_db()
    assert (party.version, party.exceptions.count()) == (1, 0)


def test_the_calendar_of_an_archived_stall_is_read_and_no_longer_changed(api, merchant_user, stall):
    archive_stall(actor=merchant_user, stall=stall)
    client = api(merchant_user)

    assert client.get(calendar_of(stall)).status_code == 200
    answer = client.put(calendar_of(stall), {"weekly": {}}, HTTP_IF_MATCH="*")
    assert (answer.status_code, answer.json()["code"]) == (409, "archived")


def test_a_machine_needs_the_scope_of_matches_to_see_what_is_booked(api, anchor_user, anchor):
    def machine(scope: str) -> Any:
        secret = "mmk_" + scope[0] * 43
        ApiToken.objects.create(
            user=anchor_user, name=scope, digest=digest_of(secret), prefix=secret[:12], scopes=[scope],
            expires_at=monday(2),
        )  # fmt: skip
        return api(None, HTTP_AUTHORIZATION=f"Bearer {secret}")

    assert machine("profile:read").get(MINE).status_code == 403
    assert machine("matches:read").get(MINE).status_code == 200


# --- what is booked ---------------------------------------------------------------------------------


def test_an_anchor_sees_every_place_of_her_sessions(api, anchor_user, anchor):
    mixed = session(mode="mixed", places=3)
    stalls = [make_stall(), make_stall()]
    matches = [agreed(stall, anchor, mixed) for stall in stalls]
    approve_match(actor=make_staff(), match=matches[1])

    [shown] = api(anchor_user).get(MINE).json()["sessions"]

    bookings = shown.pop("bookings")
    held = Booking.objects.get(match=matches[0]).session
    assert shown == {
        "id": str(held.public_id), "starts_at": f"{mixed.starts_at.date()}T12:00:00Z",
        "ends_at": f"{mixed.starts_at.date()}T14:00:00Z", "mode": "mixed", "places": 3, "places_used": 2,
    }  # fmt: skip
    assert [booking["match"] for booking in bookings] == [str(match.public_id) for match in matches]
    assert [booking["status"] for booking in bookings] == ["agreed", "approved"]
    zone = stalls[0].zone
    assert bookings[0]["stall"] == {
        "id": str(stalls[0].public_id), "name": stalls[0].name, "floor": 1, "number": stalls[0].number,
        "zone": {"code": zone.code, "name": zone.name_en},
    }  # fmt: skip


def test_a_stall_learns_nothing_of_the_others_in_a_mixed_session(api, merchant_user, stall, anchor):
    mixed = session(mode="mixed", places=3)
    other = make_stall(name="Secret neighbour")
    own_match, their_match = agreed(stall, anchor, mixed), agreed(other, anchor, mixed)
    sibling = agreed(StallFactory.create(merchant=stall.merchant), anchor, mixed)

    answer = api(merchant_user).get(calendar_of(stall))

    [shown] = answer.json()["sessions"]
    assert (shown["places"], shown["places_used"]) == (3, 3)
    assert shown["bookings"] == [{
        "id": str(own_match.bookings.get().public_id), "match": str(own_match.public_id), "status": "agreed",
        "anchor": {"id": str(anchor.public_id), "name": anchor.display_name},
    }]  # fmt: skip
    as_file = api(merchant_user).get(calendar_of(stall), {"format": "ics"}).content
    for hidden in (other, other.merchant, their_match, their_match.bookings.get(), sibling):
        assert str(hidden.public_id) not in answer.content.decode() + as_file.decode()
    assert b"Secret" not in answer.content + as_file


def test_a_stall_sees_its_bookings_with_every_anchor(api, merchant_user, stall):
    Stall.objects.update(hosts_at_once=2)
    stall.refresh_from_db()
    anchors = [make_anchor(), make_anchor()]
    for one in anchors:
        agreed(stall, one)

    sessions = api(merchant_user).get(calendar_of(stall)).json()["sessions"]

    names = [row["bookings"][0]["anchor"]["name"] for row in sessions]
    assert names == [one.display_name for one in anchors]


def test_what_was_released_is_gone_and_what_was_completed_stays(api, anchor_user, anchor, time_machine_at):
    staff = make_staff()
    gone, done = agreed(make_stall(), anchor, session(0)), agreed(make_stall(), anchor, session(1))
    reject_match(actor=staff, match=gone, reason_code="reject_other")
    approve_match(actor=staff, match=done)
    client = api(anchor_user)
    with time_machine_at(monday(1) + timedelta(days=3)):
        complete_match(actor=staff, match=done)
    answer = client.get(MINE).json()

    [shown] = answer["sessions"]
    assert (shown["bookings"][0]["match"], shown["bookings"][0]["status"]) == (
        str(done.public_id),
        "completed",
    )
    assert [week["used"] for week in answer["weeks"]] == [0, 1, 0, 0]


def test_weeks_tell_what_is_used_and_what_is_allowed_now(own, anchor, stall):
    client, url, party, _profile = own
    agreed(stall, anchor, session(0), session(6, 23, 3), session(0, weeks=2))
    type(party).objects.update(weekly_capacity=1)

    weeks = client.get(url).json()["weeks"]

    mondays = [f"{this_monday() + timedelta(weeks=number)}" for number in range(4)]
    assert weeks == [
        {"week_on": on, "used": used, "capacity": 1} for on, used in zip(mondays, [0, 2, 1, 0], strict=True)
    ]


def test_holidays_of_the_range_are_shown_in_the_askers_language(own, api):
    client, url, _party, _profile = own
    on = this_monday() + timedelta(days=9)
    Holiday.objects.create(
        on=on, name_zh="国庆节", name_en="National Day", hours="0" * 9 + "1" * 3 + "0" * 12
    )
    Holiday.objects.create(on=on + timedelta(weeks=20), name_zh="春节", name_en="Spring Festival")

    assert client.get(url).json()["holidays"] == [
        {"on": f"{on}", "name": "National Day", "hours": ["09:00-12:00"]}
    ]
    client.credentials(**client._credentials | {"HTTP_ACCEPT_LANGUAGE": "zh-hans"})
    assert client.get(url).json()["holidays"][0]["name"] == "国庆节"


# --- which dates ------------------------------------------------------------------------------------


def test_the_coming_four_weeks_are_shown_until_others_are_asked_for(own):
    client, url, _party, _profile = own

    def range_of(**query: Any) -> list[date]:
        body = client.get(url, query).json()
        return [date.fromisoformat(body[name]) for name in ("starts_on", "ends_on")]

    begin = this_monday()
    assert range_of() == [begin, begin + timedelta(days=27)]
    assert range_of(**{"from": "2026-10-07"}) == [date(2026, 10, 7), date(2026, 11, 3)]
    assert range_of(to=f"{begin}") == [begin, begin]
    assert range_of(**{"from": "2026-01-01", "to": "2026-07-01"}) == [date(2026, 1, 1), date(2026, 7, 1)]


def test_a_session_that_touches_the_dates_is_shown(api, anchor_user, anchor):
    agreed(make_stall(), anchor, session(6, 23, 3))
    client = api(anchor_user)
    sunday = monday(2).date() - timedelta(days=1)
    days = [f"{sunday + timedelta(days=number)}" for number in (-1, 0, 1, 2)]
    found = [len(client.get(MINE, {"from": day, "to": day}).json()["sessions"]) for day in days]
    assert found == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ({"from": "tomorrow"}, "from", "YYYY-MM-DD"),
        ({"from": "2026-02-30"}, "from", "YYYY-MM-DD"),
        ({"from": "20261001"}, "from", "YYYY-MM-DD"),
        ({"from": "2026-W01-1"}, "from", "YYYY-MM-DD"),
        ({"from": ""}, "from", "YYYY-MM-DD"),
        ({"from": "2026-10-01\x00"}, "from", "YYYY-MM-DD"),
        ({"to": "9" * 5000}, "to", "YYYY-MM-DD"),
        ({"from": "9999-12-31"}, "from", "1970 to 2200"),
        ({"to": "0001-01-01"}, "to", "1970 to 2200"),
        ({"from": "2026-10-02", "to": "2026-10-01"}, "to", "from 2026-10-02 to 2027-04-01"),
        ({"from": "2026-01-01", "to": "2026-07-02"}, "to", "at most 26 weeks"),
        ({"fromm": "2026-01-01"}, "fromm", "Did you mean from?"),
        ({"cursor": "x"}, "cursor", "no such field"),
        ({"format": "xml"}, "format", "json, ics"),
        ({"format": ""}, "format", "json, ics"),
    ],
)
def test_dates_that_are_wrong_are_told_what_would_be_right(own, query, field, told):
    client, url, _party, _profile = own
    for accept in ("application/json", "text/calendar"):
        answer = client.get(url, query, HTTP_ACCEPT=accept)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
        assert list(answer.json()["fields"]) == [field]
        assert told in json.dumps(answer.json()["fields"][field])


def test_a_parameter_that_is_given_twice_is_refused(api, anchor_user, anchor):
    answer = api(anchor_user).get(f"{MINE}?from=2026-10-01&from=2026-10-02")

    assert list(answer.json()["fields"]) == ["from"]


def test_both_ends_of_what_may_be_asked_for(own):
    client, url, _party, _profile = own
    assert client.get(url, {"from": "1970-01-01", "to": "1970-01-01"}).status_code == 200
    assert client.get(url, {"from": "2200-12-31"}).status_code == 200


# --- who, and at what price -------------------------------------------------------------------------


def test_a_stranger_finds_no_calendar_and_changes_none(api, stall, other_merchant_user, anchor_user):
    for user in (other_merchant_user, anchor_user, make_staff()):
        client = api(user)
        assert client.get(calendar_of(stall)).status_code == 404
        assert client.put(calendar_of(stall), {"weekly": {}}, HTTP_IF_MATCH="*").status_code == 404
    stall.refresh_from_db()
    assert stall.version == 1
    assert api(UserFactory.create()).get(MINE).json()["code"] == "no_party"


def test_who_acts_for_two_anchors_names_one(api, anchor_user, anchor):
    other: Anchor = AnchorFactory.create(owner=anchor_user)
    agreed(make_stall(), other)
    client = api(anchor_user)

    assert client.get(MINE).json()["code"] == "party_ambiguous"
    assert len(client.get(MINE, HTTP_X_PARTY=str(other.public_id)).json()["sessions"]) == 1
    assert client.get(MINE, HTTP_X_PARTY=str(anchor.public_id)).json()["sessions"] == []


@pytest.mark.parametrize("kind", ["json", "ics"])
def test_a_calendar_costs_the_same_for_few_sessions_and_for_many(
    own, anchor, stall, kind, django_assert_max_num_queries
):
    client, url, party, _profile = own
    type(party).objects.update(weekly_capacity=50)
    party.refresh_from_db()
    costs = []
    for day in (0, 3):
        for number in range(3):
            partner = make_anchor() if isinstance(party, Stall) else make_stall()
            pair = (party, partner) if isinstance(party, Stall) else (partner, party)
            agreed(*pair, session(day + number, 10, 1), session(day + number, 12, 1, mode="mixed", places=2))
        client.get(url, {"format": kind})  # reference data
        with django_assert_max_num_queries(6) as captured:
            client.get(url, {"format": kind})
        costs.append(len(captured))
    assert costs[0] == costs[1]
