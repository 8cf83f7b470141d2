"""What accounts does in the background (layer: tasks)."""

from celery import shared_task

from accounts.services import access


@shared_task(name="accounts.tasks.forget_expired_access")
def forget_expired_access() -> None:
    """Delete tokens, sessions and sign-ups that ended long ago."""
    access.forget_expired_access()
