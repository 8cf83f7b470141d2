"""The broker in Redis: kombu's, which goes on after rubbish in a queue and words that never reached Redis."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import redis, virtual
from redis.exceptions import ConnectionError as ConnectionLost

from matchmaker.messages import DropsBroken

logger = logging.getLogger(__name__)


class QoS(redis.QoS):
    """Kombu's count of messages in work, for a worker that lives on whatever becomes of its connection.

    Kombu frees the place of a message after Redis has answered that it is ended. If it does not, Celery logs
    that and goes on, and with as many such messages as the worker has places it never asks for another. The
    message itself stays with Redis and comes again after the visibility timeout; its job is done by then.

    Of a message whose connection was given up meanwhile kombu does not even find the address, which is no
    error that Celery expects: it would end the worker, and with it all that it works on.
    """

    def ack(self, delivery_tag: str) -> None:
        with self._freeing(delivery_tag):
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        with self._freeing(delivery_tag):
            super().reject(delivery_tag, requeue=requeue)

    @contextmanager
    def _freeing(self, delivery_tag: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            virtual.QoS.ack(self, delivery_tag)
            if isinstance(error, AttributeError):
                raise ConnectionLost("the connection of this message was given up") from error
            raise

    def restore_unacked(self, client: Any = None) -> None:
        """Give messages in work back to Redis when their connection is closed, if it can be reached still.

        After it was lost Celery closes it twice, the second time without an address; kombu's error would
        then end the worker, and with it all that it works on. A message only wakes: the sweep sends another.
        """
        try:
            super().restore_unacked(client)
        except Exception:
            held: dict[str, Any] = self._delivered or {}
            logger.info("%d messages in work were not given back", len(held), exc_info=True)
            held.clear()


class Channel(redis.Channel):
    """Kombu's channel with the count above, where text that is no JSON does not end the worker."""

    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (ValueError, RecursionError):  # errors of Redis and its connection are other kinds
            logger.warning("dropped what cannot be read in a queue", exc_info=True)
            return None


class Transport(DropsBroken, redis.Transport):  # type: ignore[misc]
    """Kombu's transport with the channel above."""

    Channel = Channel
