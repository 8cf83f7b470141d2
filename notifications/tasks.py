"""What notifications does by itself (layer: tasks)."""

from celery import shared_task

from notifications import services


@shared_task(name="notifications.tasks.forget_read_notices")
def forget_read_notices() -> None:
    """Delete notices that were read long ago."""
    services.forget_read_notices()
