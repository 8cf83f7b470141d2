"""The broker of files: nobody reads half a message, and one that is no message ends no worker."""

import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection, Queue

from matchmaker import celery  # noqa: F401  (it names the transport)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    folders = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
    for name in set(folders.values()):
        (tmp_path / name).mkdir()
    options = {name: str(tmp_path / folder) for name, folder in folders.items()} | {"polling_interval": 0.01}
    with Connection("filesystem://localhost", transport_options=options) as opened:
        yield opened


@pytest.fixture
def name() -> str:
    """Of a queue: kombu remembers for the whole process which names are bound."""
    return f"q{uuid.uuid4().hex}"


def test_a_message_arrives_once_in_order(connection, name):
    queue = connection.SimpleQueue(name)
    for number in range(20):
        queue.put(number)
    assert [queue.get(timeout=2).payload for _ in range(20)] == list(range(20))
    with pytest.raises(Empty):
        queue.get(block=False)


def test_a_reader_never_sees_a_message_in_the_making(connection, name, monkeypatch):
    is_writing, may_finish = threading.Event(), threading.Event()

    def slow(path: Path, text: str, **options: str) -> int:
        with open(path, "w", **options) as file:
            is_writing.set()
            may_finish.wait(5)
            return file.write(text)

    reader = connection.SimpleQueue(name)
    monkeypatch.setattr(Path, "write_text", slow)
    writer = threading.Thread(target=lambda: connection.clone().SimpleQueue(name).put("late"))
    writer.start()
    assert is_writing.wait(5)
    with pytest.raises(Empty):
        reader.get(block=False)
    may_finish.set()
    writer.join()
    assert reader.get(timeout=2).payload == "late"


def test_what_is_no_message_is_dropped(connection, name, tmp_path):
    tagged = '"headers": {}, "properties": {"delivery_tag": "1", '
    no_json = ("", "\x00", "{", "b'pickle'", "[" * 100_000)
    no_message = ("[]", "null", "7", "{}", '{"headers": {}, "properties": {"delivery_tag": 1}}')
    broken = (
        f'{{{tagged}"body_encoding": "rot13"}}, "body": "x"}}',
        f'{{{tagged}"body_encoding": "base64"}}, "body": 1}}',
    )
    for content in (*no_json, *no_message, *broken):
        (tmp_path / "queue" / f"000_{uuid.uuid4()}.{name}.msg").write_text(content)
    queue = connection.SimpleQueue(name)
    queue.put("good")
    assert queue.get(timeout=2).payload == "good"
    assert not list((tmp_path / "queue").iterdir())


def test_workers_that_start_together_lose_no_binding(connection, tmp_path):
    def bind(number: int) -> None:
        with connection.clone() as own:
            Queue(f"q{number}", routing_key=f"q{number}")(own.default_channel).declare()
            own.default_channel._queue_bind("shared", f"q{number}", "", f"q{number}")

    threads = [threading.Thread(target=bind, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = json.loads((tmp_path / "control" / "shared.exchange").read_text())
    assert {row[2] for row in held} == {f"q{number}" for number in range(16)}
