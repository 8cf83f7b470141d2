"""matches/: propose, list, read, accept, decline, by everybody who may and may not."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.choices import Scope
from accounts.digests import digest_of
from accounts.models import Anchor, ApiToken, Membership
from matching.choices import Side
from matching.models import Booking, Match, MatchEvent
from matching.services.matches import approve_match, reject_match
from matching.tokens import make_suggestion_id
from tests.factories import AnchorFactory, StallFactory, UserFactory
from tests.matching.market import agreed, proposed, session

URL = "/api/v1/matches/"
pytestmark = pytest.mark.django_db


def wanted_session(**changes):
    wanted = session(weeks=1)
    body = {"starts_at": wanted.starts_at.isoformat(), "ends_at": wanted.ends_at.isoformat()}
    return body | changes


def body_for(stall, anchor, **changes):
    terms = {
        "commission_rate": "0.2000",
        "cooperation_mode": "creator_broadcast",
        "sessions": [wanted_session()],
    }
    return {"stall": str(stall.public_id), "anchor": str(anchor.public_id), "terms": terms} | changes


def url_of(match, move=""):
    return f"{URL}{match.public_id}/{move}"


@pytest.fixture
def match(stall, anchor):
    return proposed(stall, anchor)


# --- proposing -------------------------------------------------------------------------------------


def test_a_stall_proposes_by_suggestion(api, merchant_user, stall, anchor):
    body = body_for(stall, anchor, note="For the autumn")
    del body["stall"], body["anchor"]
    body["suggestion"] = make_suggestion_id(Side.STALL, stall.public_id, anchor.public_id)
    answer = api(merchant_user).post(URL, body)
    assert answer.status_code == 201, answer.data
    data = answer.json()
    assert answer["Location"] == f"{URL}{data['id']}/"
    assert (data["status"], data["awaiting"], data["side"]) == ("proposed", "anchor", "stall")
    assert data["anchor"]["id"] == str(anchor.public_id) and data["contact"] is None
    assert data["terms"]["commission_rate"] == "0.2000" and data["terms"]["slot_fee_cents"] == 0
    assert data["allowed_actions"] == ["withdraw"] and data["events"][0]["note"] == "For the autumn"
    assert Match.objects.get().proposed_by == "stall"


def test_an_anchor_proposes_by_ids(api, anchor_user, stall, anchor):
    answer = api(anchor_user).post(URL, body_for(stall, anchor))
    assert answer.status_code == 201, answer.data
    assert (answer.json()["awaiting"], answer.json()["side"]) == ("stall", "anchor")


def test_who_acts_for_both_says_for_whom(api, merchant_user, stall, anchor):
    Membership.objects.create(user=merchant_user, anchor=anchor)
    answer = api(merchant_user).post(URL, body_for(stall, anchor))
    assert answer.status_code == 400 and "side" in answer.json()["fields"]
    answer = api(merchant_user).post(URL, body_for(stall, anchor, side="anchor"))
    assert (answer.status_code, answer.json()["awaiting"]) == (201, "stall")


def test_a_suggestion_of_somebody_else_is_not_there(api, other_merchant_user, stall, anchor):
    body = body_for(stall, anchor)
    del body["stall"], body["anchor"]
    body["suggestion"] = make_suggestion_id(Side.STALL, stall.public_id, anchor.public_id)
    assert api(other_merchant_user).post(URL, body).status_code == 404
    body["suggestion"] = body["suggestion"][:-1] + "A"
    assert api(other_merchant_user).post(URL, body).status_code == 404
    assert not Match.objects.exists()


def test_nobody_proposes_for_strangers(api, other_merchant_user, stall, anchor):
    for user in (other_merchant_user, UserFactory.create(is_staff=True)):
        assert api(user).post(URL, body_for(stall, anchor)).status_code == 404
    assert api(None).post(URL, body_for(stall, anchor)).status_code == 401
    assert not Match.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "approved"}, "status"),
        ({"suggestion": "x"}, "suggestion"),
        ({"terms": {}}, "terms.commission_rate"),
        ({"side": "staff"}, "side"),
        ({"note": "x" * 2001}, "note"),
        ({"stall": "17"}, "stall"),
    ],
)
def test_what_is_wrong_with_a_proposal_is_named(api, merchant_user, stall, anchor, change, field):
    answer = api(merchant_user).post(URL, body_for(stall, anchor) | change)
    assert answer.status_code == 400 and field in answer.json()["fields"], answer.json()
    assert not Match.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"commission_rate": "1.01"}, "terms.commission_rate"),
        ({"commission_rate": "NaN"}, "terms.commission_rate"),
        ({"slot_fee_cents": -1}, "terms.slot_fee_cents"),
        ({"slot_fee_cents": 2**63}, "terms.slot_fee_cents"),
        ({"approved": True}, "terms.approved"),
        ({"cooperation_mode": "barter"}, "terms.cooperation_mode"),
        ({"sessions": []}, "terms.sessions"),
        ({"sessions": [wanted_session(mode="mixed", places=99)]}, "terms.sessions.0.places"),
        ({"sessions": [wanted_session(), wanted_session(price=1)]}, "terms.sessions.1.price"),
        ({"sessions": [wanted_session(starts_at="2020-01-01T20:00:00Z")]}, "terms.sessions.0.starts_at"),
        ({"sessions": [wanted_session(starts_at="9999-12-31T23:00:00-12:00")]}, "terms.sessions.0.starts_at"),
        ({"sessions": [wanted_session(ends_at="0001-01-01T00:00:00+12:00")]}, "terms.sessions.0.ends_at"),
    ],
)
def test_what_is_wrong_with_terms_is_named(api, merchant_user, stall, anchor, change, field):
    body = body_for(stall, anchor)
    answer = api(merchant_user).post(URL, body | {"terms": body["terms"] | change})
    assert answer.status_code == 400 and field in answer.json()["fields"], answer.json()
    assert not Match.objects.exists()


def test_an_excluded_partner_cannot_be_asked(api, merchant_user, stall, anchor):
    Anchor.objects.filter(pk=anchor.pk).update(archived_at=timezone.now())
    answer = api(merchant_user).post(URL, body_for(stall, anchor))
    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["reasons"]) == ("not_eligible", ["archived"])


def test_an_open_match_is_named(api, merchant_user, stall, anchor, match):
    answer = api(merchant_user).post(URL, body_for(stall, anchor))
    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["code"], problem["match"]) == ("already_open", str(match.public_id))
    assert problem["status_now"] == "proposed"


def test_the_quota_is_a_429_until_monday(api, merchant_user, stall, anchor, monkeypatch):
    monkeypatch.setattr("matching.services.quota.PROPOSALS_A_WEEK", 0)
    answer = api(merchant_user).post(URL, body_for(stall, anchor))
    assert answer.status_code == 429 and answer.json()["code"] == "proposal_quota_used"
    assert int(answer["Retry-After"]) > 0


def test_one_key_one_match(api, merchant_user, stall, anchor, other_anchor):
    client = api(merchant_user)
    first = client.post(URL, body_for(stall, anchor), headers={"Idempotency-Key": "k1"})
    again = client.post(URL, body_for(stall, anchor), headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotency-Replayed"] == "true" and again.json() == first.json()
    other = client.post(URL, body_for(stall, other_anchor), headers={"Idempotency-Key": "k1"})
    assert other.status_code == 422 and Match.objects.count() == 1


# --- answering -------------------------------------------------------------------------------------


def test_accept_agrees_and_opens_the_contacts(api, anchor_user, merchant_user, match, stall, anchor):
    answer = api(anchor_user).post(url_of(match, "accept/"), {"terms_digest": match.terms.digest})
    assert answer.status_code == 200, answer.data
    data = answer.json()
    assert (data["status"], data["awaiting"], data["allowed_actions"]) == ("agreed", "", ["withdraw"])
    assert data["contact"] == {"name": stall.merchant.contact_name, "phone": stall.merchant.contact_phone}
    assert len(data["bookings"]) == 1 and data["bookings"][0]["released_at"] is None
    theirs = api(merchant_user).get(url_of(match)).json()
    assert theirs["contact"] == {"name": anchor.real_name, "phone": anchor.contact_phone}


def test_before_both_agreed_no_answer_holds_a_contact(api, anchor_user, merchant_user, staff_user, match):
    secrets = (match.stall.merchant.contact_phone, match.anchor.contact_phone, match.anchor.real_name)
    for user in (anchor_user, merchant_user, staff_user):
        for url in (URL, url_of(match)):
            text = api(user).get(url).content.decode()
            assert str(match.public_id) in text and not any(secret in text for secret in secrets)


def test_the_contact_goes_when_staff_reject(api, anchor_user, staff_user, stall, anchor):
    match = agreed(stall, anchor)
    assert api(anchor_user).get(url_of(match)).json()["contact"]
    reject_match(actor=staff_user, match=match, reason_code="reject_other", note="A secret of the office")
    answer = api(anchor_user).get(url_of(match)).json()
    assert answer["contact"] is None and answer["status"] == "rejected"
    event = answer["events"][-1]
    assert (event["reason_code"], event["note"]) == ("reject_other", "")
    assert api(staff_user).get(url_of(match)).json()["events"][-1]["note"] == "A secret of the office"


def test_decline(api, anchor_user, match):
    answer = api(anchor_user).post(url_of(match, "decline/"), {"note": "Too far"})
    assert answer.status_code == 200 and answer.json()["status"] == "declined"
    assert answer.json()["events"][-1]["note"] == "Too far" and not Booking.objects.exists()


@pytest.mark.parametrize("move", ["accept/", "decline/"])
def test_who_may_not_answer(api, merchant_user, other_anchor_user, staff_user, match, move):
    awaited = api(merchant_user).post(url_of(match, move))
    assert (awaited.status_code, awaited.json()["code"]) == (409, "not_awaited")
    assert api(other_anchor_user).post(url_of(match, move)).status_code == 404
    assert api(staff_user).post(url_of(match, move)).status_code == 403
    assert api(None).post(url_of(match, move)).status_code == 401
    assert api(other_anchor_user).post(f"{URL}{uuid.uuid4()}/{move}").status_code == 404
    assert Match.objects.get().status == "proposed" and MatchEvent.objects.count() == 1


@pytest.mark.parametrize("move", ["accept/", "decline/"])
def test_a_late_answer_learns_the_present_state(api, anchor_user, match, move):
    client = api(anchor_user)
    assert client.post(url_of(match, "accept/")).status_code == 200
    answer = client.post(url_of(match, move))
    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["status_now"]) == ("wrong_state", "agreed")


def test_accepting_with_a_key_twice_is_one_acceptance(api, anchor_user, match):
    client = api(anchor_user)
    answers = [client.post(url_of(match, "accept/"), headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json() and Booking.objects.count() == 1


def test_accepting_other_terms_is_refused(api, anchor_user, match):
    answer = api(anchor_user).post(url_of(match, "accept/"), {"terms_digest": "0" * 64})
    assert (answer.status_code, answer.json()["code"]) == (409, "terms_changed")
    assert api(anchor_user).post(url_of(match, "accept/"), {"terms_digest": "short"}).status_code == 400
    assert api(anchor_user).post(url_of(match, "accept/"), {"status": "approved"}).status_code == 400


def test_a_full_hour_is_named(api, anchor_user, stall, anchor):
    agreed(StallFactory.create(merchant=stall.merchant), anchor)
    match = proposed(stall, anchor)
    answer = api(anchor_user).post(url_of(match, "accept/"))
    assert (answer.status_code, answer.json()["code"]) == (409, "hour_taken")
    assert answer.json()["side"] == "anchor" and answer.json()["hour_at"]


def test_staff_decide_by_api_what_the_admin_decides(api, staff_user, merchant_user, stall, anchor):
    match = agreed(stall, anchor)
    assert api(merchant_user).post(url_of(match, "approve/")).status_code == 403
    answer = api(staff_user).post(url_of(match, "approve/"))
    assert (answer.status_code, answer.json()["status"]) == (200, "approved"), answer.data
    again = api(staff_user).post(url_of(match, "approve/"))
    problem = again.json()
    assert (again.status_code, problem["code"]) == (409, "wrong_state")
    assert (problem["status_now"], problem["awaiting_now"]) == ("approved", "")


# --- reading ---------------------------------------------------------------------------------------


def test_each_sees_own_matches_and_staff_see_all(
    api, merchant_user, anchor_user, other_anchor_user, staff_user, match, other_stall, other_anchor
):
    theirs = proposed(other_stall, other_anchor)

    def seen_by(user):
        return {row["id"] for row in api(user).get(URL).json()["results"]}

    assert seen_by(merchant_user) == seen_by(anchor_user) == {str(match.public_id)}
    assert seen_by(other_anchor_user) == {str(theirs.public_id)}
    assert seen_by(staff_user) == {str(match.public_id), str(theirs.public_id)}
    assert seen_by(UserFactory.create()) == seen_by(UserFactory.create(is_staff=True)) == set()
    assert api(None).get(URL).status_code == 401
    assert api(merchant_user).get(url_of(theirs)).status_code == 404
    assert api(staff_user).get(url_of(theirs)).json()["side"] is None


def test_allowed_actions_follow_the_reader(api, merchant_user, anchor_user, staff_user, match):
    def actions(user):
        detail = api(user).get(url_of(match)).json()["allowed_actions"]
        assert api(user).get(URL).json()["results"][0]["allowed_actions"] == detail
        return detail

    assert (actions(merchant_user), actions(anchor_user), actions(staff_user)) == (
        ["withdraw"],
        ["counter", "accept", "decline", "withdraw"],
        [],
    )
    api(anchor_user).post(url_of(match, "accept/"))
    assert (actions(merchant_user), actions(anchor_user)) == (["withdraw"], ["withdraw"])
    assert actions(staff_user) == ["approve", "reject"]
    approve_match(actor=staff_user, match=match)
    assert (actions(merchant_user), actions(anchor_user)) == (["cancel"], ["cancel"])
    assert actions(staff_user) == ["cancel", "complete", "fail"]


def test_the_list_is_narrowed(api, merchant_user, stall, anchor, other_anchor):
    first, second = proposed(stall, anchor), agreed(stall, other_anchor, session(day=3))
    client = api(merchant_user)

    def ids(query):
        answer = client.get(f"{URL}?{query}")
        assert answer.status_code == 200, answer.data
        return [row["id"] for row in answer.json()["results"]]

    assert ids("") == [str(second.public_id), str(first.public_id)]
    assert ids("status=agreed") == [str(second.public_id)]
    assert ids("status=agreed,proposed") == ids("status=agreed&status=proposed") == ids("")
    assert ids(f"anchor={anchor.public_id}") == [str(first.public_id)]
    assert ids("side=stall") == ids("") and ids("side=anchor") == []


@pytest.mark.parametrize(
    ("query", "field"), [("state=agreed", "state"), ("status=lost", "status"), ("page_size=0", "page_size")]
)
def test_what_is_wrong_with_a_query_is_named(api, merchant_user, query, field):
    answer = api(merchant_user).get(f"{URL}?{query}")
    assert answer.status_code == 400 and field in answer.json()["fields"]


def test_the_list_is_read_by_cursor(api, merchant_user, stall):
    for _ in range(3):
        proposed(stall, AnchorFactory.create(owner=UserFactory.create()))
    client = api(merchant_user)
    first = client.get(f"{URL}?page_size=2").json()
    second = client.get(first["next"]).json()
    assert len(first["results"]) == 2 and len(second["results"]) == 1 and second["next"] is None


def test_reading_costs_the_same_whatever_the_length(api, merchant_user, stall, django_assert_max_num_queries):
    client = api(merchant_user)
    for number in range(4):
        proposed(stall, AnchorFactory.create(owner=UserFactory.create()), session(day=number))
    with django_assert_max_num_queries(
        5
    ):  # token, its use, memberships, matches; reference data the first time
        client.get(URL + "?status=agreed")
    with django_assert_max_num_queries(9):
        assert len(client.get(URL).json()["results"]) == 4
    with django_assert_max_num_queries(4):
        client.get(URL)


def test_a_match_is_read_in_few_queries(api, anchor_user, stall, anchor, django_assert_max_num_queries):
    match = agreed(stall, anchor, session(0), session(2))
    client = api(anchor_user)
    client.get(url_of(match))
    with django_assert_max_num_queries(7):
        assert len(client.get(url_of(match)).json()["bookings"]) == 2


def test_cards_speak_the_language_of_the_asker(api, merchant_user, match):
    english = api(merchant_user).get(URL).json()["results"][0]["stall"]["zone"]["name"]
    chinese = (
        api(merchant_user, HTTP_ACCEPT_LANGUAGE="zh-hans")
        .get(URL)
        .json()["results"][0]["stall"]["zone"]["name"]
    )
    assert english != chinese


# --- machines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [
        ([Scope.MATCHES_READ], 200, 403),
        ([Scope.MATCHES_WRITE], 403, 200),
        ([Scope.PROFILE_READ, Scope.PROFILE_WRITE], 403, 403),
    ],
)
def test_machine_tokens_need_the_scope(api, anchor_user, match, scopes, reads, writes):
    token = "mmk_" + "x" * 43
    ApiToken.objects.create(
        user=anchor_user,
        name="till",
        digest=digest_of(token),
        prefix=token[:12],
        scopes=[str(scope) for scope in scopes],
        expires_at=timezone.now() + timedelta(days=1),
    )
    client = api(None, HTTP_AUTHORIZATION=f"Bearer {token}")
    assert client.get(url_of(match)).status_code == reads
    assert client.post(url_of(match, "accept/")).status_code == writes


def test_staff_who_belong_to_neither_side_propose_to_both(
    api, staff_user, other_merchant_user, stall, anchor
):
    answer = api(staff_user).post(URL, body_for(stall, anchor))
    data = answer.json()
    assert answer.status_code == 201, answer.data
    assert (data["awaiting"], data["proposed_by"], data["origin"]) == ("both", "staff", "force")
    assert data["allowed_actions"] == [], "staff answer for nobody"
    assert api(other_merchant_user).post(URL, body_for(stall, anchor)).status_code == 404


def test_staff_without_that_permission_propose_nothing(api, staff_user, stall, anchor):
    staff_user.user_permissions.remove(Permission.objects.get(codename="propose_match"))
    assert api(staff_user).post(URL, body_for(stall, anchor)).status_code == 404
    assert not Match.objects.exists()
