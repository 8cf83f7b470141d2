"""Merchants, stalls and anchors: lists, pages to look at, history, verification, export (layer: faces)."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.fields import Field

from accounts.admin import wording
from accounts.admin.decisions import ask_and_decide, erasing
from accounts.admin.exports import CsvExport, SafeResource
from accounts.admin.history import HistoryAdmin
from accounts.admin.photos import LicencePhotoPages
from accounts.admin.verifying import ArchivedFilter, VerificationFilter, VerifyingAdmin
from accounts.models import (
    Anchor,
    CalendarException,
    ImportedFile,
    Membership,
    Merchant,
    Stall,
    Verification,
)
from accounts.selectors import reference
from accounts.services.erasure import request_anchor_erasure
from accounts.services.people import CHANGE_USER
from matchmaker.core.admin import SOON, ReadOnlyAdmin, ReadOnlyInline, expiry
from matchmaker.core.money import percent, yuan
from matchmaker.core.weeks import town_today

DASH = "–"


def rate(value: Any) -> str:
    return DASH if value is None else percent(value)


class MembershipInline(ReadOnlyInline):
    model = Membership
    fields = ["user", "role", "created_at"]
    readonly_fields = ["created_at"]
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("user", "merchant", "anchor")


class VerificationInline(ReadOnlyInline):
    model = Verification
    fields = ["created_at", "status", "verified_until", "reason", "note", "decided_by"]
    readonly_fields = ["created_at", "reason"]
    show_change_link = False
    ordering = ["-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).select_related("decided_by", "merchant", "anchor")
        return wording.with_reason_names(rows)

    @admin.display(description=gettext_lazy("reason"))
    def reason(self, row: Verification) -> str:
        return wording.reason_of(row)


class StallInline(ReadOnlyInline):
    model = Stall
    fields = ["name", "zone", "floor", "number", "streaming_permit", "archived_at"]
    readonly_fields = ["archived_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("zone")


class CalendarInline(ReadOnlyInline):
    model = CalendarException
    fields = ["on", "free_hours"]
    readonly_fields = ["free_hours"]
    show_change_link = False
    ordering = ["on"]

    @admin.display(description=gettext_lazy("free hours"))
    def free_hours(self, row: CalendarException) -> str:
        return wording.ranges(row.hours)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(on__gte=town_today())


class LicenceFilter(admin.SimpleListFilter):
    """Licences that are over or end soon."""

    title = gettext_lazy("licence")
    parameter_name = "licence"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("expired", _("expired")), ("soon", _("expires within 30 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        today = town_today()
        match self.value():
            case "expired":
                return queryset.filter(licence_expires_on__lt=today)
            case "soon":
                return queryset.filter(licence_expires_on__range=(today, today + SOON))
            case _other:
                return queryset


class MerchantResource(SafeResource):
    name = Field("name", gettext_lazy("name"))
    credit_code = Field("credit_code", gettext_lazy("unified social credit code"))
    licence_expires_on = Field("licence_expires_on", gettext_lazy("licence expires on"))
    verification = Field("get_verification_display", gettext_lazy("verification"))
    verified_until = Field("verified_until", gettext_lazy("verified until"))
    stalls = Field("stall_count", gettext_lazy("stalls"))
    contact_name = Field("contact_name", gettext_lazy("contact"))


@admin.register(Merchant)
class MerchantAdmin(LicencePhotoPages, CsvExport, VerifyingAdmin, HistoryAdmin):
    resource_classes = [MerchantResource]
    list_display = [
        "name",
        "credit_code",
        "licence",
        "verification_badge",
        "verified_until_shown",
        "stall_count",
    ]
    list_filter = [VerificationFilter, LicenceFilter, ArchivedFilter]
    search_fields = ["name", "credit_code__endswith"]
    search_help_text = gettext_lazy("A name, or the last characters of the credit code.")
    ordering = ["pk"]
    inlines = [StallInline, VerificationInline, MembershipInline]
    fieldsets = [
        (None, {"fields": ["name", "credit_code", "licence", "contact_name", "contact_phone"]}),
        (
            gettext_lazy("verification"),
            {"fields": ["verification_badge", "verified_until_shown", "photo_of_licence"]},
        ),
        (None, {"fields": ["is_personalised", "created_at", "updated_at", "archived_at"]}),
    ]
    readonly_fields = ["created_at", "updated_at", "archived_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        standing = Count("stalls", filter=Q(stalls__archived_at__isnull=True))
        return super().get_queryset(request).annotate(stall_count=standing)

    @admin.display(description=gettext_lazy("licence expires on"), ordering="licence_expires_on")
    def licence(self, merchant: Merchant) -> str:
        return expiry(merchant.licence_expires_on, empty=_("no end date"))

    @admin.display(description=gettext_lazy("stalls"), ordering="stall_count")
    def stall_count(self, merchant: Any) -> int:
        return merchant.stall_count


class StallResource(SafeResource):
    name = Field("name", gettext_lazy("name"))
    merchant = Field("merchant__name", gettext_lazy("merchant"))
    zone = Field("zone__name", gettext_lazy("zone"))
    floor = Field("floor", gettext_lazy("floor"))
    number = Field("number", gettext_lazy("number"))
    categories = Field(column_name=gettext_lazy("categories"))
    price_min = Field(column_name=gettext_lazy("lowest price on air"))
    price_max = Field(column_name=gettext_lazy("highest price on air"))
    moq = Field("moq", gettext_lazy("MOQ"))
    restock_days = Field("restock_days", gettext_lazy("restock days"))
    commission = Field(column_name=gettext_lazy("commission offered"))
    slot_fee = Field(column_name=gettext_lazy("slot fee offered"))
    streaming_permit = Field("get_streaming_permit_display", gettext_lazy("streaming permit"))
    weekly_capacity = Field("weekly_capacity", gettext_lazy("bookings per week"))

    def dehydrate_categories(self, stall: Stall) -> str:
        return " ".join(stall.categories)

    def dehydrate_price_min(self, stall: Stall) -> str:
        return f"{stall.price_min_cents / 100:.2f}"

    def dehydrate_price_max(self, stall: Stall) -> str:
        return f"{stall.price_max_cents / 100:.2f}"

    def dehydrate_commission(self, stall: Stall) -> str:
        return percent(stall.commission_rate)

    def dehydrate_slot_fee(self, stall: Stall) -> str:
        return f"{stall.slot_fee_cents / 100:.2f}"


class OfferFields:
    """Columns and fields that stalls and anchors show alike."""

    @admin.display(description=gettext_lazy("categories"))
    def category_names(self, row: Stall | Anchor) -> str:
        return wording.names_of(reference().categories, row.categories)

    @admin.display(description=gettext_lazy("styles"))
    def style_names(self, row: Stall | Anchor) -> str:
        return wording.names_of(reference().styles, row.styles)

    @admin.display(description=gettext_lazy("languages on air"))
    def language_names(self, row: Stall | Anchor) -> str:
        return wording.names_of(reference().languages, row.languages)

    @admin.display(description=gettext_lazy("platforms"))
    def platform_lines(self, row: Stall | Anchor) -> str:
        return wording.platforms(row.platforms)

    @admin.display(description=gettext_lazy("cooperation modes"))
    def mode_names(self, row: Stall | Anchor) -> str:
        return wording.modes(row.cooperation_modes)

    @admin.display(description=gettext_lazy("commission rate"), ordering="commission_rate")
    def commission(self, row: Stall | Anchor) -> str:
        return percent(row.commission_rate)

    @admin.display(description=gettext_lazy("slot fee"), ordering="slot_fee_cents")
    def slot_fee(self, row: Stall | Anchor) -> str:
        return yuan(row.slot_fee_cents)

    @admin.display(description=gettext_lazy("audience by age"))
    def by_age(self, row: Stall | Anchor) -> str:
        return wording.shares(row.audience_age)

    @admin.display(description=gettext_lazy("audience by gender"))
    def by_gender(self, row: Stall | Anchor) -> str:
        return wording.shares(row.audience_gender)

    @admin.display(description=gettext_lazy("audience by city tier"))
    def by_city_tier(self, row: Stall | Anchor) -> str:
        return wording.shares(row.audience_city_tier)

    @admin.display(description=gettext_lazy("hours for streams"))
    def hours(self, row: Stall | Anchor) -> str:
        return wording.hours(row.availability)


AUDIENCE = ["by_age", "by_gender", "by_city_tier"]


@admin.register(Stall)
class StallAdmin(OfferFields, CsvExport, ReadOnlyAdmin, HistoryAdmin):
    resource_classes = [StallResource]
    list_display = [
        "name", "merchant", "zone", "floor", "number", "price_band", "commission", "slot_fee",
        "moq", "restock_days", "streaming_permit",
    ]  # fmt: skip
    list_filter = ["zone", "floor", "streaming_permit", ArchivedFilter]
    list_select_related = ["merchant", "zone"]
    search_fields = ["name", "number", "merchant__name"]
    ordering = ["pk"]
    inlines = [CalendarInline]
    fieldsets = [
        (None, {"fields": ["name", "merchant", "zone", "floor", "number", "description"]}),
        (
            gettext_lazy("goods"),
            {
                "fields": [
                    "category_names", "style_names", "price_band", "moq", "stock_depth", "restock_days",
                    "returns",
                ]
            },
        ),
        (
            gettext_lazy("offer"),
            {"fields": ["commission", "slot_fee", "mode_names", "platform_lines", "language_names"]},
        ),
        (gettext_lazy("audience wanted"), {"fields": ["followers_wanted_min", *AUDIENCE]}),
        (
            gettext_lazy("streaming"),
            {"fields": ["streaming_permit", "weekly_capacity", "hosts_at_once", "hours"]},
        ),
        (None, {"fields": ["created_at", "updated_at", "archived_at"]}),
    ]  # fmt: skip
    readonly_fields = ["created_at", "updated_at", "archived_at"]

    @admin.display(description=gettext_lazy("price band"), ordering="price_min_cents")
    def price_band(self, stall: Stall) -> str:
        return f"{yuan(stall.price_min_cents)}–{yuan(stall.price_max_cents)}"

    @admin.display(description=gettext_lazy("return rate"))
    def returns(self, stall: Stall) -> str:
        return rate(stall.return_rate)


class AnchorResource(SafeResource):
    display_name = Field("display_name", gettext_lazy("name on air"))
    region = Field("region__name", gettext_lazy("region"))
    followers = Field("followers", gettext_lazy("followers"))
    average_viewers = Field("average_viewers", gettext_lazy("average viewers"))
    categories = Field(column_name=gettext_lazy("categories"))
    commission = Field(column_name=gettext_lazy("commission wanted"))
    slot_fee = Field(column_name=gettext_lazy("slot fee wanted"))
    weekly_capacity = Field("weekly_capacity", gettext_lazy("bookings per week"))
    verification = Field("get_verification_display", gettext_lazy("verification"))
    verified_until = Field("verified_until", gettext_lazy("verified until"))

    def dehydrate_categories(self, anchor: Anchor) -> str:
        return " ".join(anchor.categories)

    def dehydrate_commission(self, anchor: Anchor) -> str:
        return percent(anchor.commission_rate)

    def dehydrate_slot_fee(self, anchor: Anchor) -> str:
        return f"{anchor.slot_fee_cents / 100:.2f}"


@admin.register(Anchor)
class AnchorAdmin(OfferFields, CsvExport, VerifyingAdmin, HistoryAdmin):
    resource_classes = [AnchorResource]
    list_display = [
        "display_name", "region", "followers", "average_viewers", "commission", "slot_fee",
        "verification_badge", "verified_until_shown",
    ]  # fmt: skip
    list_filter = [VerificationFilter, ArchivedFilter, "is_on_site", "region"]
    list_select_related = ["region"]
    search_fields = ["display_name", "real_name"]
    ordering = ["pk"]
    inlines = [VerificationInline, MembershipInline, CalendarInline]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "display_name", "real_name", "id_number", "birth_date", "guardian_consent_on",
                    "contact_phone", "legal_basis", "region", "bio",
                ]
            },
        ),
        (gettext_lazy("verification"), {"fields": ["verification_badge", "verified_until_shown"]}),
        (
            gettext_lazy("audience"),
            {"fields": ["platform_lines", "followers", "average_viewers", *AUDIENCE]},
        ),
        (gettext_lazy("goods"), {"fields": ["category_names", "style_names", "language_names"]}),
        (
            gettext_lazy("wishes"),
            {
                "fields": [
                    "commission", "is_commission_floor", "slot_fee", "mode_names", "moq_max",
                    "stock_depth_min", "restock_days_max", "returns",
                ]
            },
        ),
        (gettext_lazy("streaming"), {"fields": ["weekly_capacity", "is_on_site", "hours"]}),
        (None, {"fields": ["is_personalised", "created_at", "updated_at", "archived_at"]}),
    ]  # fmt: skip
    readonly_fields = ["created_at", "updated_at", "archived_at"]
    actions = [*VerifyingAdmin.actions, "erase"]

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(CHANGE_USER)

    @admin.action(description=gettext_lazy("Erase …"), permissions=["erase"])
    def erase(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        return ask_and_decide(self, request, queryset, erasing(partial(self._erase, request)))

    def _erase(self, request: HttpRequest, anchor: Anchor, _reason_code: str, _note: str) -> None:
        row = request_anchor_erasure(actor=request.user, anchor=anchor)  # type: ignore[arg-type]
        anchor.refresh_from_db()
        self.log_change(request, anchor, _("Erased as %(name)s.") % {"name": row.pseudonym})

    @admin.display(description=gettext_lazy("ID number"))
    def id_number(self, anchor: Anchor) -> str:
        return f"**** {anchor.id_last4}" if anchor.id_last4 else DASH

    @admin.display(description=gettext_lazy("highest return rate tolerated"))
    def returns(self, anchor: Anchor) -> str:
        return rate(anchor.return_rate_max)


@admin.register(ImportedFile)
class ImportedFileAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "kind", "scope", "imported_by", "short_digest"]
    list_filter = ["kind"]
    list_select_related = ["imported_by"]
    ordering = ["-pk"]
    fields = ["created_at", "kind", "scope", "imported_by", "digest", "report"]
    readonly_fields = ["created_at"]

    @admin.display(description=gettext_lazy("fingerprint"))
    def short_digest(self, row: ImportedFile) -> str:
        return format_html("<code>{}</code>", row.digest[:12])
