"""Addresses of signing in, tokens and the asker; below `/api/v1/`."""

from django.urls import path

from accounts.api import (
    auth,
    openapi,  # noqa: F401 (drf-spectacular finds its extensions by import)
    privacy,
    tokens,
)

urlpatterns = [
    path("auth/signup/", auth.SignUpView.as_view()),
    path("auth/phone/verify/", auth.VerifyPhoneView.as_view()),
    path("auth/phone/resend/", auth.ResendPhoneView.as_view()),
    path("auth/phone/change/", auth.ChangePhoneView.as_view()),
    path("auth/login/", auth.LoginView.as_view()),
    path("auth/code/request/", auth.RequestCodeView.as_view()),
    path("auth/code/confirm/", auth.ConfirmCodeView.as_view()),
    path("auth/session/", auth.SessionView.as_view()),
    path("auth/reauthenticate/", auth.ReauthenticateView.as_view()),
    path("auth/password/change/", auth.ChangePasswordView.as_view()),
    path("accounts/me/", tokens.MeView.as_view()),
    path("accounts/me/consents/", privacy.ConsentsView.as_view()),
    path("accounts/me/export/", privacy.ExportView.as_view()),
    path("accounts/me/erase/", privacy.EraseView.as_view()),
    path("devices/", tokens.DevicesView.as_view()),
    path("devices/<uuid:public_id>/", tokens.DeviceView.as_view()),
    path("tokens/", tokens.ApiTokensView.as_view()),
    path("tokens/<uuid:public_id>/", tokens.ApiTokenView.as_view()),
]
