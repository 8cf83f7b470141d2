"""Fixed words of accounts, stored as their codes (layer: choices)."""

from django.db import models
from django.utils.translation import gettext_lazy as _

# The group whose permissions let the town's employees verify and approve; shown as 运营.
TOWN_STAFF = "town staff"


class PartyKind(models.TextChoices):
    MERCHANT = "merchant", _("merchant")
    ANCHOR = "anchor", _("anchor")


class Purpose(models.TextChoices):
    """What somebody may agree to, each by itself."""

    SERVICE = "service", _("running the service")
    PERSONALISATION = "personalisation", _("ranking by own history")
    ANALYTICS = "analytics", _("measuring what was shown")


class MemberRole(models.TextChoices):
    OWNER = "owner", _("owner")
    OPERATOR = "operator", _("operator")
    AGENT = "agent", _("agent (MCN)")


class StreamingPermit(models.TextChoices):
    PERMITTED = "permitted", _("streaming permitted")
    BY_INVITATION = "by_invitation", _("by invitation only")
    BANNED = "banned", _("streaming banned")


class CooperationMode(models.TextChoices):
    STORE_BROADCAST = "store_broadcast", _("store broadcast (the stall's account)")
    CREATOR_BROADCAST = "creator_broadcast", _("creator broadcast (the anchor's account)")
    ROAMING_BROADCAST = "roaming_broadcast", _("roaming broadcast (walking the market)")


class SessionMode(models.TextChoices):
    EXCLUSIVE = "exclusive", _("exclusive session")
    MIXED = "mixed", _("mixed session")


class VerificationStatus(models.TextChoices):
    PENDING = "pending", _("waiting for verification")
    VERIFIED = "verified", _("verified")
    REFUSED = "refused", _("verification refused")


class Platform(models.TextChoices):
    DOUYIN = "douyin", _("Douyin")
    KUAISHOU = "kuaishou", _("Kuaishou")
    TAOBAO = "taobao", _("Taobao Live")
    XIAOHONGSHU = "xiaohongshu", _("Xiaohongshu")
    WECHAT = "wechat", _("WeChat Channels")
    PINDUODUO = "pinduoduo", _("Pinduoduo")
    OTHER = "other", _("another platform")


AGE_BANDS = ("under_18", "18_24", "25_34", "35_44", "45_plus")
GENDERS = ("female", "male")
# 16 bins of equal ratio (1.54) from CNY 5 to CNY 5,000: what a garment can cost in a wholesale town.
PRICE_BINS = 16
PRICE_EDGES_CENTS = tuple(round(500 * 1000 ** (n / PRICE_BINS)) for n in range(PRICE_BINS + 1))
CITY_TIERS = ("tier_1", "new_tier_1", "tier_2", "tier_3", "tier_4_plus")


class Scope(models.TextChoices):
    """What an ApiToken may be used for."""

    PROFILE_READ = "profile:read", _("read profiles and stalls")
    PROFILE_WRITE = "profile:write", _("change profiles and stalls")
    MATCHES_READ = "matches:read", _("read suggestions and matches")
    MATCHES_WRITE = "matches:write", _("react, propose and answer")
