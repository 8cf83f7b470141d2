"""Fifty different full profiles a day, exactly, however many ask at once."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.db import connection

from accounts.models import OpenedProfile
from accounts.privacy.masking import without_contacts
from accounts.services import profiles
from accounts.services.profiles import forget_opened_profiles, open_profile
from jobs.throttle import TooManyRequests
from matching.models import Block
from matching.tokens import make_suggestion_id
from tests.matching.market import agreed, make_anchor, make_stall, make_user, member_of

ASKED = 200


def path_of(stall, anchor, side="stall"):
    one, other = (stall, anchor) if side == "stall" else (anchor, stall)
    return f"/api/v1/suggestions/{make_suggestion_id(side, one.public_id, other.public_id)}/profile/"


@pytest.mark.django_db
def test_both_sides_open_the_other_without_its_contact(api):
    stall = make_stall(description="Silk. Call 138 0013 8000 or mail me@example.com")
    anchor = make_anchor(bio="微信 13700137000")
    body = api(member_of(anchor)).get(path_of(stall, anchor, "anchor")).json()
    assert body["about"] == "Silk. Call **** or mail ****" and body["card"]["name"] == stall.name
    answer = api(member_of(stall)).get(path_of(stall, anchor))
    assert answer.json()["about"] == "微信 ****" and anchor.contact_phone not in answer.content.decode()
    assert "no-store" in answer["Cache-Control"] and OpenedProfile.objects.count() == 2


@pytest.mark.django_db
def test_a_counterpart_does_not_count_and_reads_all(api):
    stall, anchor = make_stall(), make_anchor(bio="微信 13700137000")
    agreed(stall, anchor)
    assert api(member_of(stall)).get(path_of(stall, anchor)).json()["about"] == "微信 13700137000"
    assert not OpenedProfile.objects.exists()


@pytest.mark.django_db
def test_the_same_profile_again_is_free_and_the_next_is_refused(api, monkeypatch):
    monkeypatch.setattr(profiles, "PROFILES_A_DAY", 2)
    stall = make_stall()
    client = api(member_of(stall))
    anchors = [make_anchor() for _ in range(3)]
    got = [client.get(path_of(stall, anchor)).status_code for anchor in (*anchors[:2], *anchors, anchors[0])]
    assert got == [200, 200, 200, 200, 429, 200]
    answer = client.get(path_of(stall, anchors[2]))
    assert answer.json()["code"] == "profiles_used_up" and "2 different profiles" in answer.json()["detail"]
    assert 0 < int(answer["Retry-After"]) <= 86_401
    # A refused one is not taken for opened.
    assert OpenedProfile.objects.count() == 2
    assert api(make_user()).get(path_of(stall, anchors[0])).status_code == 404


@pytest.mark.django_db
def test_who_may_not_be_suggested_is_not_there(api):
    stall, anchor = make_stall(), make_anchor(verification="pending")
    blocked = make_anchor()
    Block.objects.create(side="anchor", merchant=stall.merchant, anchor=blocked)
    client = api(member_of(stall))
    for partner in (anchor, blocked):
        assert client.get(path_of(stall, partner)).status_code == 404
    assert api(None).get(path_of(stall, anchor)).status_code == 401
    assert not OpenedProfile.objects.exists()


@pytest.mark.django_db
def test_a_day_begins_at_midnight_of_the_town():
    user = make_user()
    with time_machine.travel("2026-03-01T15:59:00Z", tick=False):
        for number in range(50):
            open_profile(actor=user, side="anchor", party_id=number)
        with pytest.raises(TooManyRequests) as refusal:
            open_profile(actor=user, side="anchor", party_id=99)
        assert refusal.value.headers["Retry-After"] == "61"
    with time_machine.travel("2026-03-01T16:00:30Z", tick=False):
        open_profile(actor=user, side="anchor", party_id=99)
    assert forget_opened_profiles() == 51


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.serial
def test_of_two_hundred_requests_at_once_exactly_fifty_profiles_are_opened(api):
    stall = make_stall()
    paths = [path_of(stall, make_anchor()) for _ in range(ASKED // 2)]
    # Each is asked for twice, as by two devices.
    clients = [api(member_of(stall)) for _ in range(2)]
    barrier = threading.Barrier(ASKED)

    def ask(number):
        client = copy.deepcopy(clients[number % 2])
        barrier.wait()
        try:
            return number // 2, client.get(paths[number // 2]).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(ASKED) as threads:
        answers = list(threads.map(ask, range(ASKED)))
    opened = {profile for profile, status in answers if status == 200}
    refused = {profile for profile, status in answers if status == 429}
    assert {status for _profile, status in answers} == {200, 429}
    assert len(opened) == 50 == OpenedProfile.objects.count() and not opened & refused


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("V: 138-0013-8000!", "V: ****!"),
        ("+86 138 0013 8000", "****"),
        ("2024 年起 12 人", "2024 年起 12 人"),
        ("59–129 元, MOQ 5", "59–129 元, MOQ 5"),
    ],
)
def test_long_numbers_are_hidden(text, shown):
    assert without_contacts(text) == shown
