"""Who takes part: merchants with their stalls, anchors, and the users who act for them (layer: models).

Lists of reference codes (categories, styles, …) and marginal shares are JSON on the row, checked by the
services: a party is read, versioned and kept in history as one row, and a snapshot of 50,000 is one query
(docs/decisions/0002-codes-on-the-row.md).
"""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from accounts.choices import MemberRole, StreamingPermit, VerificationStatus
from accounts.models.reference import Region, Zone
from matchmaker.core.models import Public, TimeStamped, Versioned

SHARE = [MinValueValidator(0), MaxValueValidator(1)]


def rate_field(label: Any, **options: object) -> models.DecimalField:
    """Return a column for a share in [0, 1]."""
    return models.DecimalField(label, max_digits=5, decimal_places=4, validators=SHARE, **options)  # type: ignore[arg-type]


def is_share(name: str, label: str) -> models.CheckConstraint:
    """Return the constraint that column `name` is empty or lies in [0, 1]."""
    return models.CheckConstraint(
        condition=Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gte": 0, f"{name}__lte": 1}), name=label
    )


class Party(Public, TimeStamped, Versioned):
    """What merchants and anchors have in common: they are verified for six months at a time, and archived."""

    verification = models.CharField(
        _("verification"),
        max_length=16,
        choices=VerificationStatus.choices,
        default=VerificationStatus.PENDING,
        editable=False,
    )
    verified_until = models.DateField(_("verified until"), null=True, blank=True, editable=False)
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True, editable=False)
    is_personalised = models.BooleanField(
        _("personalised"), default=True, help_text=_("Off: ranked by neutral facts only, without history.")
    )

    class Meta:
        abstract = True


class Merchant(Party):
    """One row per seller of record."""

    name = models.CharField(_("name"), max_length=120)
    credit_code = models.CharField(
        _("unified social credit code"), max_length=18, help_text=_("18 characters, GB 32100-2015.")
    )
    licence_expires_on = models.DateField(
        _("licence expires on"), null=True, blank=True, help_text=_("Empty: no end date (长期).")
    )
    contact_name = models.CharField(_("contact"), max_length=60, blank=True)
    contact_phone = models.CharField(_("contact phone"), max_length=16, blank=True)
    history = HistoricalRecords()

    class Meta:
        verbose_name = _("merchant")
        verbose_name_plural = _("merchants")
        constraints = [
            models.UniqueConstraint(
                fields=["credit_code"],
                condition=Q(archived_at__isnull=True),
                name="merchant_credit_code_unique",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Stall(Public, TimeStamped, Versioned):
    """One row per tenancy of one merchant: a wholesale unit with what it offers and wishes."""

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="stalls", verbose_name=_("merchant"))
    name = models.CharField(_("name"), max_length=120)
    zone = models.ForeignKey(Zone, models.PROTECT, related_name="stalls", verbose_name=_("zone"))
    floor = models.SmallIntegerField(_("floor"))
    number = models.CharField(_("number"), max_length=16)
    description = models.TextField(_("description"), max_length=2000, blank=True)
    categories = models.JSONField(_("categories"), default=list, help_text=_("Category codes."))
    styles = models.JSONField(_("styles"), default=list, blank=True, help_text=_("Style codes."))
    price_min_cents = models.BigIntegerField(_("lowest price on air"), help_text=_("Cents of CNY per piece."))
    price_max_cents = models.BigIntegerField(
        _("highest price on air"), help_text=_("Cents of CNY per piece.")
    )
    moq = models.PositiveIntegerField(_("MOQ"), default=1, help_text=_("Pieces per style."))
    stock_depth = models.PositiveIntegerField(
        _("stock depth"), default=0, help_text=_("Pieces behind a style.")
    )
    restock_days = models.PositiveSmallIntegerField(_("restock days"), default=7)
    return_rate = rate_field(_("return rate"), null=True, blank=True)
    commission_rate = rate_field(_("commission offered"))
    slot_fee_cents = models.BigIntegerField(
        _("slot fee offered"), default=0, help_text=_("Cents of CNY, at most.")
    )
    cooperation_modes = models.JSONField(_("cooperation modes"), default=list)
    platforms = models.JSONField(_("platforms wanted"), default=list, blank=True)
    languages = models.JSONField(_("languages wanted"), default=list, blank=True)
    followers_wanted_min = models.PositiveBigIntegerField(
        _("followers wanted, at least"), null=True, blank=True
    )
    audience_age = models.JSONField(_("audience wanted by age"), default=dict, blank=True)
    audience_gender = models.JSONField(_("audience wanted by gender"), default=dict, blank=True)
    audience_city_tier = models.JSONField(_("audience wanted by city tier"), default=dict, blank=True)
    availability = models.CharField(
        _("hours for streams"),
        max_length=168,
        default="1" * 168,
        help_text=_("168 characters 0 or 1, Monday 00:00 first."),
    )
    hosts_at_once = models.PositiveSmallIntegerField(_("hosts at once"), default=1)
    streaming_permit = models.CharField(
        _("streaming permit"),
        max_length=16,
        choices=StreamingPermit.choices,
        default=StreamingPermit.PERMITTED,
    )
    weekly_capacity = models.PositiveSmallIntegerField(_("bookings per week"), default=3)
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True, editable=False)
    history = HistoricalRecords()

    class Meta:
        verbose_name = _("stall")
        verbose_name_plural = _("stalls")
        constraints = [
            models.UniqueConstraint(
                fields=["zone", "floor", "number"],
                condition=Q(archived_at__isnull=True),
                name="stall_place_unique",
            ),
            models.CheckConstraint(
                condition=Q(price_min_cents__gt=0, price_max_cents__gte=F("price_min_cents")),
                name="stall_price_band",
            ),
            models.CheckConstraint(condition=Q(slot_fee_cents__gte=0), name="stall_slot_fee"),
            is_share("return_rate", "stall_return_rate"),
            is_share("commission_rate", "stall_commission_rate"),
        ]

    def __str__(self) -> str:
        return self.name


class Anchor(Party):
    """One row per person who sells on air; without a membership it is an unclaimed import."""

    display_name = models.CharField(_("name on air"), max_length=60)
    real_name = models.CharField(_("real name"), max_length=60, blank=True)
    id_digest = models.CharField(max_length=64, blank=True, editable=False)
    id_last4 = models.CharField(_("ID number, last four"), max_length=4, blank=True, editable=False)
    birth_date = models.DateField(_("date of birth"))
    guardian_consent_on = models.DateField(_("guardian's consent on file since"), null=True, blank=True)
    contact_phone = models.CharField(_("contact phone"), max_length=16, blank=True)
    legal_basis = models.CharField(
        _("legal basis"),
        max_length=200,
        blank=True,
        help_text=_("Why an unclaimed anchor may be shown; recorded by staff."),
    )
    bio = models.TextField(_("about"), max_length=2000, blank=True)
    region = models.ForeignKey(
        Region, models.PROTECT, null=True, blank=True, related_name="anchors", verbose_name=_("region")
    )
    categories = models.JSONField(_("categories"), default=list, help_text=_("Category codes."))
    styles = models.JSONField(_("styles"), default=list, blank=True, help_text=_("Style codes."))
    languages = models.JSONField(_("languages"), default=list, blank=True)
    platforms = models.JSONField(
        _("platforms"), default=list, help_text=_("[{platform, handle, followers, average_viewers}]")
    )
    followers = models.PositiveBigIntegerField(
        _("followers"), default=0, db_index=True, editable=False, help_text=_("Sum over the platforms.")
    )
    average_viewers = models.PositiveIntegerField(
        _("average viewers"), default=0, editable=False, help_text=_("Largest over the platforms.")
    )
    price_shares = models.JSONField(
        _("sold prices"),
        default=list,
        blank=True,
        help_text=_("Share of pieces sold per price bin; 16 shares."),
    )
    audience_age = models.JSONField(_("audience by age"), default=dict, blank=True)
    audience_gender = models.JSONField(_("audience by gender"), default=dict, blank=True)
    audience_city_tier = models.JSONField(_("audience by city tier"), default=dict, blank=True)
    commission_rate = rate_field(_("commission wanted"))
    is_commission_floor = models.BooleanField(_("commission is a must"), default=False)
    slot_fee_cents = models.BigIntegerField(_("slot fee wanted"), default=0, help_text=_("Cents of CNY."))
    moq_max = models.PositiveIntegerField(_("largest MOQ accepted"), null=True, blank=True)
    stock_depth_min = models.PositiveIntegerField(_("smallest stock depth accepted"), null=True, blank=True)
    restock_days_max = models.PositiveSmallIntegerField(_("longest restock accepted"), null=True, blank=True)
    return_rate_max = rate_field(_("highest return rate tolerated"), null=True, blank=True)
    cooperation_modes = models.JSONField(_("cooperation modes"), default=list)
    weekly_capacity = models.PositiveSmallIntegerField(_("bookings per week"), default=3)
    availability = models.CharField(
        _("hours for streams"),
        max_length=168,
        default="1" * 168,
        help_text=_("168 characters 0 or 1, Monday 00:00 first."),
    )
    is_on_site = models.BooleanField(_("comes on site"), default=True)
    history = HistoricalRecords()

    class Meta:
        verbose_name = _("anchor")
        verbose_name_plural = _("anchors")
        constraints = [
            # One person is one anchor: twice would be twice the capacity.
            models.UniqueConstraint(
                fields=["id_digest"],
                condition=Q(archived_at__isnull=True) & ~Q(id_digest=""),
                name="anchor_id_unique",
            ),
            models.CheckConstraint(condition=Q(slot_fee_cents__gte=0), name="anchor_slot_fee"),
            is_share("commission_rate", "anchor_commission_rate"),
            is_share("return_rate_max", "anchor_return_rate_max"),
        ]

    def __str__(self) -> str:
        return self.display_name


class CalendarException(TimeStamped):
    """One row per date on which the weekly hours of a stall or an anchor do not hold."""

    stall = models.ForeignKey(Stall, models.CASCADE, null=True, related_name="exceptions")
    anchor = models.ForeignKey(Anchor, models.CASCADE, null=True, related_name="exceptions")
    on = models.DateField(_("date"))
    hours = models.CharField(
        _("free hours"), max_length=24, help_text=_("24 characters 0 or 1; all 0: closed.")
    )

    class Meta:
        verbose_name = _("calendar exception")
        verbose_name_plural = _("calendar exceptions")
        constraints = [
            models.CheckConstraint(
                condition=Q(stall__isnull=True, anchor__isnull=False)
                | Q(stall__isnull=False, anchor__isnull=True),
                name="exception_one_party",
            ),
            models.UniqueConstraint(fields=["stall", "on"], name="exception_stall_date_unique"),
            models.UniqueConstraint(fields=["anchor", "on"], name="exception_anchor_date_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.on}: {self.hours}"


class Membership(TimeStamped):
    """One row per user who acts for a party."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    merchant = models.ForeignKey(
        Merchant,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="memberships",
        verbose_name=_("merchant"),
    )
    anchor = models.ForeignKey(
        Anchor,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="memberships",
        verbose_name=_("anchor"),
    )
    role = models.CharField(_("role"), max_length=16, choices=MemberRole.choices, default=MemberRole.OWNER)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.CheckConstraint(
                condition=Q(merchant__isnull=True, anchor__isnull=False)
                | Q(merchant__isnull=False, anchor__isnull=True),
                name="membership_one_party",
            ),
            models.UniqueConstraint(fields=["user", "merchant"], name="membership_user_merchant_unique"),
            models.UniqueConstraint(fields=["user", "anchor"], name="membership_user_anchor_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.user} – {self.merchant or self.anchor}"


class Verification(TimeStamped):
    """One row per decision of staff on a party's identity; append-only."""

    merchant = models.ForeignKey(Merchant, models.CASCADE, null=True, related_name="verifications")
    anchor = models.ForeignKey(Anchor, models.CASCADE, null=True, related_name="verifications")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("decided by")
    )
    status = models.CharField(_("decision"), max_length=16, choices=VerificationStatus.choices)
    verified_until = models.DateField(_("verified until"), null=True)
    reason_code = models.CharField(_("reason"), max_length=48, blank=True)
    note = models.TextField(_("note"), max_length=2000, blank=True)

    class Meta:
        verbose_name = _("verification")
        verbose_name_plural = _("verifications")

    def __str__(self) -> str:
        return f"{self.merchant or self.anchor}: {self.get_status_display()}"


class ImportedFile(TimeStamped):
    """One row per file that was imported by a party or staff, so that the same file twice does nothing."""

    kind = models.CharField(_("kind"), max_length=16)
    scope = models.CharField(
        _("scope"), max_length=48, help_text=_("Whose file: a merchant's public id, or `town`.")
    )
    digest = models.CharField(_("fingerprint"), max_length=64)
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("imported by")
    )
    report = models.JSONField(_("report"), default=dict)

    class Meta:
        verbose_name = _("imported file")
        verbose_name_plural = _("imported files")
        constraints = [
            models.UniqueConstraint(fields=["kind", "scope", "digest"], name="imported_file_unique")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:12]}"
