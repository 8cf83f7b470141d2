"""Signing up and in: allauth's steps behind our own limits, input rules and error format (layer: faces)."""

import json
import time
from collections.abc import Callable
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.account import views as allauth_views
from allauth.headless.constants import Client
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import limits, steps
from accounts.errors import NotSignedIn
from accounts.phones import normalize_phone
from accounts.tokens import TOKEN_HEADER
from matchmaker.core.errors import Conflict, DomainError, InvalidInput, NotAllowed
from matchmaker.core.parsers import BodyTooLarge
from matchmaker.core.serializers import PlainTextField, StrictSerializer


class PhoneField(serializers.CharField):
    """A phone; mainland numbers need no country code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=32, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        try:
            return normalize_phone(super().to_internal_value(data))
        except InvalidInput as error:
            raise serializers.ValidationError(error.fields["phone"]) from error


def password(**kwargs: Any) -> serializers.CharField:
    """A password as typed."""
    return serializers.CharField(
        trim_whitespace=False, max_length=128, style={"input_type": "password"}, **kwargs
    )


class SignUp(StrictSerializer):
    phone = PhoneField()
    password = password()
    name = PlainTextField(required=False, allow_blank=True, max_length=60)


class Login(StrictSerializer):
    phone = PhoneField()
    password = password()


class Phone(StrictSerializer):
    phone = PhoneField()


class Code(StrictSerializer):
    code = serializers.CharField(max_length=16)


class Reauthenticate(StrictSerializer):
    password = password()


class ChangePassword(StrictSerializer):
    current_password = password(required=False)
    new_password = password()


class Nothing(StrictSerializer):
    pass


class SignedInUser(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    phone = serializers.CharField()
    name = serializers.CharField()
    language = serializers.CharField()
    is_staff = serializers.BooleanField()


class SignedIn(serializers.Serializer[Any]):
    user = SignedInUser()
    session_token = serializers.CharField(help_text="For the header X-Session-Token from now on.")


class NextStep(serializers.Serializer[Any]):
    next = serializers.ChoiceField(["verify_phone", "login_by_code"])
    session_token = serializers.CharField(help_text="Send it as X-Session-Token with the next step.")


def app_view(view: Any) -> Callable[..., HttpResponseBase]:
    """Return allauth's view for clients without cookies."""
    step: Callable[..., HttpResponseBase] = view.as_api_view(client=Client.APP)
    return step


class AuthStep(APIView):
    """One step of signing in: checks the input, counts the try, lets allauth act, translates its answer."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    input_class: type[StrictSerializer] = Nothing
    step: Callable[..., HttpResponseBase]
    limits: "tuple[limits.Limit, ...]" = ()
    hides_time = False

    def run(self, request: Request) -> Response:
        http = request._request
        data = self._checked_input(request) if request.method == "POST" else {}
        token = request.headers.get(TOKEN_HEADER, "")
        limits.check_limits(self.limits, http, phone=data.get("phone", ""), token=token)
        http._body = json.dumps(data).encode()  # what was checked is what allauth reads
        started_at = time.monotonic()
        try:
            answer = type(self).step(http)
        except ImmediateHttpResponse as stop:
            answer = stop.response
        if self.hides_time:
            time.sleep(max(0.0, started_at + settings.AUTH_ANSWER_SECONDS - time.monotonic()))
        response = translated(answer, token)
        response["Cache-Control"] = "no-store"
        return response

    def _checked_input(self, request: Request) -> dict[str, Any]:
        try:
            request._request.body  # noqa: B018 (read once by Django, so that it may be replaced below)
        except RequestDataTooBig as error:
            raise BodyTooLarge(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) from error
        return self.input_class(data=request.data or {}).checked()


def translated(answer: Any, token: str) -> Response:
    """Return allauth's answer as ours: signed in (200), a next step (202), or a refusal raised."""
    body = json.loads(answer.content) if answer.content else {}
    given = (body.get("meta") or {}).get("session_token") or token
    if answer.status_code == 200:
        user = (body.get("data") or {}).get("user")
        return Response({"user": user, "session_token": given})
    if answer.status_code == 202:
        return Response({"next": "verify_phone", "session_token": given}, status=202)
    flows = (body.get("data") or {}).get("flows", [])
    pending = [flow["id"] for flow in flows if flow.get("is_pending")]
    if answer.status_code == 401 and pending:
        return Response({"next": pending[0], "session_token": given}, status=202)
    raise _refusal(answer.status_code, body)


def _refusal(status: int, body: dict[str, Any]) -> DomainError:
    if status == 400:
        return _invalid(body.get("errors", []))
    if status == 403:
        return NotAllowed()
    if status == 409:
        message = _("This does not fit the state of your sign-in. Start again with a new code.")
        return Conflict(message, code="wrong_step")
    if status == 401 and (body.get("meta") or {}).get("is_authenticated"):
        message = _("Give your password once more first.")
        return NotSignedIn(message, code="reauthentication_required")
    return NotSignedIn()


def _invalid(errors: list[dict[str, Any]]) -> InvalidInput:
    fields: dict[str, list[str]] = {}
    for error in errors:
        fields.setdefault(error.get("param", "body"), []).append(error["message"])
    return InvalidInput(code=errors[0]["code"] if errors else "", fields=fields)


_ANSWERS = {200: SignedIn, 202: NextStep}


class SignUpView(AuthStep):
    """Make an account; a code goes to the phone."""

    input_class, limits, hides_time = SignUp, limits.SMS, True
    step = staticmethod(app_view(steps.SignUpStep))

    @extend_schema(request=SignUp, responses={202: NextStep}, tags=["auth"])
    def post(self, request: Request) -> Response:
        return self.run(request)


class VerifyPhoneView(AuthStep):
    """Enter the code of a sign-up or of a new phone."""

    input_class, limits = Code, limits.CODE
    step = staticmethod(app_view(steps.VerifyPhoneStep))

    @extend_schema(request=Code, responses={200: SignedIn}, tags=["auth"])
    def post(self, request: Request) -> Response:
        return self.run(request)


class ResendPhoneView(AuthStep):
    """Have the code of a sign-up sent once more."""

    limits = limits.RESEND
    step = staticmethod(app_view(allauth_views.ResendPhoneVerificationCodeView))

    @extend_schema(request=None, responses={202: NextStep}, tags=["auth"])
    def post(self, request: Request) -> Response:
        response = self.run(request)
        token = request.headers.get(TOKEN_HEADER, "")
        response.data, response.status_code = {"next": "verify_phone", "session_token": token}, 202
        return response


class LoginView(AuthStep):
    """Sign in by password."""

    input_class, limits, hides_time = Login, limits.LOGIN, True
    step = staticmethod(app_view(steps.LoginStep))

    @extend_schema(request=Login, responses=_ANSWERS, tags=["auth"])
    def post(self, request: Request) -> Response:
        return self.run(request)


class RequestCodeView(AuthStep):
    """Ask for a code to sign in with, also after forgetting the password."""

    input_class, limits, hides_time = Phone, limits.SMS, True
    step = staticmethod(app_view(allauth_views.RequestLoginCodeView))

    @extend_schema(request=Phone, responses={202: NextStep}, tags=["auth"])
    def post(self, request: Request) -> Response:
        return self.run(request)


class ConfirmCodeView(AuthStep):
    """Sign in by the code."""

    input_class, limits = Code, limits.CODE
    step = staticmethod(app_view(steps.ConfirmCodeStep))

    @extend_schema(request=Code, responses={200: SignedIn}, tags=["auth"])
    def post(self, request: Request) -> Response:
        return self.run(request)


class SessionView(AuthStep):
    """Who is signed in by this token; DELETE signs out."""

    step = staticmethod(app_view(allauth_views.SessionView))

    @extend_schema(responses=_ANSWERS, tags=["auth"])
    def get(self, request: Request) -> Response:
        return self.run(request)

    @extend_schema(request=None, responses={204: None}, tags=["auth"])
    def delete(self, request: Request) -> Response:
        try:
            self.run(request)
        except NotSignedIn:
            pass  # allauth's way of saying that the sign-out worked; one that was out already stays out
        return Response(status=204)


class ReauthenticateView(AuthStep):
    """Give the password once more, before changing the phone."""

    input_class, limits = Reauthenticate, limits.PASSWORD
    step = staticmethod(app_view(allauth_views.ReauthenticateView))

    @extend_schema(request=Reauthenticate, responses={200: SignedIn}, tags=["auth"])
    def post(self, request: Request) -> Response:
        return self.run(request)


class ChangePasswordView(AuthStep):
    """Set a new password by the current one, or within five minutes of a sign-in by code.

    Every other device is signed out.
    """

    input_class, limits = ChangePassword, limits.PASSWORD
    step = staticmethod(app_view(steps.ChangePasswordStep))

    @extend_schema(request=ChangePassword, responses={200: SignedIn}, tags=["auth"])
    def post(self, request: Request) -> Response:
        return self.run(request)


class ChangePhoneView(AuthStep):
    """Move the account to a new phone; a code goes there."""

    input_class, limits = Phone, limits.SMS
    step = staticmethod(app_view(allauth_views.ManagePhoneView))

    @extend_schema(request=Phone, responses={202: NextStep}, tags=["auth"])
    def post(self, request: Request) -> Response:
        return self.run(request)
