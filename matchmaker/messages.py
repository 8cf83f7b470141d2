"""What is in a queue and is no message is dropped; kombu's transports end the worker over it.

Nothing is lost by that: the job's row is what counts, and the sweep sends its message again.
"""

import logging
from typing import Any

logger = logging.getLogger(__name__)


class DropsBroken:
    """Mixin for kombu's virtual transports."""

    channels: Any

    def _deliver(self, message: Any, queue: Any) -> None:
        if not is_message(message):
            logger.warning("dropped what is no message in queue %s", queue)
            return
        try:
            super()._deliver(message, queue)  # type: ignore[misc]
        except (LookupError, TypeError, ValueError, AttributeError):
            # It looked like one, and Celery stumbled over what is in it.
            logger.warning("dropped a broken message in queue %s", queue, exc_info=True)
            self._forget(message["properties"]["delivery_tag"])

    def _forget(self, tag: str) -> None:
        """Give its place back, or every broken message would leave the worker with one place less."""
        for channel in self.channels:
            if tag in channel.qos._delivered:
                channel.basic_reject(tag, requeue=False)


def is_message(found: Any) -> bool:
    """Whether it has the parts that kombu needs to take it, and to give it back."""
    if not isinstance(found, dict) or not isinstance(found.get("headers"), dict):
        return False
    properties = found.get("properties")
    return isinstance(properties, dict) and isinstance(properties.get("delivery_tag"), str)
