"""Answers kept for keys."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import IdempotencyKey
from jobs.tasks import forget_old_answers
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_answers_are_kept_for_a_month() -> None:
    user = UserFactory.create()
    for days in (29, 31):
        IdempotencyKey.objects.create(user=user, key=f"of {days} days", digest="0")
        at = timezone.now() - timedelta(days=days)
        IdempotencyKey.objects.filter(key=f"of {days} days").update(updated_at=at)
    forget_old_answers()
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["of 29 days"]
