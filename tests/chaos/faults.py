"""What is done to the town; each fault returns when it is over, what it leads to is measured by the run."""

import json
import os
import random
import signal
import socket
import time
import uuid
from collections.abc import Callable

from tests.chaos.cluster import Cluster

# Does it and returns how many times, where that is more than once.
Fault = Callable[[Cluster, random.Random], int]


def kill_worker(town: Cluster, rng: random.Random) -> int:
    """Kill -9 one worker with all it started."""
    town.named[rng.choice(("default", "compute"))].kill()
    return 1


def kill_pool_child(town: Cluster, rng: random.Random) -> int:
    """Kill -9 one process of the prefork pool, the worker itself lives."""
    children = town.named["default"].children()
    if not children:
        raise RuntimeError("there is none to kill")
    _kill(rng.choice(children))
    return 1


def kill_web(town: Cluster, rng: random.Random) -> int:
    """Kill -9 the web, whatever it was committing."""
    town.named["web"].kill()
    return 1


def kill_web_child(town: Cluster, rng: random.Random) -> int:
    """Kill -9 one of the web's processes."""
    children = town.named["web"].children()
    if not children:
        raise RuntimeError("there is none to kill")
    _kill(rng.choice(children))
    return 1


def kill_beat(town: Cluster, rng: random.Random) -> int:
    """Kill -9 what asks for the sweeps."""
    town.named["beat"].kill()
    return 1


def kill_redis(town: Cluster, rng: random.Random) -> int:
    """Kill -9 Redis and keep it down for three seconds; it comes back empty."""
    town.named["redis"].kill(down=3.0)
    time.sleep(3.0)
    return 1


def hang_redis(town: Cluster, rng: random.Random) -> int:
    """Freeze Redis: connections stay, nothing is answered."""
    redis = town.named["redis"]
    redis.signal(signal.SIGSTOP)
    time.sleep(rng.uniform(4.0, 12.0))
    redis.signal(signal.SIGCONT)
    return 1


def flush_redis(town: Cluster, rng: random.Random) -> int:
    """FLUSHALL: every message, count and lock is gone."""
    _redis(town, "FLUSHALL")
    return 1


def reset_connections(town: Cluster, rng: random.Random) -> int:
    """Reset every connection to Redis, and each new one for three seconds."""
    broken = town.proxy.reset(3.0)
    time.sleep(3.0)
    return broken


def kill_postgres(town: Cluster, rng: random.Random) -> int:
    """Kill -9 the database with all its processes."""
    town.named["postgres"].kill()
    return 1


def deliver_again(town: Cluster, rng: random.Random) -> int:
    """Deliver each of the newest jobs two to five times more."""
    from jobs.models import Job
    from jobs.tasks import run_job

    delivered = 0
    for pk, queue in Job.objects.order_by("-pk").values_list("pk", "queue")[:200]:
        for _ in range(rng.randint(2, 5)):
            run_job.apply_async(args=[pk], queue=queue, retry=False)
            delivered += 1
    return delivered


def send_rubbish(town: Cluster, rng: random.Random) -> int:
    """No JSON, a pickle, an unknown task and a job that is not there, in both queues."""
    for queue in ("default", "compute"):
        for body in (b"no json at all", b"\x80\x04N.", _message("jobs.nobody_knows_this"), b"{}"):
            _redis(town, "LPUSH", queue, body)
    return 1


FAULTS: dict[str, Fault] = {
    "worker_killed": kill_worker,
    "pool_child_killed": kill_pool_child,
    "web_killed": kill_web,
    "web_child_killed": kill_web_child,
    "beat_killed": kill_beat,
    "redis_killed": kill_redis,
    "redis_hung": hang_redis,
    "redis_flushed": flush_redis,
    "connections_reset": reset_connections,
    "postgres_killed": kill_postgres,
    "delivered_again": deliver_again,
    "rubbish": send_rubbish,
}


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
