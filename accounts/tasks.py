"""What accounts does in the background (layer: tasks)."""

from typing import Any

from celery import shared_task

from accounts.services import access, erasure, profiles
from jobs.registry import Run, handles


@handles(erasure.ERASE_KIND)
def erase(run: Run, *, erasure_id: int) -> dict[str, Any]:
    """Erase what is left of a person."""
    return erasure.erase(erasure_id=erasure_id)


@shared_task(name="accounts.tasks.forget_expired_access")
def forget_expired_access() -> None:
    """Delete tokens, sessions and sign-ups that ended long ago."""
    access.forget_expired_access()


@shared_task(name="accounts.tasks.forget_legal_records")
def forget_legal_records() -> None:
    """Delete what the law no longer wants kept, and which profiles were opened on days gone by."""
    erasure.forget_legal_records()
    profiles.forget_opened_profiles()
