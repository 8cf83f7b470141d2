"""notifications/: list, count, read; by everybody who may and may not."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.choices import Scope
from accounts.digests import digest_of
from accounts.models import ApiToken
from notifications.models import Notice
from tests.admin.conftest import compiled_words  # noqa: F401 (a fixture)
from tests.matching.life import deliver
from tests.matching.market import agreed, make_stall, proposed

URL = "/api/v1/notifications/"
READ = f"{URL}read/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def match(stall, anchor):
    """A proposal of the stall to the anchor, and the news of it."""
    match = proposed(stall, anchor)
    deliver()
    return match


def test_the_one_who_has_to_answer_is_told(api, anchor_user, stall, anchor, match):
    page = api(anchor_user).get(URL).json()
    (notice,) = page["results"]
    assert page["unread"] == 1 and page["next"] is None
    assert (notice["topic"], notice["subject"]) == ("match", str(match.public_id))
    assert notice["title"] == f"{stall.name} proposes a match"
    assert notice["body"].startswith(f"Proposed to {anchor.display_name}. Please answer by ")
    facts = notice["facts"]
    assert (facts["action"], facts["by"], facts["as"], facts["to"]) == (
        "propose",
        "stall",
        "anchor",
        "proposed",
    )
    assert notice["read_at"] is None and set(notice) == {
        "id", "topic", "subject", "facts", "title", "body", "created_at", "read_at",
    }  # fmt: skip


def test_in_the_language_of_the_request(compiled_words, api, anchor_user, stall, match):  # noqa: F811
    (notice,) = api(anchor_user, HTTP_ACCEPT_LANGUAGE="zh-hans").get(URL).json()["results"]
    assert notice["title"] == f"{stall.name} 发起合作"
    assert "前答复" in notice["body"]


def test_others_hear_nothing(api, merchant_user, other_merchant_user, staff_user, match):
    for user in (merchant_user, other_merchant_user, staff_user):
        assert api(user).get(URL).json() == {"next": None, "previous": None, "results": [], "unread": 0}


def test_staff_hear_of_what_they_may_decide(api, staff_user, stall, anchor):
    agreed(stall, anchor)
    deliver()
    (notice,) = api(staff_user).get(URL).json()["results"]
    assert notice["title"] == f"Waits for approval: {stall.name} – {anchor.display_name}"


def test_nobody_unknown_is_let_in(api, match):
    assert api(None).get(URL).status_code == 401
    assert api(None).post(READ, {"ids": []}).status_code == 401


@pytest.mark.parametrize(
    ("scope", "lists", "marks"),
    [(Scope.MATCHES_READ, 200, 403), (Scope.MATCHES_WRITE, 403, 200), (Scope.PROFILE_WRITE, 403, 403)],
)
def test_a_machine_needs_the_scope_of_matches(api, anchor_user, match, scope, lists, marks):
    token = "mmk_" + "n" * 43
    ApiToken.objects.create(
        user=anchor_user,
        name="n",
        digest=digest_of(token),
        prefix=token[:12],
        scopes=[scope],
        expires_at=timezone.now() + timedelta(days=1),
    )
    machine = api(None, HTTP_AUTHORIZATION=f"Bearer {token}")
    assert machine.get(URL).status_code == lists
    assert machine.post(READ, {"ids": []}).status_code == marks


def test_pages_are_newest_first_and_the_count_is_of_all(api, anchor_user, anchor):
    for _number in range(5):
        proposed(make_stall(), anchor)
    deliver()
    client = api(anchor_user)
    seen, address = [], f"{URL}?page_size=2"
    while address:
        page = client.get(address).json()
        assert page["unread"] == 5
        seen += [notice["id"] for notice in page["results"]]
        address = page["next"]
    newest = Notice.objects.filter(user=anchor_user).order_by("-pk").values_list("public_id", flat=True)
    assert seen == [str(public_id) for public_id in newest]


def test_only_what_is_unread(api, anchor_user, anchor):
    for _number in range(3):
        proposed(make_stall(), anchor)
    deliver()
    client = api(anchor_user)
    ids = [notice["id"] for notice in client.get(URL).json()["results"]]
    assert client.post(READ, {"ids": ids[:1]}).json() == {"read": 1, "unread": 2}
    for query, expected in (("unread=1", ids[1:]), ("unread=true", ids[1:]), ("unread=false", ids[:1])):
        page = client.get(f"{URL}?{query}").json()
        assert [notice["id"] for notice in page["results"]] == expected and page["unread"] == 2


def test_reading_twice_is_harmless(api, anchor_user, match):
    client = api(anchor_user)
    (notice,) = client.get(URL).json()["results"]
    assert client.post(READ, {"all_up_to": notice["id"]}).json() == {"read": 1, "unread": 0}
    (after,) = client.get(URL).json()["results"]
    assert client.post(READ, {"all_up_to": notice["id"]}).json() == {"read": 0, "unread": 0}
    assert client.post(READ, {"ids": [notice["id"]]}).json() == {"read": 0, "unread": 0}
    assert client.get(URL).json()["results"] == [after] and after["read_at"]


def test_a_repeat_by_key_gets_the_same_answer(api, anchor_user, match):
    client = api(anchor_user)
    (notice,) = client.get(URL).json()["results"]
    answers = [
        client.post(READ, {"ids": [notice["id"]]}, headers={"Idempotency-Key": "k"}) for _again in range(2)
    ]
    assert answers[0].json() == answers[1].json() == {"read": 1, "unread": 0}
    assert answers[1]["Idempotency-Replayed"] == "true"


def test_notices_of_others_are_as_if_they_were_not_there(api, merchant_user, anchor_user, match):
    theirs, nobodys = str(Notice.objects.get(user=anchor_user).public_id), str(uuid4())
    client = api(merchant_user)
    by_ids = [client.post(READ, {"ids": [notice]}) for notice in (theirs, nobodys)]
    assert [answer.json() for answer in by_ids] == [{"read": 0, "unread": 0}] * 2
    up_to = [client.post(READ, {"all_up_to": notice}) for notice in (theirs, nobodys)]
    assert [answer.status_code for answer in up_to] == [404, 404]
    assert {answer.json()["code"] for answer in up_to} == {"no_such_notice"}
    assert Notice.objects.get(user=anchor_user).read_at is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("unread=maybe", "unread"),
        ("unread=", "unread"),
        ("unread=%00", "unread"),
        ("unread=1&unread=0", "unread"),
        ("page_size=0", "page_size"),
        ("page_size=99999999999999999999", "page_size"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        ("user=1", "user"),
    ],
)
def test_a_bad_query_names_what_is_wrong(api, anchor_user, match, query, field):
    answer = api(anchor_user).get(f"{URL}?{query}")
    assert answer.status_code == 400 and field in answer.json()["fields"], answer.json()


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "x",
        {"ids": "x"},
        {"ids": None},
        {"ids": [None]},
        {"ids": ["1"]},
        {"ids": ["\x00" * 36]},
        {"ids": [2**200]},
        {"ids": [-1]},
        {"ids": [1.5]},
        {"ids": [[str(uuid4())]]},
        {"ids": {"0": {"a": 1}}},
        {"ids": [str(uuid4()) for _number in range(101)]},
        {"all_up_to": "now"},
        {"all_up_to": 2**200},
        {"all_up_to": None},
        {"all_up_to": ["x"]},
        {"ids": [], "all_up_to": str(uuid4())},
        {"all": True},
        {"ids": [], "user": 1},
    ],
)
def test_a_bad_body_is_a_400_and_marks_nothing(api, anchor_user, match, body):
    answer = api(anchor_user).post(READ, body)
    assert answer.status_code == 400 and answer.json()["fields"], answer.json()
    assert Notice.objects.get(user=anchor_user).read_at is None


def test_a_hundred_are_marked_at_once(api, anchor_user):
    rows = [Notice(user=anchor_user, key=str(number), topic="match", facts={}) for number in range(100)]
    Notice.objects.bulk_create(rows)
    ids = [str(row.public_id) for row in Notice.objects.all()]
    assert api(anchor_user).post(READ, {"ids": ids}).json() == {"read": 100, "unread": 0}


def test_a_topic_that_is_no_longer_known_is_shown_as_such(api, anchor_user, match):
    Notice.objects.create(user=anchor_user, key="old", topic="retired", facts={"action": "x"})
    Notice.objects.create(user=anchor_user, key="odd", topic="match", facts={"action": "teleport"})
    titles = [notice["title"] for notice in api(anchor_user).get(URL).json()["results"]]
    assert titles[:2] == ["News", "News"] and titles[2] != "News"


def test_a_page_costs_the_same_whatever_it_holds(api, anchor_user, anchor, django_assert_max_num_queries):
    client = api(anchor_user)

    def cost():
        client.get(URL)
        with django_assert_max_num_queries(7) as captured:
            assert client.get(f"{URL}?page_size=100").json()["results"]
        return len(captured)

    agreed(make_stall(), anchor)
    deliver()
    few = cost()
    for _number in range(5):
        proposed(make_stall(), anchor)
    deliver()
    assert cost() == few


def test_marking_costs_the_same_for_one_and_for_many(api, anchor_user, anchor, django_assert_max_num_queries):
    for _number in range(6):
        proposed(make_stall(), anchor)
    deliver()
    client = api(anchor_user)
    ids = [notice["id"] for notice in client.get(URL).json()["results"]]
    for body in ({"ids": ids[:1]}, {"ids": ids}, {"all_up_to": ids[0]}):
        with django_assert_max_num_queries(5):
            assert client.post(READ, body).status_code == 200
