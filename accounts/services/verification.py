"""What staff decide about who somebody is; a decision holds for six months (layer: services)."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from typing import TypeVar

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.choices import VerificationStatus
from accounts.models import Anchor, Membership, Merchant, User, Verification
from accounts.services.anchors import IDENTITY as ANCHOR_IDENTITY
from accounts.services.parties import IDENTITY as MERCHANT_IDENTITY
from accounts.services.parties import announce_stalls
from accounts.services.rows import in_chunks, record_history
from accounts.signals import profile_changed
from accounts.validation.identity import ADULT_AGE, MIN_AGE, age_on
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed
from matchmaker.core.weeks import town_today

# Order No. 117 on live e-commerce: identities are checked again every six months.
VALID_MONTHS = 6
CHUNK = 500
P = TypeVar("P", Merchant, Anchor)


def valid_until(start: date) -> date:
    """Return the last day of a verification made on `start`."""
    month = start.month - 1 + VALID_MONTHS
    year, month = start.year + month // 12, month % 12 + 1
    return date(year, month, min(start.day, monthrange(year, month)[1]))


def verify_merchant(*, actor: User, merchant: Merchant, note: str = "") -> Merchant:
    """Confirm a merchant for six months. Conflict when the licence has expired; announces stalls."""
    return verify_merchants(actor=actor, merchants=[merchant], note=note)[0]


def verify_merchants(*, actor: User, merchants: Sequence[Merchant], note: str = "") -> list[Merchant]:
    """Confirm merchants for six months, all of them or none."""
    _check_may_decide(actor, merchants=merchants)
    for merchant in merchants:
        _check_licence(merchant)
    return _decide(actor, merchants, VerificationStatus.VERIFIED, note=note)


def refuse_merchants(
    *, actor: User, merchants: Sequence[Merchant], reason_code: str, note: str = ""
) -> list[Merchant]:
    """Refuse merchants with a reason: they see their suggestions and are shown to nobody."""
    _check_may_decide(actor, merchants=merchants)
    _check_reason(reason_code)
    return _decide(actor, merchants, VerificationStatus.REFUSED, reason_code=reason_code, note=note)


def verify_anchor(*, actor: User, anchor: Anchor, note: str = "") -> Anchor:
    """Confirm an anchor for six months. Raises Conflict under 16 or without consent at 16–17; announces."""
    return verify_anchors(actor=actor, anchors=[anchor], note=note)[0]


def verify_anchors(*, actor: User, anchors: Sequence[Anchor], note: str = "") -> list[Anchor]:
    """Confirm anchors for six months, all of them or none."""
    _check_may_decide(actor, anchors=anchors)
    for anchor in anchors:
        _check_age(anchor)
    return _decide(actor, anchors, VerificationStatus.VERIFIED, note=note)


def refuse_anchors(
    *, actor: User, anchors: Sequence[Anchor], reason_code: str, note: str = ""
) -> list[Anchor]:
    """Refuse anchors with a reason: they see their suggestions and are shown to nobody."""
    _check_may_decide(actor, anchors=anchors)
    _check_reason(reason_code)
    return _decide(actor, anchors, VerificationStatus.REFUSED, reason_code=reason_code, note=note)


def _check_may_decide(
    actor: User, *, merchants: Sequence[Merchant] = (), anchors: Sequence[Anchor] = ()
) -> None:
    if not (actor.is_staff and actor.is_active):
        raise NotAllowed(_("Only town staff verify."), code="staff_only")
    own = Membership.objects.filter(user=actor)
    if own.filter(merchant__in=merchants).exists() or own.filter(anchor__in=anchors).exists():
        raise NotAllowed(_("You act for this party: somebody else has to decide."), code="own_party")


def _check_reason(reason_code: str) -> None:
    if not reason_code:
        raise InvalidInput(fields={"reason_code": [_("Give the reason.")]})


def _check_licence(merchant: Merchant) -> None:
    ends = merchant.licence_expires_on
    if ends is not None and ends < town_today():
        message = _("The licence of %(name)s expired on %(date)s; the merchant has to file a new one.")
        raise Conflict(message % {"name": merchant.name, "date": ends.isoformat()}, code="licence_expired")


def _check_age(anchor: Anchor) -> None:
    age = age_on(anchor.birth_date, town_today())
    if age < MIN_AGE:
        raise Conflict(_("%(name)s is under 16.") % {"name": anchor.display_name}, code="under_age")
    if age < ADULT_AGE and anchor.guardian_consent_on is None:
        message = _("%(name)s is under 18 and the guardian's consent is not on file.")
        raise Conflict(message % {"name": anchor.display_name}, code="consent_missing")


def _decide(
    actor: User, parties: Sequence[P], status: VerificationStatus, *, reason_code: str = "", note: str = ""
) -> list[P]:
    until = valid_until(town_today()) if status == VerificationStatus.VERIFIED else None
    decided: list[P] = []
    with transaction.atomic():
        for part in in_chunks(parties, CHUNK):
            decided += _write_decision(part, status, until, actor)
        Verification.objects.bulk_create(
            Verification(
                merchant=party if isinstance(party, Merchant) else None,
                anchor=party if isinstance(party, Anchor) else None,
                decided_by=actor,
                status=status,
                verified_until=until,
                reason_code=reason_code,
                note=note,
            )
            for party in decided
        )
        _announce(decided, actor)
    return decided


def _write_decision(
    parties: Sequence[P], status: VerificationStatus, until: date | None, actor: User
) -> list[P]:
    """Store the decision in one UPDATE; Conflict when an identity is no longer the one that was looked at."""
    model = type(parties[0])
    seen = {party.pk: party for party in parties}
    open_rows = model._default_manager.filter(pk__in=seen, archived_at__isnull=True)
    count = open_rows.update(
        version=F("version") + 1, updated_at=timezone.now(), verification=status, verified_until=until
    )
    if count != len(seen):
        raise Conflict(_("One of them is archived and can no longer be changed."), code="archived")
    rows = list(model._default_manager.filter(pk__in=seen).order_by("pk"))
    identity = ANCHOR_IDENTITY if model is Anchor else MERCHANT_IDENTITY
    for row in rows:
        if any(getattr(row, name) != getattr(seen[row.pk], name) for name in identity):
            message = _("%(name)s changed meanwhile; look at it again.") % {"name": row}
            raise Conflict(message, code="changed_meanwhile")
        for name in ("verification", "verified_until", "version", "updated_at"):
            setattr(seen[row.pk], name, getattr(row, name))
    record_history(model, rows, actor=actor)
    return rows


def _announce(parties: Sequence[Merchant] | Sequence[Anchor], actor: User) -> None:
    merchants = [party.pk for party in parties if isinstance(party, Merchant)]
    anchors = [party.pk for party in parties if isinstance(party, Anchor)]
    if merchants:
        announce_stalls(merchants, actor=actor)
    if anchors:
        profile_changed.send(sender=Anchor, side="anchor", ids=anchors, actor=actor)
