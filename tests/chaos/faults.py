"""What is done to the town; each fault returns when it is over, what it leads to is measured by the run."""

import json
import os
import signal
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos.clients import Client
from tests.chaos.cluster import Cluster
from tests.chaos.inside.apps import CRASH, EFFECT
from tests.services import wait_until

QUEUES = ("default", "compute")
# Long enough that a job which was seen at work is still at it when its worker is killed.
WORK_SECONDS = 1.0


@dataclass(frozen=True)
class Hurt:
    """How many times it was done, the jobs that have to be done in spite of it, and those that cannot be.

    `redone` are jobs of the town's own whose effects the comparison sees. `seconds` is given by a fault that
    sees for itself how long it was felt; after others the run looks.
    """

    times: int = 1
    jobs: Sequence[int] = ()
    redone: Sequence[int] = ()
    hopeless: Sequence[int] = ()
    seconds: float | None = None


Fault = Callable[[Cluster, Client], Hurt]


def kill_workers(town: Cluster, hand: Client) -> Hurt:
    """Kill -9 both workers with all they started, each in the middle of a job."""
    working, jobs = _at_work(dict.fromkeys(QUEUES, 1))
    for queue in QUEUES:
        town.named[queue].kill()
    return Hurt(_unfinished(working), jobs)


def kill_pool_children(town: Cluster, hand: Client) -> Hurt:
    """Kill -9 every process of the prefork pool in the middle of a job; the worker itself lives."""
    working, jobs = _at_work({"default": len(town.named["default"].children())})
    children = town.named["default"].children()
    for child in children:
        _kill(child)
    return Hurt(_unfinished(working), jobs)


def kill_after_work(town: Cluster, hand: Client) -> Hurt:
    """Kill -9 a process of each queue whose job, one of the town's own, is done and not ended yet."""
    from django.db import connection

    from jobs.services import enqueue
    from matching.services.notes import FORGET_ANSWERS_KIND

    def jobs() -> list[int | None]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT job FROM chaos_ends ORDER BY id DESC LIMIT %s", [len(QUEUES)])
            return [job for (job,) in cursor.fetchall()]

    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO chaos_ends (queue) VALUES (%s)", [[queue] for queue in QUEUES])
    # In case that the clients have nothing left to do that this needs.
    hand.edit()
    enqueue(kind=FORGET_ANSWERS_KIND, key=f"chaos:{uuid.uuid4().hex}", args={"ids": []})
    wait_until(lambda: None not in jobs(), seconds=30.0, every=0.02)
    return Hurt(len(QUEUES), redone=[job for job in jobs() if job is not None])


def kill_web_at_commit(town: Cluster, hand: Client) -> Hurt:
    """Kill -9 the process that serves a write before, during or after its COMMIT, and send it again."""
    write = hand.rng.choice((hand.register, hand.edit, hand.propose))
    began, killed = time.monotonic(), hand.scribe.killed
    write(aim=hand.rng.choice(("before", "during", "after")))
    return Hurt(hand.scribe.killed - killed, seconds=time.monotonic() - began)


def kill_web(town: Cluster, hand: Client) -> Hurt:
    """Kill -9 the web with all its processes, whatever it was doing."""
    town.named["web"].kill()
    return Hurt()


def kill_beat(town: Cluster, hand: Client) -> Hurt:
    """Kill -9 what asks for the sweeps, with jobs waiting whose messages were lost."""
    from django.utils import timezone

    from jobs.models import Job

    rows = [
        Job(
            kind=EFFECT,
            dedupe_key=uuid.uuid4().hex,
            args={"seconds": 0.0},
            queue=queue,
            not_before=timezone.now(),
        )
        for queue in QUEUES
    ]
    town.named["beat"].kill()
    return Hurt(1, [job.pk for job in Job.objects.bulk_create(rows)])


def kill_redis(town: Cluster, hand: Client) -> Hurt:
    """Kill -9 Redis and keep it down for three seconds; it comes back empty."""
    town.named["redis"].kill(down=3.0)
    time.sleep(3.0)
    return Hurt()


def hang_redis(town: Cluster, hand: Client) -> Hurt:
    """Freeze Redis: connections stay, nothing is answered."""
    redis = town.named["redis"]
    redis.signal(signal.SIGSTOP)
    time.sleep(hand.rng.uniform(4.0, 12.0))
    redis.signal(signal.SIGCONT)
    return Hurt()


def flush_redis(town: Cluster, hand: Client) -> Hurt:
    """FLUSHALL while messages wait: every message, count and lock is gone."""
    jobs = [_enqueue(EFFECT, queue, seconds=0.0) for queue in QUEUES for _ in range(10)]
    _redis(town, "FLUSHALL")
    return Hurt(1, jobs)


def reset_connections(town: Cluster, hand: Client) -> Hurt:
    """Reset every connection to Redis, and each new one for three seconds."""
    town.proxy.reset(3.0)
    time.sleep(3.0)
    return Hurt()


def slow_connections(town: Cluster, hand: Client) -> Hurt:
    """Hold up all that goes to and from Redis by a fifth of a second, for five."""
    town.proxy.slow(0.2, 5.0)
    time.sleep(5.0)
    return Hurt()


def kill_postgres(town: Cluster, hand: Client) -> Hurt:
    """Kill -9 every backend of the database in the middle of what it does, then the server."""
    postgres = town.named["postgres"]
    for backend in postgres.children():  # each in a session of its own
        _kill(backend)
    postgres.kill()
    return Hurt()


def deliver_again(town: Cluster, hand: Client) -> Hurt:
    """Deliver each of the newest jobs two to five times more."""
    from jobs.models import Job
    from jobs.tasks import run_job

    delivered = 0
    for pk, queue in Job.objects.exclude(kind=CRASH).order_by("-pk").values_list("pk", "queue")[:200]:
        for _ in range(hand.rng.randint(2, 5)):
            run_job.apply_async(args=[pk], queue=queue, retry=False)
            delivered += 1
    return Hurt(delivered)


def send_rubbish(town: Cluster, hand: Client) -> Hurt:
    """No JSON, a pickle, an unknown task and a job that is not there, in both queues."""
    for queue in QUEUES:
        for body in (b"no json at all", b"\x80\x04N.", _message("jobs.nobody_knows_this"), b"{}"):
            _redis(town, "LPUSH", queue, body)
    return Hurt()


def crash(town: Cluster, hand: Client) -> Hurt:
    """A job that ends whatever process works on it, until it is given up; measured after its first crash."""
    from jobs.models import Job

    job = _enqueue(CRASH, hand.rng.choice(QUEUES))
    wait_until(lambda: Job.objects.get(pk=job).attempts > 0, seconds=30.0, every=0.01)
    return Hurt(hopeless=[job])


FAULTS: dict[str, Fault] = {
    "worker_killed": kill_workers,
    "pool_child_killed": kill_pool_children,
    "killed_after_work": kill_after_work,
    "web_killed_at_commit": kill_web_at_commit,
    "web_killed": kill_web,
    "beat_killed": kill_beat,
    "redis_killed": kill_redis,
    "redis_hung": hang_redis,
    "redis_flushed": flush_redis,
    "connections_reset": reset_connections,
    "connections_slow": slow_connections,
    "postgres_killed": kill_postgres,
    "delivered_again": deliver_again,
    "rubbish": send_rubbish,
    "crashing_job": crash,
}


def _at_work(wanted: dict[str, int]) -> tuple[list[int], list[int]]:
    """Enqueue jobs until so many of each queue are at work at once; return those, and all enqueued."""
    from jobs.models import Job, JobState

    enqueued: list[int] = []
    ends = time.monotonic() + 60.0
    while time.monotonic() < ends:
        states = dict(Job.objects.filter(pk__in=enqueued).values_list("pk", "state"))
        working = [pk for pk in enqueued if states[pk] == JobState.RUNNING]
        if len(working) >= sum(wanted.values()):
            return working, enqueued
        unfinished = [pk for pk in enqueued if states[pk] in (JobState.QUEUED, JobState.RUNNING)]
        queues = Counter(Job.objects.filter(pk__in=unfinished).values_list("queue", flat=True))
        # The one of another queue may end before this queue's has begun.
        missing = Counter(wanted) - queues
        enqueued += [_enqueue(EFFECT, queue, seconds=WORK_SECONDS) for queue in missing.elements()]
        time.sleep(0.01)
    raise TimeoutError(f"{wanted} jobs were not at work at once within 60 s")


def _unfinished(jobs: list[int]) -> int:
    """How many are held by the worker that was killed; one that had ended just before was not hurt."""
    from jobs.models import Job, JobState

    return Job.objects.filter(pk__in=jobs, state=JobState.RUNNING).count()


def _enqueue(kind: str, queue: str, **args: float) -> int:
    from jobs.services import enqueue

    return int(enqueue(kind=kind, key=f"{kind}:{uuid.uuid4().hex}", args=args, queue=queue).pk)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _redis(town: Cluster, *words: str | bytes) -> None:
    """Say one command to Redis itself, past the proxy."""
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    line = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    with socket.create_connection(("127.0.0.1", town.redis_port), timeout=5) as connection:
        connection.sendall(line)
        connection.recv(100)


def _message(task: str) -> bytes:
    """A message as Celery writes it, for a task that nobody has."""
    number = uuid.uuid4().hex
    headers = {"lang": "py", "task": task, "id": number, "root_id": number, "retries": 0, "argsrepr": "()"}
    properties = {
        "correlation_id": number,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "default"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": number,
    }
    body = "W1tdLCB7fSwge31d"
    told = {"body": body, "content-encoding": "utf-8", "content-type": "application/json"}
    return json.dumps(told | {"headers": headers, "properties": properties}).encode()
