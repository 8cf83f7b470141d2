"""The doors of the admin: password, second factor, and changing one's own password (layer: faces)."""

from typing import Any

import segno
from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import logout
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import one_time
from accounts.adapter import town_name
from accounts.limits import PASSWORD, SECOND_FACTOR, check_limits
from accounts.models import Authenticator, User
from accounts.services import second_factor
from accounts.services.access import change_password
from accounts.staff_login import StaffLoginForm
from jobs.throttle import TooManyRequests
from matchmaker.core.errors import DomainError

# What a session holds: the authenticator that it passed, and the secret of one that is being added.
PASSED, ADDING = "second_factor", "second_factor_secret"
_READ_AND_POST = require_http_methods(["GET", "HEAD", "POST"])


class CodeForm(forms.Form):
    """A code of the authenticator, or a recovery code."""

    is_over = False  # whether no more tries are left
    code = forms.CharField(
        label=gettext_lazy("one-time code"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )


class OwnPasswordForm(AdminPasswordChangeForm):
    """A new password by the current one; every device and every other browser is signed out."""

    def save(self, commit: bool = True) -> Any:
        change_password(actor=self.user, user=self.user, password=self.cleaned_data["new_password1"])
        return self.user


class StaffSite(AdminSite):
    """Django's admin, whose every page needs the second factor where the town asks for one."""

    login_form = StaffLoginForm

    def has_permission(self, request: HttpRequest) -> bool:
        return self.has_password(request) and has_passed(request)

    def has_password(self, request: HttpRequest) -> bool:
        """Whether somebody of the staff signed in, be it only by password."""
        return super().has_permission(request)

    def get_urls(self) -> list[Any]:
        return [
            path("second-factor/", self.second_factor, name="second_factor"),
            path("second-factor/codes/", self.admin_view(self.recovery_codes), name="recovery_codes"),
            *super().get_urls(),
        ]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "GET" and self.has_password(request) and not has_passed(request):
            query = urlencode({"next": _next(request)})
            return HttpResponseRedirect(f"{reverse('admin:second_factor')}?{query}")
        return super().login(request, extra_context)

    @method_decorator([_READ_AND_POST, sensitive_post_parameters(), never_cache, csrf_protect])
    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Ask for a code, or let the authenticator be added; afterwards the session opens the admin."""
        if not self.has_password(request):
            return HttpResponseRedirect(reverse("admin:login"))
        if has_passed(request):
            return HttpResponseRedirect(_next(request))
        if "leave" in request.POST:
            logout(request)
            return HttpResponseRedirect(reverse("admin:login"))
        if second_factor.authenticator_of(_user(request)):
            return self._ask(request)
        return self._add(request)

    def _ask(self, request: HttpRequest) -> HttpResponse:
        form, answer = self._entered(request, _prove)
        return answer or self._page(request, "second_factor", form, title=_("Second step"))

    def _add(self, request: HttpRequest) -> HttpResponse:
        secret = request.session.get(ADDING) or one_time.new_secret()
        request.session[ADDING] = secret
        form, answer = self._entered(request, _enrol)
        shown = {"secret": secret, "picture": _picture(secret, _user(request))}
        title = _("Add an authenticator")
        return answer or self._page(request, "add_authenticator", form, title=title, **shown)

    def _entered(self, request: HttpRequest, take: Any) -> tuple[CodeForm, HttpResponse | None]:
        """Return the form, and the answer once its code was taken; a try is counted before it is read."""
        form = CodeForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return form, None
        try:
            check_limits(SECOND_FACTOR, request, phone=_user(request).phone)
            codes = take(request, form.cleaned_data["code"])
        except DomainError as error:
            form.is_over = isinstance(error, TooManyRequests)
            form.add_error("code", _sentence(error))
            return form, None
        if codes:
            return form, self._show_codes(request, codes)
        return form, HttpResponseRedirect(_next(request))

    @method_decorator([_READ_AND_POST, sensitive_post_parameters()])
    def recovery_codes(self, request: HttpRequest) -> HttpResponse:
        """Replace the recovery codes, by a fresh code of the authenticator."""
        if second_factor.authenticator_of(_user(request)) is None:
            messages.info(request, _("No second step is asked for here."))
            return HttpResponseRedirect(reverse("admin:index"))
        form, answer = self._entered(request, _renew)
        return answer or self._page(request, "second_factor", form, title=_("New recovery codes"))

    def _show_codes(self, request: HttpRequest, codes: list[str]) -> HttpResponse:
        title = _("Recovery codes")
        return self._page(request, "recovery_codes", None, title=title, codes=codes)

    def _page(self, request: HttpRequest, name: str, form: CodeForm | None, **context: Any) -> HttpResponse:
        context |= {**self.each_context(request), "form": form, "next": _next(request)}
        status = 429 if form is not None and form.is_over else 200
        return TemplateResponse(request, f"admin/{name}.html", context, status=status)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Change one's own password; the current one is tried no more often than at the API."""
        if request.method == "POST":
            try:
                check_limits(PASSWORD, request, token=f"staff:{_user(request).pk}")
            except TooManyRequests as error:
                messages.error(request, str(error.detail))
                return HttpResponseRedirect(reverse("admin:password_change"))
        view = PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return view(request)


def has_passed(request: HttpRequest) -> bool:
    """Whether this session passed the authenticator that counts today, or needs none."""
    user = request.user
    if not isinstance(user, User) or not second_factor.needs_second_factor(user):
        return True
    known: bool | None = getattr(request, "_has_passed", None)
    if known is None:
        passed = request.session.get(PASSED)
        known = bool(passed and Authenticator.objects.filter(user=user, public_id=passed).exists())
        request._has_passed = known  # type: ignore[attr-defined]
    return known


def _prove(request: HttpRequest, code: str) -> list[str]:
    _open(request, second_factor.prove_second_factor(actor=_user(request), code=code))
    return []


def _enrol(request: HttpRequest, code: str) -> list[str]:
    user = _user(request)
    row, codes = second_factor.enrol_authenticator(actor=user, secret=request.session[ADDING], code=code)
    _open(request, row)
    _note(user, _("Added an authenticator."))
    return codes


def _renew(request: HttpRequest, code: str) -> list[str]:
    user = _user(request)
    second_factor.prove_second_factor(actor=user, code=code)
    LogEntry.objects.log_actions(
        user.pk, [user], CHANGE, _("Replaced the recovery codes."), single_object=True
    )
    return second_factor.renew_recovery_codes(actor=user)


def _note(user: User, what: str) -> None:
    LogEntry.objects.log_actions(user.pk, [user], CHANGE, what, single_object=True)


def _open(request: HttpRequest, row: Authenticator) -> None:
    request.session.cycle_key()  # a key that was known before must not open more than before
    request.session.pop(ADDING, None)
    request.session[PASSED] = str(row.public_id)
    request._has_passed = True  # type: ignore[attr-defined]


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101 (`has_password` and `admin_view` let nobody else in)
    return request.user


def _next(request: HttpRequest) -> str:
    """Where to go on to: an address of this very host, else the first page."""
    url = request.POST.get("next") or request.GET.get("next") or ""
    hosts = {request.get_host()}
    if url_has_allowed_host_and_scheme(url, allowed_hosts=hosts, require_https=request.is_secure()):
        return resolve_url(url)
    return reverse("admin:index")


def _sentence(error: DomainError) -> str:
    return next((str(text) for texts in error.fields.values() for text in texts), str(error.detail))


def _picture(secret: str, user: User) -> SafeString:
    address = one_time.address_of_secret(secret, name=str(user), issuer=town_name())
    drawn = segno.make(address, error="m").svg_inline(scale=5, border=2, dark="#000", light="#fff")
    return mark_safe(drawn)  # noqa: S308 (drawn by us: squares, no text)
