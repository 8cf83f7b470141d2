"""The broker may die, hang or be flooded with rubbish: requests go on, and everything is done after."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
import redis
from celery import Celery
from kombu import Connection, Consumer, Producer, Queue

from jobs.models import Job, JobState
from matching.services.recommendations import request_rematch
from tests.isolation import SERVICES
from tests.services import free_port, private_redis, test_database_environment, wait_until, worker_processes

REPOSITORY = Path(__file__).resolve().parent.parent.parent
pytestmark = [
    pytest.mark.faults,
    pytest.mark.serial,
    pytest.mark.services_only,
    pytest.mark.skipif(not SERVICES, reason="files do not break like a server: run with --services"),
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
# What a web process does in requests that change something, timed from within.
REQUESTS = """
import time, django
django.setup()
from jobs.services import enqueue
for number in range(5):
    started = time.monotonic()
    job = enqueue(kind="matching.rematch", key=f"rematch {number}", args={}, queue="compute")
    print(job.pk, time.monotonic() - started)
"""
# What no worker may end at, as it would lie in a list of Redis.
RUBBISH = [
    b"", b"\x00", b"no JSON", b"[" * 100_000, b"\xff\xfe", b"\x80\x04N.", b"[]", b"null", b"7", b"{}",
    b'{"headers": {}, "properties": {"delivery_tag": "1"}}',
    b'{"headers": {}, "properties": {"delivery_tag": "2", "body_encoding": "rot13"}, "body": "x"}',
    b'{"headers": {"task": ["x"]}, "properties": {"delivery_tag": "3", "delivery_info": {}}, "body": ""}',
    b'{"headers": {"task": "jobs.tasks.run_job"}, "properties": {"delivery_tag": "4"}, "body": ""}',
]  # fmt: skip


@contextlib.contextmanager
def dead_port() -> Iterator[int]:
    """Nobody listens: connections are refused."""
    yield free_port()


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """Somebody listens and never says a word, like a server that hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def is_done(job: Job) -> bool:
    job.refresh_from_db()
    return bool(job.state == JobState.DONE)


@pytest.mark.parametrize("broken", [dead_port, silent_port])
def test_a_request_is_not_held_up_by_a_broken_broker_and_its_work_is_done_later(broken):
    with broken() as port:
        env = os.environ | test_database_environment()
        env |= {"REDIS_URL": f"redis://127.0.0.1:{port}/0", "DJANGO_SETTINGS_MODULE": "matchmaker.settings"}
        command = [sys.executable, "-c", REQUESTS]
        told = subprocess.check_output(command, cwd=REPOSITORY, env=env, text=True, timeout=60)
    numbers, seconds = zip(*(line.split() for line in told.splitlines()), strict=True)
    waited = list(map(float, seconds))
    assert waited[0] < 2 and sum(waited[1:]) < 1, "one request finds out, the others do not wait"
    jobs = [Job.objects.get(pk=int(number)) for number in numbers]
    assert {job.state for job in jobs} == {JobState.QUEUED} and len(set(numbers)) == 5
    with worker_processes(env={"MATCHMAKER_SWEEP_AFTER_SECONDS": "0.5"}):
        for job in jobs:
            wait_until(partial(is_done, job), 30)


def test_what_a_flushed_broker_forgot_is_sent_again():
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    job = request_rematch()
    assert client.llen("compute") >= 1
    client.flushdb()
    with worker_processes():
        wait_until(lambda: is_done(job), 10)


def test_a_broker_that_comes_back_is_used_again():
    with private_redis() as url, worker_processes(env={"REDIS_URL": url}) as worker:
        client = redis.Redis.from_url(url)
        # Every connection is cut; worker and beat have to make new ones.
        for _round in range(3):
            for kind in ("normal", "pubsub"):
                client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            time.sleep(0.5)
        app = Celery(broker=url)
        job = request_rematch()
        app.send_task("jobs.tasks.run_job", args=[job.pk], queue="compute")
        wait_until(lambda: is_done(job), 45)
        assert worker.poll() is None


def test_a_message_whose_end_a_hung_broker_did_not_hear_takes_no_place_for_ever():
    with private_redis() as url, Connection(url, transport_options={"socket_timeout": 0.3}) as connection:
        got = []
        channel = connection.channel()
        channel.basic_qos(0, 1, False)  # one place
        queue = Queue("places", channel=channel)
        with Consumer(channel, [queue], callbacks=[lambda _body, message: got.append(message)]):
            for number in range(3):
                Producer(channel).publish({"number": number}, routing_key="places", declare=[queue])
            connection.drain_events(timeout=2)
            redis.Redis.from_url(url).execute_command("CLIENT", "PAUSE", "1000", "ALL")
            with pytest.raises(redis.exceptions.TimeoutError):
                got[0].ack()
            time.sleep(1)
            connection.drain_events(timeout=2)
        assert [message.payload["number"] for message in got] == [0, 1]


def test_rubbish_in_the_queue_stops_nobody():
    with worker_processes() as worker:
        app = Celery(broker=os.environ["REDIS_URL"])
        redis.Redis.from_url(os.environ["REDIS_URL"]).lpush("compute", *RUBBISH)
        app.send_task("no.such.task", queue="compute")
        app.send_task("jobs.tasks.run_job", args=["not a number"], queue="compute")
        app.send_task("jobs.tasks.run_job", args=[10**9], queue="compute")
        app.send_task("jobs.tasks.run_job", args=[1], queue="compute", serializer="pickle")
        job = request_rematch()
        wait_until(lambda: is_done(job), 10)
        assert worker.poll() is None


def test_the_same_message_many_times_has_one_effect():
    with worker_processes():
        app = Celery(broker=os.environ["REDIS_URL"])
        job = request_rematch()
        for _copy in range(20):
            app.send_task("jobs.tasks.run_job", args=[job.pk], queue="compute")
        wait_until(lambda: is_done(job), 30)
        time.sleep(2)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.DONE, 1)


def test_a_connection_that_is_lost_with_messages_in_work_is_no_surprise():
    """Celery closes it twice and then ends them; what is no error of a connection would end the worker."""
    with private_redis() as url:
        connection = Connection(url, transport_options={"socket_timeout": 0.3})
        got, channel = [], connection.default_channel
        queue = Queue("lost", channel=channel)
        Consumer(channel, [queue], callbacks=[lambda _body, message: got.append(message)]).consume()
        for number in range(2):
            Producer(channel).publish({"number": number}, routing_key="lost", declare=[queue])
        while len(got) < 2:
            connection.drain_events(timeout=2)
        expected = connection.connection_errors
        with patch.object(channel, "close", side_effect=TimeoutError):  # the broker hangs
            connection.collect(socket_timeout=0.3)
        connection.close()
        assert channel.closed and not channel.qos._delivered
        for end in (got[0].ack, got[1].reject):
            with pytest.raises(expected):
                end()
