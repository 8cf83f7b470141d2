"""matches/{id}/events/: who reads what happened, in which order and language, and who takes a note back."""

import uuid

import pytest
from django.utils import timezone

from accounts.models import ReasonCode
from matching.models import MatchEvent, Note
from matching.selectors.chains import ALL_CHECKS, violations
from matching.services.events import hash_of
from matching.services.matches import accept_match, counter_match, reject_match
from tests.factories import UserFactory
from tests.matching.market import proposed, session, terms

URL = "/api/v1/matches/"
pytestmark = pytest.mark.django_db


def url_of(match):
    return f"{URL}{match.public_id}/events/"


def note_of(match, seq):
    return f"{url_of(match)}{seq}/note/"


@pytest.fixture
def match(stall, anchor, merchant_user, anchor_user, staff_user):
    """Rejected after four moves, three of them with a note."""
    match = proposed(stall, anchor, note="For the autumn")
    other = terms(session(2))
    match = counter_match(actor=anchor_user, match=match, terms=other, note="Better on Wednesday")
    match = accept_match(actor=merchant_user, match=match)
    return reject_match(
        actor=staff_user, match=match, reason_code="reject_other", note="A secret of the office"
    )


def read(client, url):
    answer = client.get(url)
    assert answer.status_code == 200, answer.data
    return answer.json()["results"]


def test_the_chain_is_read_oldest_first(api, merchant_user, match):
    rows = read(api(merchant_user), url_of(match))
    assert [(row["seq"], row["action"], row["actor_role"]) for row in rows] == [
        (1, "propose", "stall"),
        (2, "counter", "anchor"),
        (3, "accept", "stall"),
        (4, "reject", "staff"),
    ]
    states = [(row["from_status"], row["to_status"], row["awaiting"]) for row in rows]
    assert states == [
        ("", "proposed", "anchor"),
        ("proposed", "proposed", "stall"),
        ("proposed", "agreed", ""),
        ("agreed", "rejected", ""),
    ]
    assert rows[0]["terms_digest"] != rows[1]["terms_digest"] == match.terms.digest
    assert [row["prev_hash"] for row in rows] == ["", *(row["hash"] for row in rows[:-1])]
    events = MatchEvent.objects.filter(match=match)
    assert [row["hash"] for row in rows] == [hash_of(event, match) for event in events]
    assert set(rows[0]) == {
        *("seq", "action", "from_status", "to_status", "awaiting", "actor_role", "reason_code"),
        *("reason_name", "terms_digest", "note", "note_erased_at", "at", "prev_hash", "hash"),
    }


def test_the_reason_speaks_the_language_of_the_asker(api, anchor_user, match):
    reason = ReasonCode.objects.get(code="reject_other")
    ReasonCode.objects.update(is_retired=True)
    english = read(api(anchor_user), url_of(match))
    chinese = read(api(anchor_user, HTTP_ACCEPT_LANGUAGE="zh-hans"), url_of(match))
    assert [row["reason_name"] for row in english] == ["", "", "", reason.name_en]
    assert chinese[-1]["reason_name"] == reason.name_zh != reason.name_en


def test_notes_of_staff_are_for_staff(api, merchant_user, anchor_user, staff_user, match):
    shown = ["For the autumn", "Better on Wednesday", ""]
    for user in (merchant_user, anchor_user):
        assert [row["note"] for row in read(api(user), url_of(match))] == [*shown, ""]
    assert [row["note"] for row in read(api(staff_user), url_of(match))] == [*shown, "A secret of the office"]


def test_who_sees_the_match_sees_its_events(api, other_merchant_user, other_anchor_user, match):
    for user in (other_merchant_user, other_anchor_user, UserFactory.create(is_staff=True)):
        assert api(user).get(url_of(match)).status_code == 404
        assert api(user).delete(note_of(match, 1)).status_code == 404
    assert api(None).get(url_of(match)).status_code == 401
    assert api(None).delete(note_of(match, 1)).status_code == 401
    assert api(other_anchor_user).get(f"{URL}{uuid.uuid4()}/events/").status_code == 404


def test_pages_stay_put_while_the_chain_grows(api, merchant_user, anchor_user, stall, anchor):
    match = proposed(stall, anchor)
    for turn, actor in enumerate((anchor_user, merchant_user), start=1):
        match = counter_match(actor=actor, match=match, terms=terms(session(turn)))
    client = api(merchant_user)
    first = client.get(f"{url_of(match)}?page_size=2").json()
    counter_match(actor=anchor_user, match=match, terms=terms(session(4)))
    second = client.get(first["next"]).json()
    assert [row["seq"] for row in first["results"] + second["results"]] == [1, 2, 3, 4]
    assert second["next"] is None
    assert [row["seq"] for row in client.get(second["previous"]).json()["results"]] == [1, 2]


@pytest.mark.parametrize("query", ["order=desc", "page_size=0", "page_size=101", "cursor=abc", "seq=1"])
def test_what_is_wrong_with_a_query_is_named(api, merchant_user, match, query):
    answer = api(merchant_user).get(f"{url_of(match)}?{query}")
    assert answer.status_code == 400 and query.split("=")[0] in answer.json()["fields"]


def test_reading_costs_the_same_whatever_the_length(
    api, merchant_user, match, stall, other_anchor, django_assert_num_queries
):
    short = proposed(stall, other_anchor)
    client = api(merchant_user)
    read(client, url_of(match))
    # Token, memberships for the match and for the reader, match, events; names of reasons if there are any.
    with django_assert_num_queries(5):
        assert len(read(client, url_of(short))) == 1
    with django_assert_num_queries(6):
        assert len(read(client, url_of(match))) == 4


# --- notes -----------------------------------------------------------------------------------------


def test_an_author_takes_a_note_back(api, merchant_user, anchor_user, staff_user, match):
    client = api(merchant_user)
    before = [(row["seq"], row["hash"]) for row in read(client, url_of(match))]
    assert client.delete(note_of(match, 1)).status_code == 204
    erased = Note.objects.get(author=merchant_user)
    assert (erased.text, erased.erased_at is None) == ("", False)
    for user in (merchant_user, anchor_user, staff_user):
        rows = read(api(user), url_of(match))
        assert (rows[0]["note"], rows[1]["note"]) == ("", "Better on Wednesday")
        assert rows[0]["note_erased_at"] and rows[1]["note_erased_at"] is None
        assert [(row["seq"], row["hash"]) for row in rows] == before
        detail = api(user).get(f"{URL}{match.public_id}/").json()["events"][0]
        assert detail["note"] == "" and detail["note_erased_at"] == rows[0]["note_erased_at"]
    assert client.delete(note_of(match, 1)).status_code == 204, "twice is harmless"
    assert Note.objects.get(pk=erased.pk).erased_at == erased.erased_at
    assert not list(violations(type(match).objects.all(), *ALL_CHECKS))


def test_the_note_of_another_stays(api, merchant_user, anchor_user, staff_user, match):
    answer = api(anchor_user).delete(note_of(match, 1))
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert api(staff_user).delete(note_of(match, 1)).status_code == 403
    # Of what they cannot see, the sides do not learn that it is there; its author takes it back.
    assert api(merchant_user).delete(note_of(match, 4)).status_code == 404
    assert api(staff_user).delete(note_of(match, 4)).status_code == 204
    assert set(Note.objects.exclude(text="").values_list("text", flat=True)) == {
        "For the autumn",
        "Better on Wednesday",
    }


@pytest.mark.parametrize("seq", ["3", "5", "0", "-1", "x", "9" * 20, "9" * 5000, "1%00"])
def test_a_note_that_is_not_there(api, merchant_user, match, seq):
    assert api(merchant_user).delete(note_of(match, seq)).status_code == 404
    assert not Note.objects.filter(erased_at__lte=timezone.now()).exists()
