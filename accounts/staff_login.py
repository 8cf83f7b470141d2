"""Signing in to the admin, within the limits of every sign-in (layer: faces)."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from accounts.limits import LOGIN, check_limits
from accounts.phones import normalize_phone
from jobs.throttle import TooManyRequests
from matchmaker.core.errors import InvalidInput


class StaffLoginForm(AdminAuthenticationForm):
    """Phone and password, counted before the password is hashed."""

    def clean(self) -> dict[str, Any]:
        assert self.request is not None  # noqa: S101 (the login view always gives it)
        try:
            check_limits(LOGIN, self.request, phone=_phone(self.cleaned_data.get("username", "")))
        except TooManyRequests as error:
            raise ValidationError(str(error.detail), code="too_many_requests") from error
        data: dict[str, Any] = super().clean()
        return data


def _phone(text: str) -> str:
    try:
        return normalize_phone(text)
    except InvalidInput:
        return ""
