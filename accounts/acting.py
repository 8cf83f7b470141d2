"""For which party somebody acts: `me` in the addresses of the API (layer: faces)."""

import uuid

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request

from accounts.errors import NotSignedIn
from accounts.models import Anchor, Membership, Merchant, User
from matchmaker.core.errors import InvalidInput, NotFound

PARTY_HEADER = "X-Party"


def asker(request: Request) -> User:
    """The user who asks; only for views that let nobody else in."""
    if not isinstance(request.user, User):
        raise NotSignedIn()
    return request.user


def acting_merchant(request: Request) -> Merchant:
    """The merchant that the asker acts for: the only one, or the one that `X-Party` names.

    Raises NotFound (`no_party`) without one, InvalidInput (`party_ambiguous`) when the header is needed.
    """
    memberships = _memberships(request).filter(merchant__archived_at=None, merchant__isnull=False)
    merchant = _only(request, memberships.select_related("merchant"), "merchant").merchant
    assert merchant is not None  # noqa: S101 (the filter above)
    return merchant


def acting_anchor(request: Request) -> Anchor:
    """The anchor that the asker acts for, found like `acting_merchant`."""
    memberships = _memberships(request).filter(anchor__archived_at=None, anchor__isnull=False)
    anchor = _only(request, memberships.select_related("anchor"), "anchor").anchor
    assert anchor is not None  # noqa: S101 (the filter above)
    return anchor


def _memberships(request: Request) -> QuerySet[Membership]:
    return Membership.objects.filter(user=asker(request)).order_by("pk")


def _only(request: Request, memberships: QuerySet[Membership], kind: str) -> Membership:
    named = request.headers.get(PARTY_HEADER, "").strip()
    if named:
        memberships = memberships.filter(**{f"{kind}__public_id": _party_id(named)})
    found = list(memberships[:2])
    if not found:
        raise NotFound(_("You act for no such party."), code="no_party")
    if len(found) > 1:
        message = _("You act for several parties. Name one in the header X-Party.")
        raise InvalidInput(message, code="party_ambiguous", fields={PARTY_HEADER: [message]})
    return found[0]


def _party_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        message = _("X-Party is the id of a party, as /accounts/me/ lists them.")
        raise InvalidInput(message, code="invalid_party", fields={PARTY_HEADER: [message]}) from error
