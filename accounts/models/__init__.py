"""Users, parties and reference data."""

from accounts.models.parties import (
    Anchor,
    CalendarException,
    ImportedFile,
    Membership,
    Merchant,
    Party,
    Stall,
    Verification,
)
from accounts.models.photos import LicencePhoto
from accounts.models.privacy import Consent, Erasure, LegalRecord, OpenedProfile
from accounts.models.reference import (
    Category,
    Holiday,
    Language,
    ReasonCode,
    Reference,
    Region,
    Style,
    Zone,
)
from accounts.models.second_factor import Authenticator, RecoveryCode
from accounts.models.tags import ForgottenTag
from accounts.models.users import ApiToken, DeviceToken, User

__all__ = [
    "Anchor",
    "ApiToken",
    "Authenticator",
    "CalendarException",
    "Category",
    "Consent",
    "DeviceToken",
    "Erasure",
    "ForgottenTag",
    "Holiday",
    "ImportedFile",
    "Language",
    "LegalRecord",
    "LicencePhoto",
    "Membership",
    "Merchant",
    "OpenedProfile",
    "Party",
    "ReasonCode",
    "RecoveryCode",
    "Reference",
    "Region",
    "Stall",
    "Style",
    "User",
    "Verification",
    "Zone",
]
