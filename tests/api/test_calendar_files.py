"""Calendars as iCalendar files: what another program reads in them, whatever people called themselves."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from icalendar import Calendar, Event

from accounts.models import Anchor, Stall
from matching.services.matches import approve_match, complete_match
from matchmaker.core.weeks import TOWN_ZONE
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, monday, session

MINE = "/api/v1/anchors/me/calendar/"
pytestmark = pytest.mark.django_db
HOSTILE = (
    "A,B;C:D\\E",
    "line\r\nEND:VEVENT\r\nEND:VCALENDAR\r\nBEGIN:VCALENDAR",
    "BEGIN:VEVENT",
    "x\nATTENDEE:mailto:a@b.example",
    "\u2028BEGIN:VEVENT\u2029\x85\x0b\x0c\x1c",
    "lone \r return",
    '"quoted";VALUE=URI:http://evil.example',
    "\\n\\N\\,",
    "花样年华档口" * 15,
    "=cmd|'/c calc'!A1",
    "‮gnihton",
)


def read(answer: Any) -> tuple[Calendar, list[Event]]:
    assert answer.status_code == 200, answer.content
    calendar = Calendar.from_ical(answer.content)
    return calendar, [part for part in calendar.walk("VEVENT") if isinstance(part, Event)]


@pytest.mark.parametrize(
    ("query", "accept"),
    [({"format": "ics"}, "*/*"), ({"format": "ics"}, "application/json"), ({}, "text/calendar"),
     ({}, "text/calendar, */*;q=0.1")],
)  # fmt: skip
def test_the_same_address_answers_with_a_file(api, anchor_user, anchor, query, accept):
    answer = api(anchor_user).get(MINE, query, HTTP_ACCEPT=accept)

    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="calendar-{anchor.public_id}.ics"'
    assert "Accept" in answer["Vary"].split(", ") and answer["Cache-Control"] == "private, no-store"
    calendar, events = read(answer)
    assert events == [] and calendar["VERSION"] == "2.0" and calendar["PRODID"]
    assert calendar.walk("VTIMEZONE"), "a calendar without any component is none"


def test_json_stays_what_is_answered_to_who_does_not_ask(api, anchor_user, anchor):
    for query, accept in (({}, "*/*"), ({"format": "json"}, "text/calendar"), ({}, "application/json")):
        answer = api(anchor_user).get(MINE, query, HTTP_ACCEPT=accept)
        assert answer["Content-Type"] == "application/json"
        assert "Content-Disposition" not in answer


def test_an_event_tells_when_where_with_whom_and_how_sure_it_is(api, anchor_user, anchor):
    stall = make_stall(name="Blossom", floor=2, number="A12")
    match = agreed(stall, anchor, session(hour=20, length=3))
    booking = match.bookings.get()

    calendar, [event] = read(api(anchor_user).get(MINE, {"format": "ics"}))

    assert str(calendar["X-WR-CALNAME"]) == anchor.display_name
    assert str(event["UID"]) == str(booking.public_id)
    assert event.start == session(hour=20).starts_at and event.end - event.start == timedelta(hours=3)
    assert event["DTSTART"].params["TZID"] == TOWN_ZONE.key
    assert event["DTSTAMP"].dt == match.updated_at.replace(microsecond=0).astimezone(UTC)
    assert str(event["SUMMARY"]) == "Live session at Blossom"
    assert str(event["LOCATION"]) == f"{stall.zone.name_en}, floor 2, A12"
    assert str(event["STATUS"]) == "TENTATIVE"
    assert "exclusive session" in event["DESCRIPTION"] and "agreed" in event["DESCRIPTION"]
    assert int(event["SEQUENCE"]) == match.version


def test_a_stall_reads_who_comes(api, merchant_user, stall, anchor):
    agreed(stall, anchor)
    _calendar, [event] = read(
        api(merchant_user).get(f"/api/v1/stalls/{stall.public_id}/calendar/?format=ics")
    )

    assert str(event["SUMMARY"]) == f"Live session with {anchor.display_name}"
    assert str(event["LOCATION"]).endswith(f"floor 2, {stall.number}")


def test_a_move_keeps_the_event_and_raises_its_number(api, anchor_user, anchor, time_machine_at):
    match = agreed(make_stall(), anchor)
    client, staff = api(anchor_user), make_staff()

    def event() -> Event:
        return read(client.get(MINE, {"format": "ics"}))[1][0]

    seen = [event()]
    approve_match(actor=staff, match=match)
    seen.append(event())
    with time_machine_at(monday(1) + timedelta(days=2)):
        complete_match(actor=staff, match=match)
    seen.append(event())

    assert [str(one["STATUS"]) for one in seen] == ["TENTATIVE", "CONFIRMED", "CONFIRMED"]
    assert len({str(one["UID"]) for one in seen}) == 1
    numbers = [int(one["SEQUENCE"]) for one in seen]
    assert numbers == sorted(set(numbers))
    assert seen[0]["DTSTAMP"].dt <= seen[1]["DTSTAMP"].dt <= seen[2]["DTSTAMP"].dt


def test_a_mixed_session_is_an_event_for_every_stall(api, anchor_user, anchor):
    mixed = session(mode="mixed", places=2)
    stalls = [make_stall(), make_stall()]
    for stall in stalls:
        agreed(stall, anchor, mixed)

    _calendar, events = read(api(anchor_user).get(MINE, {"format": "ics"}))

    assert {str(event["SUMMARY"]) for event in events} == {
        f"Live session at {stall.name}" for stall in stalls
    }
    assert len({str(event["UID"]) for event in events}) == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_the_file(api, merchant_user, anchor_user, stall, anchor, name):
    Stall.objects.update(name=name)
    Anchor.objects.update(display_name=name[:60])
    agreed(stall, anchor)
    number = stall.number

    for user, url in ((anchor_user, MINE), (merchant_user, f"/api/v1/stalls/{stall.public_id}/calendar/")):
        answer = api(user).get(url, {"format": "ics"})
        calendar, [event] = read(answer)
        assert [part.name for part in calendar.walk()] == [
            "VCALENDAR", "VTIMEZONE", "STANDARD", "VEVENT",
        ]  # fmt: skip
        assert set(event) == {
            "UID", "SEQUENCE", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "LOCATION", "DESCRIPTION", "STATUS",
        }  # fmt: skip
        assert str(event["LOCATION"]).endswith(number)
        for line in answer.content.split(b"\r\n"):
            assert len(line) <= 75 and b"\n" not in line and b"\r" not in line
            assert not {char for char in line.decode("utf-8") if ord(char) < 32}
        # Others read line by line with Python's own idea of a line.
        assert len(answer.content.decode().splitlines()) == answer.content.count(b"\r\n")
        starts = [line.split(":")[0].split(";")[0] for line in answer.content.decode().splitlines()]
        assert starts.count("BEGIN") == 4 and "ATTENDEE" not in starts


def test_signs_of_the_format_are_read_back_as_they_were_written(api, anchor_user, anchor):
    agreed(make_stall(name="A,B;C:D\\E 花"), anchor)

    _calendar, [event] = read(api(anchor_user).get(MINE, {"format": "ics"}))

    assert str(event["SUMMARY"]) == "Live session at A,B;C:D\\E 花"


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"path": "/api/v1/stalls/00000000-0000-4000-8000-000000000000/calendar/"}, 404, "no_stall"),
        ({"data": {"from": "x"}}, 400, "invalid_input"),
        ({"HTTP_X_PARTY": "x"}, 400, "invalid_party"),
    ],
)
def test_refusals_stay_problems_whatever_was_accepted(api, anchor_user, anchor, asked, status, code):
    for extra in ({"HTTP_ACCEPT": "text/calendar"}, {}):
        request = {"path": MINE, "data": {}} | asked | extra
        if "HTTP_ACCEPT" not in request:
            request["data"] = request["data"] | {"format": "ics"}
        answer = api(anchor_user).get(**request)
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
        assert answer.json()["code"] == code
    assert api(None).get(MINE, {"format": "ics"})["Content-Type"] == "application/problem+json"


def test_only_reading_speaks_icalendar(api, anchor_user, anchor):
    client = api(anchor_user)

    assert client.head(MINE, {"format": "ics"}).status_code == 200
    for method in (client.put, client.options, client.delete):
        answer = method(MINE, {"weekly": {}}, HTTP_ACCEPT="text/calendar", HTTP_IF_MATCH="*")
        assert answer.status_code in (405, 406) and answer["Content-Type"] == "application/problem+json"
        assert "text/calendar" not in str(answer.json()["fields"])
    assert client.put(f"{MINE}?format=ics", {"weekly": {}}, HTTP_IF_MATCH="*").status_code == 400
    anchor.refresh_from_db()
    assert anchor.version == 1


def test_the_schema_declares_both_kinds(api):
    paths = api(None).get("/api/v1/schema/", HTTP_ACCEPT="application/json").json()["paths"]
    for path in ("anchors/me/calendar/", "stalls/{stall_id}/calendar/"):
        operations = paths[f"/api/v1/{path}"]
        assert set(operations["get"]["responses"]["200"]["content"]) == {"application/json", "text/calendar"}
        assert set(operations["put"]["responses"]["200"]["content"]) == {"application/json"}
        names = {
            parameter["name"] for parameter in operations["get"]["parameters"] if parameter["in"] == "query"
        }
        assert names == {"from", "to", "format"}


def test_two_sides_of_one_booking_read_one_event(api, anchor_user, merchant_user, stall, anchor):
    agreed(stall, anchor)
    agreed(make_stall(), make_anchor())
    mine = read(api(anchor_user).get(MINE, {"format": "ics"}))[1]
    theirs = read(api(merchant_user).get(f"/api/v1/stalls/{stall.public_id}/calendar/?format=ics"))[1]

    assert [str(event["UID"]) for event in mine] == [str(event["UID"]) for event in theirs]
