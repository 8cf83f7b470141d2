"""Telling once, reading, forgetting; and topics that nobody can put into words."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone, translation

from matchmaker.celery import app
from matchmaker.core.errors import NotFound
from notifications import registry, tasks
from notifications.models import Notice
from notifications.registry import Told, tells
from notifications.selectors import notices_of, texts_of, unread_count
from notifications.services import mark_read, mark_read_up_to, tell
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def weather(monkeypatch):
    """A topic of its own; `storm` makes its teller stumble."""
    monkeypatch.setattr(registry, "_tellers", dict(registry._tellers))

    @tells("weather")
    def tell_weather(facts):
        def words(fact):
            if fact.facts["sky"] == "storm":
                raise KeyError("storm")
            return Told(fact.facts["sky"], f"of {len(facts)}")

        return words


def say(*users, key="k", sky="rain", topic="weather"):
    tell(user_ids=[user.pk for user in users], key=key, topic=topic, subject_id=uuid4(), facts={"sky": sky})


def test_a_fact_reaches_each_user_once_and_the_first_telling_stands():
    one, other = UserFactory.create_batch(2)
    say(one, one)
    say(one, other, sky="snow")
    say(one, key="another")
    assert [n.facts["sky"] for n in notices_of(one).order_by("pk")] == ["rain", "rain"]
    assert [n.facts["sky"] for n in notices_of(other)] == ["snow"]


def test_telling_nobody_is_harmless():
    say()
    assert not Notice.objects.exists()


def test_a_topic_without_words_is_an_error_of_whoever_tells_it():
    with pytest.raises(LookupError, match="weather"):
        say(UserFactory.create(), topic="wether")
    assert not Notice.objects.exists()


def test_two_tellers_of_one_topic_are_an_error():
    with pytest.raises(ValueError, match="weather"):
        tells("weather")(lambda facts: lambda fact: Told("", ""))


def test_one_broken_notice_hides_none_of_the_others(caplog):
    user = UserFactory.create()
    for sky in ("rain", "storm", "snow"):
        say(user, key=sky, sky=sky)
    Notice.objects.create(user=user, key="old", topic="retired", facts={})
    rows = list(notices_of(user).order_by("pk"))
    with translation.override("en"):
        texts = texts_of(rows)
    assert [texts[row.pk].title for row in rows] == ["rain", "News", "snow", "News"]
    assert texts[rows[0].pk].body == "of 3"
    assert "retired" in caplog.text and "storm" in caplog.text


def test_a_database_that_is_down_is_not_taken_for_a_broken_notice(monkeypatch):
    def no_database(facts):
        raise OperationalError

    user = UserFactory.create()
    say(user)
    monkeypatch.setitem(registry._tellers, "weather", no_database)
    with pytest.raises(OperationalError):
        texts_of(notices_of(user))


def test_reading_is_noted_once():
    user = UserFactory.create()
    say(user)
    notice = notices_of(user).get()
    assert mark_read(actor=user, ids=[notice.public_id, notice.public_id]) == 1
    read_at = notices_of(user).get().read_at
    assert mark_read(actor=user, ids=[notice.public_id]) == 0
    assert mark_read_up_to(actor=user, last=notice.public_id) == 0
    assert notices_of(user).get().read_at == read_at and unread_count(user) == 0


def test_nobody_reads_for_others():
    user, other = UserFactory.create_batch(2)
    say(user, other)
    theirs = notices_of(other).get().public_id
    assert mark_read(actor=user, ids=[theirs, uuid4()]) == 0
    for unknown in (theirs, uuid4()):
        with pytest.raises(NotFound):
            mark_read_up_to(actor=user, last=unknown)
    assert unread_count(user) == unread_count(other) == 1


def test_all_up_to_leaves_what_came_later():
    user, other = UserFactory.create_batch(2)
    for number in range(4):
        say(user, other, key=str(number))
    second = notices_of(user).get(key="1")
    assert mark_read_up_to(actor=user, last=second.public_id) == 2
    assert sorted(notices_of(user, unread=True).values_list("key", flat=True)) == ["2", "3"]
    assert unread_count(other) == 4


def test_what_was_read_long_ago_is_forgotten_and_what_is_unread_stays():
    user = UserFactory.create()
    for key in ("read long ago", "read lately", "unread"):
        say(user, key=key)
    now = timezone.now()
    Notice.objects.update(created_at=now - timedelta(days=400))
    for key, days in (("read long ago", 181), ("read lately", 179)):
        Notice.objects.filter(key=key).update(read_at=now - timedelta(days=days))
    tasks.forget_read_notices()
    assert set(Notice.objects.values_list("key", flat=True)) == {"read lately", "unread"}
    timetable = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert tasks.forget_read_notices.name in timetable
