"""Verification of merchants and anchors: actions with a page that asks, and filters (layer: faces)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin.decisions import Decision, ask_and_decide
from accounts.admin.photos import pictures
from accounts.choices import VerificationStatus
from accounts.models import Anchor, Merchant
from accounts.services.verification import refuse_anchors, refuse_merchants, verify_anchor, verify_merchant
from matchmaker.core.admin import SOON, ReadOnlyAdmin, badge, expiry
from matchmaker.core.weeks import town_today

TONES = {
    VerificationStatus.PENDING: "warn",
    VerificationStatus.VERIFIED: "good",
    VerificationStatus.REFUSED: "bad",
}


def verification_tone(party: Merchant | Anchor) -> tuple[str, str]:
    """Return (tone, words) for how far the verification of a party is."""
    lapsed = party.verified_until is not None and party.verified_until < town_today()
    if party.verification == VerificationStatus.VERIFIED and lapsed:
        return "bad", _("lapsed")
    return TONES[VerificationStatus(party.verification)], str(party.get_verification_display())  # type: ignore[union-attr]


def verify_party(actor: Any, party: Merchant | Anchor, _reason_code: str, note: str) -> None:
    """Call the service that verifies this kind of party."""
    if isinstance(party, Merchant):
        verify_merchant(actor=actor, merchant=party, note=note)
    else:
        verify_anchor(actor=actor, anchor=party, note=note)


def refuse_party(actor: Any, party: Merchant | Anchor, reason_code: str, note: str) -> None:
    """Call the service that refuses this kind of party."""
    if isinstance(party, Merchant):
        refuse_merchants(actor=actor, merchants=[party], reason_code=reason_code, note=note)
    else:
        refuse_anchors(actor=actor, anchors=[party], reason_code=reason_code, note=note)


def identities(parties: Sequence[Merchant | Anchor]) -> list[list[str]]:
    """Return for each party the lines that the decision is about."""
    seen = pictures([party for party in parties if isinstance(party, Merchant)])
    return [[" · ".join(_identity(party)), *_licence(party, seen)] for party in parties]


def _licence(party: Merchant | Anchor, seen: dict[int, str]) -> list[str]:
    return [seen.get(party.pk, _("no photo of the licence"))] if isinstance(party, Merchant) else []


def _identity(party: Merchant | Anchor) -> list[str]:
    if isinstance(party, Merchant):
        ends = party.licence_expires_on
        licence = date_format(ends, "Y-m-d") if ends else _("no end date")
        return [party.credit_code, " ".join([_("licence expires on"), licence])]
    last4 = f"**** {party.id_last4}" if party.id_last4 else "–"
    number = " ".join([_("ID number"), last4])
    return [party.real_name or "–", number, date_format(party.birth_date, "Y-m-d")]


class VerificationFilter(admin.SimpleListFilter):
    """Which parties staff have to look at."""

    title = gettext_lazy("verification")
    parameter_name = "verification"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("pending", _("waiting for verification")),
            ("verified", _("verified")),
            ("lapsing", _("lapses within 30 days")),
            ("lapsed", _("lapsed")),
            ("refused", _("verification refused")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        if value is None:
            return queryset
        today = town_today()
        verified = Q(verification=VerificationStatus.VERIFIED)
        conditions = {
            "pending": Q(verification=VerificationStatus.PENDING),
            "verified": verified & Q(verified_until__gte=today),
            "lapsing": verified & Q(verified_until__gte=today, verified_until__lte=today + SOON),
            "lapsed": verified & Q(verified_until__lt=today),
            "refused": Q(verification=VerificationStatus.REFUSED),
        }
        return queryset.filter(conditions[value]) if value in conditions else queryset.none()


class ArchivedFilter(admin.SimpleListFilter):
    """Hides archived rows until they are asked for."""

    title = gettext_lazy("archived")
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", _("archived only")), ("all", _("all"))]

    def choices(self, changelist: Any) -> Any:
        shown = list(super().choices(changelist))
        shown[0]["display"] = _("not archived")
        return shown

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case None:
                return queryset.filter(archived_at__isnull=True)
            case "yes":
                return queryset.filter(archived_at__isnull=False)
            case _other:
                return queryset


class VerifyingAdmin(ReadOnlyAdmin):
    """A page to look at, with the actions that verify or refuse."""

    change_form_template = "admin/accounts/party_change_form.html"
    actions = ["verify", "refuse"]

    def has_verify_permission(self, request: HttpRequest) -> bool:
        return self.may_change(request)

    @admin.action(description=gettext_lazy("Verify …"), permissions=["verify"])
    def verify(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        decision = Decision(
            action="verify",
            title=_("Verify the identity of these parties"),
            button=_("Verify"),
            decide=partial(verify_party, request.user),
            describe=identities,
            hint=_("They are shown to partners from now on, for six months at most."),
        )
        return ask_and_decide(self, request, queryset, decision)

    @admin.action(description=gettext_lazy("Refuse verification …"), permissions=["verify"])
    def refuse(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        decision = Decision(
            action="refuse",
            title=_("Refuse to verify these parties"),
            button=_("Refuse"),
            decide=partial(refuse_party, request.user),
            describe=identities,
            tone="bad",
            purpose="refuse",
            needs_reason=True,
            hint=_("They are shown to nobody until they are verified."),
        )
        return ask_and_decide(self, request, queryset, decision)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"may_verify": self.has_verify_permission(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description=gettext_lazy("verification"), ordering="verification")
    def verification_badge(self, party: Merchant | Anchor) -> str:
        return badge(*verification_tone(party))

    @admin.display(description=gettext_lazy("verified until"), ordering="verified_until")
    def verified_until_shown(self, party: Merchant | Anchor) -> str:
        return expiry(party.verified_until, empty="–")
