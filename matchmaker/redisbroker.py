"""The broker in Redis: kombu's, which goes on after something in a queue that is no message."""

import logging
from typing import Any

from kombu.transport import redis

from matchmaker.messages import DropsBroken

logger = logging.getLogger(__name__)


class Channel(redis.Channel):
    """Kombu's channel, where text that is no JSON does not end the worker."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (ValueError, RecursionError):  # errors of Redis and its connection are other kinds
            logger.warning("dropped what cannot be read in a queue", exc_info=True)
            return None


class Transport(DropsBroken, redis.Transport):  # type: ignore[misc]
    """Kombu's transport with the channel above."""

    Channel = Channel
