"""Users by phone, their devices and tokens; blocking and revoking go through services (layer: faces)."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin.decisions import Decision, ask_and_decide, erasing
from accounts.models import ApiToken, DeviceToken, Membership, User
from accounts.phones import normalize_phone
from accounts.services.access import change_password, revoke_api_token, revoke_device
from accounts.services.erasure import request_erasure
from accounts.services.people import block_user, unblock_user
from accounts.services.second_factor import authenticator_of, reset_second_factor
from matchmaker.core.admin import ReadOnlyAdmin, ReadOnlyInline, badge
from matchmaker.core.errors import InvalidInput


class NewUserForm(forms.ModelForm):
    """A user that an administrator makes: mostly town staff."""

    password = forms.CharField(
        label=gettext_lazy("password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = User
        fields = ["phone", "name", "language", "is_staff", "groups"]

    def clean_phone(self) -> str:
        try:
            return normalize_phone(self.cleaned_data["phone"])
        except InvalidInput as error:
            raise forms.ValidationError(list(error.fields["phone"])) from error

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password

    def save(self, commit: bool = True) -> User:
        self.instance.set_password(self.cleaned_data["password"])
        # The administrator vouches for the number.
        self.instance.phone_verified_at = timezone.now()
        user: User = super().save(commit)
        return user


class UserMembershipInline(ReadOnlyInline):
    model = Membership
    fields = ["merchant", "anchor", "role", "created_at"]
    readonly_fields = ["created_at"]
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("user", "merchant", "anchor")


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    """Only administrators add users and change what they may; staff block and unblock."""

    list_display = ["masked_phone", "name", "is_staff", "active", "last_login", "created_at"]
    list_filter = ["is_staff", "is_active", "groups"]
    search_fields = ["name", "phone__endswith"]
    # What is searched for stands in the address, and addresses stand in logs.
    search_help_text = gettext_lazy("A name, or the last four digits of a phone.")
    ordering = ["pk"]
    list_per_page = 50
    filter_horizontal = ["groups"]
    actions = ["block", "unblock", "erase", "reset_second_factor"]
    change_form_template = "admin/accounts/user_change_form.html"
    fieldsets = [
        (None, {"fields": ["phone", "phone_verified_at", "name", "language"]}),
        (
            gettext_lazy("permissions"),
            {"fields": ["active", "is_staff", "is_superuser", "second_factor", "groups"]},
        ),
        (None, {"fields": ["last_login", "created_at"]}),
    ]
    readonly_fields = [
        "phone", "phone_verified_at", "active", "is_superuser", "second_factor", "last_login", "created_at",
    ]  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)  # type: ignore[union-attr]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)  # type: ignore[union-attr]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_block_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_user")

    def has_reset_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)  # type: ignore[union-attr]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewUserForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["phone", "name", "language", "password", "is_staff", "groups"]})]
        return super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else self.readonly_fields

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return [] if obj is None else [UserMembershipInline]

    def get_urls(self) -> list[Any]:
        password = path(
            "<int:user_id>/password/",
            self.admin_site.admin_view(self.password_view),
            name="auth_user_password_change",
        )
        return [password, *super().get_urls()]

    def password_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """A new password for somebody who cannot sign in; every device of theirs is signed out."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        user = get_object_or_404(User, pk=user_id)
        form = SetPasswordForm(user, request.POST or None)
        if request.method == "POST" and form.is_valid():
            change_password(actor=request.user, user=user, password=form.cleaned_data["new_password1"])  # type: ignore[arg-type]
            self.log_change(request, user, _("Changed the password."))
            self.message_user(request, _("The password was changed; every device is signed out."))
            return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[user.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": _("New password for %(user)s") % {"user": user},
            "opts": self.opts,
            "form": form,
            "original": user,
        }
        return TemplateResponse(request, "admin/accounts/password.html", context)

    @admin.action(description=gettext_lazy("Block …"), permissions=["block"])
    def block(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        decision = Decision(
            action="block",
            title=_("Block these users"),
            button=_("Block"),
            decide=partial(self._block, request),
            tone="bad",
            hint=_("They are signed out everywhere and cannot sign in; their machine tokens end."),
        )
        return ask_and_decide(self, request, queryset, decision)

    @admin.action(description=gettext_lazy("Unblock …"), permissions=["block"])
    def unblock(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        decision = Decision(
            action="unblock",
            title=_("Unblock these users"),
            button=_("Unblock"),
            decide=partial(self._unblock, request),
            hint=_("They can sign in again."),
        )
        return ask_and_decide(self, request, queryset, decision)

    @admin.action(description=gettext_lazy("Reset the second factor …"), permissions=["reset"])
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        decision = Decision(
            action="reset_second_factor",
            title=_("Reset the second factor of these users"),
            button=_("Reset"),
            decide=partial(self._reset, request),
            tone="bad",
            hint=_("Make sure whom you speak to. They are signed out and add a new authenticator."),
        )
        return ask_and_decide(self, request, queryset, decision)

    def _reset(self, request: HttpRequest, user: User, _reason_code: str, note: str) -> None:
        reset_second_factor(actor=request.user, user=user)  # type: ignore[arg-type]
        self.log_change(request, user, " ".join(filter(None, [_("Reset the second factor."), note])))

    @admin.action(description=gettext_lazy("Erase …"), permissions=["block"])
    def erase(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        return ask_and_decide(self, request, queryset, erasing(partial(self._erase, request)))

    def _erase(self, request: HttpRequest, user: User, _reason_code: str, _note: str) -> None:
        row = request_erasure(actor=request.user, user=user)  # type: ignore[arg-type]
        user.refresh_from_db()
        self.log_change(request, user, _("Erased as %(name)s.") % {"name": row.pseudonym})

    def _block(self, request: HttpRequest, user: User, _reason_code: str, note: str) -> None:
        block_user(actor=request.user, user=user)  # type: ignore[arg-type]
        self.log_change(request, user, " ".join(filter(None, [_("Blocked."), note])))

    def _unblock(self, request: HttpRequest, user: User, _reason_code: str, note: str) -> None:
        unblock_user(actor=request.user, user=user)  # type: ignore[arg-type]
        self.log_change(request, user, " ".join(filter(None, [_("Unblocked."), note])))

    @admin.display(description=gettext_lazy("phone"), ordering="phone")
    def masked_phone(self, user: User) -> str:
        return user.masked_phone

    @admin.display(description=gettext_lazy("second factor"))
    def second_factor(self, user: User) -> str:
        row = authenticator_of(user)
        return badge("good", _("authenticator added")) if row else badge("quiet", _("none"))

    @admin.display(description=gettext_lazy("state"), ordering="is_active")
    def active(self, user: User) -> str:
        return badge("good", _("active")) if user.is_active else badge("bad", _("blocked"))


class TokenAdmin(ReadOnlyAdmin):
    """Tokens to look at and to end; no secret is stored, so none can be shown."""

    list_select_related = ["user"]
    ordering = ["-pk"]
    actions = ["revoke"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.may_change(request)

    @admin.action(description=gettext_lazy("Revoke …"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        decision = Decision(
            action="revoke",
            title=_("Revoke these tokens"),
            button=_("Revoke"),
            decide=partial(self._revoke, request),
            tone="bad",
            hint=_("Whoever uses them is shut out at once."),
        )
        return ask_and_decide(self, request, queryset.select_related("user"), decision)

    def _revoke(self, request: HttpRequest, token: Any, _reason_code: str, note: str) -> None:
        self.end(request, token)
        self.log_change(request, token, " ".join(filter(None, [_("Revoked."), note])))

    def end(self, request: HttpRequest, token: Any) -> None:
        raise NotImplementedError

    @admin.display(description=gettext_lazy("state"))
    def state(self, token: ApiToken | DeviceToken) -> str:
        if token.revoked_at:
            return badge("bad", _("revoked"))
        return (
            badge("quiet", _("expired")) if token.expires_at <= timezone.now() else badge("good", _("valid"))
        )


@admin.register(ApiToken)
class ApiTokenAdmin(TokenAdmin):
    list_display = ["name", "prefix", "user", "scope_list", "state", "expires_at", "last_used_at"]
    search_fields = ["name", "prefix", "user__name"]
    fields = ["name", "prefix", "user", "scope_list", "state", "expires_at", "last_used_at", "revoked_at"]

    def end(self, request: HttpRequest, token: ApiToken) -> None:
        revoke_api_token(actor=request.user, token=token)  # type: ignore[arg-type]

    @admin.display(description=gettext_lazy("scopes"))
    def scope_list(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)


@admin.register(DeviceToken)
class DeviceTokenAdmin(TokenAdmin):
    list_display = ["device_name", "user", "state", "expires_at", "last_used_at"]
    search_fields = ["device_name", "user__name"]
    fields = ["device_name", "user", "state", "expires_at", "last_used_at", "revoked_at"]

    def end(self, request: HttpRequest, token: DeviceToken) -> None:
        revoke_device(actor=request.user, device=token)  # type: ignore[arg-type]
