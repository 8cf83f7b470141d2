"""allauth's sign-in steps with what phones need beyond it (layer: faces)."""

import time
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.headless.account import inputs, views
from allauth.headless.internal.restkit.inputs import CharField
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from accounts.models import User


def password_field() -> CharField:
    """A password is taken as typed; allauth's own fields strip spaces here and keep them there."""
    return CharField(strip=False, max_length=128)


class SignUpInput(inputs.SignupInput):
    """Phone, password and a name."""

    name = CharField(required=False, max_length=60)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"] = password_field()

    def try_save(self, request: HttpRequest) -> tuple[User | None, Any]:
        if self.account_already_exists:
            make_password(self.cleaned_data["password"])  # as slow as for a new phone
        saved: tuple[User | None, Any] = super().try_save(request)
        return saved


class LoginInput(inputs.LoginInput):
    """Phone and password."""

    password = password_field()


class ChangePasswordInput(inputs.ChangePasswordInput):
    """The current password, which a code of the last minutes replaces: so a forgotten one is reset."""

    current_password = CharField(strip=False, required=False, max_length=128)
    new_password = password_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if came_by_code(context.request, self.user):
            self.fields["current_password"].required = False


class VerifyPhoneInput(inputs.VerifyPhoneInput):
    """The code of a sign-up or of a new phone."""

    def clean_code(self) -> str:
        if self.user is None:  # the sign-up was replaced by a later one of the same phone
            raise get_adapter().validation_error("incorrect_code")
        code: str = super().clean_code()
        return code


def came_by_code(request: HttpRequest, user: User) -> bool:
    """Whether this session was opened by an SMS code within the time that counts as fresh."""
    since = time.time() - app_settings.REAUTHENTICATION_TIMEOUT
    records = get_authentication_records(request, user)
    return any(record["method"] == "code" and record["at"] >= since for record in records)


class SignUpStep(views.SignupView):
    input_class = {"POST": SignUpInput}


class LoginStep(views.LoginView):
    input_class = LoginInput


class ChangePasswordStep(views.ChangePasswordView):
    input_class = ChangePasswordInput


class VerifyPhoneStep(views.VerifyPhoneView):
    input_class = VerifyPhoneInput


class ConfirmCodeStep(views.ConfirmLoginCodeView):
    """Refuses the code of a user who was erased, or took another phone, meanwhile like a wrong one."""

    def get_input_kwargs(self) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_input_kwargs()
        user = self.process.user
        if user is None or user.phone != self.process.state.get("phone"):
            kwargs["code"] = ""
        return kwargs
