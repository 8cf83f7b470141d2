"""What somebody agrees to, purpose by purpose, and what a withdrawal changes (layer: services)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.choices import MemberRole, Purpose
from accounts.models import Anchor, Consent, Membership, Merchant, User
from accounts.services.anchors import update_anchor
from accounts.services.parties import update_merchant
from matchmaker.core import clock
from matchmaker.core.errors import Conflict, InvalidInput

# Raised with every change of the texts below: an answer is one to the words that were read.
TEXT_VERSION = "2026-11"
TEXTS = {
    Purpose.SERVICE: gettext_lazy(
        "We keep what you enter to bring stalls and anchors together. Without it there is no account: "
        "to take this back, erase the account."
    ),
    Purpose.PERSONALISATION: gettext_lazy(
        "Your likes, passes and results rank your suggestions. Without it you are ranked by neutral facts."
    ),
    Purpose.ANALYTICS: gettext_lazy(
        "Which suggestions you saw is kept to measure whether the lists are fair. Without it nothing is kept."
    ),
}


@dataclass(frozen=True)
class Answer:
    """What counts for a purpose now."""

    purpose: str
    is_given: bool
    text: str
    answered_version: str
    answered_at: datetime | None


def answers_of(user: User) -> list[Answer]:
    """Return what counts for each purpose; without an answer it counts as given.

    Personalisation is read where it acts, on the parties, so that there is one truth of it.
    """
    last: dict[str, Consent] = {}
    for row in Consent.objects.filter(user=user).order_by("pk"):
        last[row.purpose] = row
    flags = [party.is_personalised for party in _own_parties(user)]
    answers = []
    for purpose, text in TEXTS.items():
        said = last.get(purpose)
        is_given = said.is_given if said else True
        if purpose == Purpose.PERSONALISATION and flags:
            is_given = all(flags)
        version, at = (said.text_version, said.at) if said else ("", None)
        answers.append(Answer(purpose, is_given, str(text), version, at))
    return answers


def answer_purpose(*, actor: User, purpose: str, is_given: bool, text_version: str) -> list[Answer]:
    """Append the answer and let it act at once; the same answer to the same words again adds nothing.

    Raises InvalidInput for words that are not today's, Conflict for taking back the service itself. Announces
    `profile_changed` where personalisation changes.
    """
    if text_version != TEXT_VERSION:
        message = _("The text has changed meanwhile: read it again and answer to version %(version)s.")
        raise InvalidInput(fields={"text_version": [message % {"version": TEXT_VERSION}]})
    if purpose == Purpose.SERVICE and not is_given:
        raise Conflict(_("To take this back, erase your account."), code="erase_instead")
    with transaction.atomic():
        last = Consent.objects.filter(user=actor, purpose=purpose).order_by("-pk").first()
        if last is None or (last.is_given, last.text_version) != (is_given, text_version):
            Consent.objects.create(
                user=actor, purpose=purpose, is_given=is_given, text_version=text_version, at=clock.now()
            )
        if purpose == Purpose.PERSONALISATION:
            _personalise(actor, is_given)
    return answers_of(actor)


def is_measured(user: User) -> bool:
    """Whether what the user was shown may be kept."""
    rows = Consent.objects.filter(user=user, purpose=Purpose.ANALYTICS).order_by("-pk")
    return rows.values_list("is_given", flat=True).first() is not False


def _own_parties(user: User) -> list[Merchant | Anchor]:
    rows = Membership.objects.filter(user=user, role=MemberRole.OWNER).select_related("merchant", "anchor")
    parties: list[Any] = [row.merchant or row.anchor for row in rows.order_by("pk")]
    return [party for party in parties if party.archived_at is None]


def _personalise(user: User, is_given: bool) -> None:
    """Set the one switch that ranking follows on every party that the user owns."""
    data = {"is_personalised": is_given}
    for party in _own_parties(user):
        if party.is_personalised == is_given:
            continue
        if isinstance(party, Merchant):
            update_merchant(actor=user, merchant=party, data=data)
        else:
            update_anchor(actor=user, anchor=party, data=data)
