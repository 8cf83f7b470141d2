"""What allauth has to know of our users: a phone instead of an e-mail address (layer: faces)."""

import secrets
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.headless.adapter import DefaultHeadlessAdapter
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.limits import SENT, check_limits
from accounts.models import User
from accounts.services import access
from accounts.sms import send_sms
from accounts.tokens import TOKEN_HEADER


class AccountAdapter(DefaultAccountAdapter):
    """Keeps phones on the user, sends codes by SMS and ends the device's token with its session.

    Whether a phone is known never shows: either way there is one SMS, one hash and the same answer.
    """

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        data = form.cleaned_data
        return access.register_user(phone=data["phone"], password=data["password"], name=data.get("name", ""))

    def get_user_by_phone(self, phone: str) -> User | None:
        return User.objects.of_phone(phone)

    def get_phone(self, user: User) -> tuple[str, bool]:
        return user.phone, user.phone_verified_at is not None

    def set_phone(self, user: User, phone: str, verified: bool) -> None:
        if not verified:
            raise NotImplementedError("a phone becomes the login only after its code")
        access.prove_phone(actor=user, phone=phone)

    def set_phone_verified(self, user: User, phone: str) -> None:
        access.prove_phone(actor=user, phone=phone)

    def set_password(self, user: User, password: str) -> None:
        access.change_password(actor=user, user=user, password=password)

    def generate_phone_verification_code(self, *, user: User, phone: str) -> str:
        return f"{secrets.randbelow(10**6):06d}"

    def send_verification_code_sms(self, user: User, phone: str, code: str, **kwargs: Any) -> None:
        text = _("[%(town)s] Your code is %(code)s. Tell it to nobody.")
        self._send(phone, text, code=code)

    def send_unknown_account_sms(self, phone: str, **kwargs: Any) -> None:
        text = _("[%(town)s] Somebody asked for a code, but this phone has no account yet. Sign up first.")
        self._send(phone, text)

    def send_account_already_exists_sms(self, phone: str) -> None:
        text = _("[%(town)s] This phone already has an account. Sign in with your password or by code.")
        self._send(phone, text)

    def _send(self, phone: str, text: str, **values: str) -> None:
        check_limits(SENT, self.request, phone=phone)
        send_sms(phone, text % {"town": town_name(), **values})

    def logout(self, request: HttpRequest) -> None:
        token = request.headers.get(TOKEN_HEADER)
        if token:
            access.close_device(token)
        super().logout(request)


class HeadlessAdapter(DefaultHeadlessAdapter):
    """Shows users by their public id; allauth's own shows the enumerable key."""

    def serialize_user(self, user: User) -> dict[str, Any]:
        return {
            "id": str(user.public_id),
            "phone": user.phone,
            "name": user.name,
            "language": user.language,
            "is_staff": user.is_staff,
        }


def town_name() -> str:
    """Return the town's name in the language of the request."""
    is_english = (get_language() or "").startswith("en")
    return str(settings.TOWN_NAME_EN if is_english else settings.TOWN_NAME_ZH)
