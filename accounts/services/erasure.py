"""Forgetting a person: hidden at once, erased by a job within a minute (layer: services)."""

import secrets
from collections.abc import Collection
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.choices import MemberRole, PartyKind
from accounts.models import (
    Anchor,
    ApiToken,
    DeviceToken,
    Erasure,
    LegalRecord,
    Membership,
    Merchant,
    Stall,
    User,
)
from accounts.privacy import TABLES, AtErasure, erased_values, rows_of
from accounts.services.anchors import id_digest
from accounts.services.parties import lock_user
from accounts.services.people import CHANGE_USER
from accounts.services.scrubbing import (
    entries_about,
    scrub_answers,
    scrub_log,
    scrub_messages,
    scrub_texts,
    texts_of,
)
from accounts.signals import person_erased, profile_changed
from jobs.services import enqueue
from matchmaker.core import clock
from matchmaker.core.errors import Conflict, NotAllowed
from matchmaker.core.weeks import town_today

ERASE_KIND = "accounts.erase"
# Order No. 117 on live e-commerce: records are kept for at least three years.
KEPT_YEARS = 3
# Emptied at once, so that no list, card or search shows the person any more.
SHOWN = ("accounts.user", "accounts.merchant", "accounts.stall", "accounts.anchor")


def request_erasure(*, actor: User, user: User, pseudonym: str = "") -> Erasure:
    """Shut `user` out, hide the person at once and have the rest erased by a job; repeating it is harmless.

    Parties whose last owner the user is go with them, of others only what is the person's. Raises NotAllowed.
    Announces `profile_changed` and `person_erased`.
    """
    _require_may_erase(actor, user)
    with transaction.atomic():
        lock_user(user)
        pseudonym = pseudonym or f"x-{secrets.token_hex(6)}"
        row, is_new = Erasure.objects.get_or_create(
            user=user, defaults={"pseudonym": pseudonym, "requested_by": actor}
        )
        if is_new:
            _take_what_goes(row)
            _keep_the_minimum(row)
            _leave_what_stays(row)
            _shut_out(user)
            _hide(row)
            enqueue(kind=ERASE_KIND, key=f"erase:{row.pk}", args={"erasure_id": row.pk})
            person_erased.send(sender=Erasure, erasure=row)
    return row


def request_anchor_erasure(*, actor: User, anchor: Anchor) -> Erasure:
    """Erase an anchor that was imported and that nobody has claimed, as `request_erasure` does a person.

    For staff who may erase people. Raises NotAllowed; Conflict when it has an account, which is erased then.
    """
    if not _may_erase_others(actor):
        raise NotAllowed()
    with transaction.atomic():
        # Held, so that nobody claims it meanwhile.
        held = Anchor.objects.select_for_update().get(pk=anchor.pk)
        if held.memberships.exists():
            raise Conflict(_("This anchor has an account: erase its user."), code="has_account")
        return _erasure_of(held) or request_erasure(actor=actor, user=_account_of_nobody(held))


def _erasure_of(anchor: Anchor) -> Erasure | None:
    found = Erasure.objects.filter(pseudonym=anchor.display_name)
    return next((row for row in found if anchor.pk in row.anchor_ids), None)


def erase_again(*, user_id: str, anchor_ids: Collection[str], pseudonym: str) -> bool:
    """Erase whom a restore brought back, by the public ids of the erasure; False when nobody is left.

    Under the same pseudonym, by which the person knows what is kept, and as at the person's request. Raises
    NotAllowed for who was staff at the time of the backup.
    """
    with transaction.atomic():
        user = User.objects.filter(public_id=user_id).first()
        if user is None:  # nobody had claimed the anchor: an account was made for the erasure alone
            anchor = Anchor.objects.filter(public_id__in=anchor_ids, memberships=None).first()
            if anchor is None or _erasure_of(anchor) is not None:
                return False
            user = _account_of_nobody(anchor)
        elif Erasure.objects.filter(user=user).exists():
            return False
        request_erasure(actor=user, user=user, pseudonym=pseudonym)
    return True


def _account_of_nobody(anchor: Anchor) -> User:
    """Give the anchor an owner whom nobody can sign in as, to be erased with it."""
    account = User.objects.create(
        phone=f"x-{secrets.token_hex(6)}", is_active=False, password=make_password(None)
    )
    Membership.objects.create(user=account, anchor=anchor, role=MemberRole.OWNER)
    return account


def _require_may_erase(actor: User, user: User) -> None:
    if user.is_staff or user.is_superuser:
        message = _("An account of town staff is closed by an administrator first.")
        raise NotAllowed(message, code="staff_account")
    if actor.pk != user.pk and not _may_erase_others(actor):
        raise NotAllowed()


def _may_erase_others(actor: User) -> bool:
    return actor.is_active and actor.is_staff and actor.has_perm(CHANGE_USER)


def owners_of(row: Erasure) -> dict[str, list[int]]:
    """Return whose rows go: keys by kind of owner."""
    return {
        "user": [row.user_id],
        "merchant": row.merchant_ids,
        "stall": row.stall_ids,
        "anchor": row.anchor_ids,
    }


def _take_what_goes(row: Erasure) -> None:
    """Note the parties that have no other owner, and every text by which the person could be found."""
    mine = Membership.objects.filter(user=row.user_id, role=MemberRole.OWNER)
    row.merchant_ids = _without_another_owner(mine, "merchant", row.user_id)
    row.anchor_ids = _without_another_owner(mine, "anchor", row.user_id)
    # Held, so that no stall is registered from here on that would not go with its merchant.
    list(Merchant.objects.select_for_update().filter(pk__in=row.merchant_ids).order_by("pk").values("pk"))
    stalls = Stall.objects.filter(merchant__in=row.merchant_ids).order_by("pk")
    row.stall_ids = list(stalls.values_list("pk", flat=True))
    row.looked_for = texts_of(owners_of(row))
    row.save()


def _without_another_owner(mine: Any, kind: str, user_id: int) -> list[int]:
    others = Membership.objects.filter(role=MemberRole.OWNER, **{kind: OuterRef(kind)}).exclude(user=user_id)
    alone = mine.filter(~Exists(others), **{f"{kind}__isnull": False}).order_by(kind)
    return list(alone.values_list(kind, flat=True))


def _keep_the_minimum(row: Erasure) -> None:
    """Keep a way from a number that an authority knows to the contracts of each party, apart from them."""
    today = town_today()
    until = today.replace(year=today.year + KEPT_YEARS, day=min(today.day, 28))
    merchants = Merchant.objects.filter(pk__in=row.merchant_ids).values_list("pk", "credit_code")
    anchors = Anchor.objects.filter(pk__in=row.anchor_ids).values_list("pk", "id_digest")
    known = [(PartyKind.MERCHANT, pk, id_digest(code)) for pk, code in merchants]
    known += [(PartyKind.ANCHOR, pk, digest) for pk, digest in anchors]
    LegalRecord.objects.bulk_create(
        LegalRecord(pseudonym=row.pseudonym, kind=kind, party_id=pk, identity_digest=digest, kept_until=until)
        for kind, pk, digest in known
    )


def _leave_what_stays(row: Erasure) -> None:
    """Take the person's phone and name off parties that go on without them, in their history too."""
    phone = User.objects.values_list("phone", flat=True).get(pk=row.user_id)
    mine = Membership.objects.filter(user=row.user_id)
    for model, kind, name in ((Merchant, "merchant", "contact_name"), (Anchor, "anchor", "")):
        ids = list(mine.filter(**{f"{kind}__isnull": False}).values_list(kind, flat=True))
        empty = {"contact_phone": "", **({name: ""} if name else {})}
        rows = model._default_manager.filter(pk__in=ids, contact_phone=phone)
        rows.update(version=F("version") + 1, updated_at=timezone.now(), **empty)
        model.history.filter(id__in=ids, contact_phone=phone).update(**empty)


def _shut_out(user: User) -> None:
    now = timezone.now()
    keys = list(DeviceToken.objects.filter(user=user).values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    for model in (DeviceToken, ApiToken):
        model._default_manager.filter(user=user, revoked_at=None).update(revoked_at=now, updated_at=now)
    user.groups.clear()
    user.user_permissions.clear()
    User.objects.filter(pk=user.pk).update(is_active=False, updated_at=now)
    user.is_active = False


def _hide(row: Erasure) -> None:
    """Empty what people and staff see; parties are archived, so nobody is suggested them any more."""
    now, owners = timezone.now(), owners_of(row)
    for label in SHOWN:
        changes = erased_values(label) | {"updated_at": now}
        if label == "accounts.user":
            changes["phone"] = row.pseudonym
        else:
            changes |= {"version": F("version") + 1, "archived_at": now}
            changes["display_name" if label == "accounts.anchor" else "name"] = row.pseudonym
        if label in ("accounts.merchant", "accounts.anchor"):
            changes["is_personalised"] = False  # what they once decided teaches nobody any more
        rows_of(label, owners).update(**changes)
    clear("accounts.licencephoto", owners)
    Membership.objects.filter(user=row.user_id).delete()
    for model, side, ids in ((Stall, "stall", row.stall_ids), (Anchor, "anchor", row.anchor_ids)):
        if ids:
            profile_changed.send(sender=model, side=side, ids=ids, actor=None)


def erase(*, erasure_id: int) -> dict[str, Any]:
    """Erase what is left of a person, in all tables; doing it again is harmless."""
    row = Erasure.objects.get(pk=erasure_id)
    owners = owners_of(row)
    with transaction.atomic():
        _end_sessions(row.user_id)
        about = entries_about(owners)
        counts = {label: clear(label, owners) for label in TABLES if label not in SHOWN}
        counts["others"] = scrub_answers(row) + scrub_log(row, about) + scrub_texts(row, owners)
        counts["messages"] = scrub_messages(row)
        row.looked_for, row.finished_at = [], row.finished_at or clock.now()
        row.save(update_fields=["looked_for", "finished_at", "updated_at"])
    return {label: count for label, count in counts.items() if count}


def clear(label: str, owners: dict[str, list[int]]) -> int:
    """Delete or empty the rows of these owners in one table, as it declares; return how many."""
    table = TABLES[label]
    if table.at_erasure == AtErasure.KEEP or not table.of:
        return 0
    rows = rows_of(label, owners)
    if table.at_erasure == AtErasure.DELETE:
        return int(rows.delete()[0])
    return int(rows.update(**erased_values(label)))


def _end_sessions(user_id: int) -> None:
    """End sessions that no device knows, such as those of the pages; only their inside names the user."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get("_auth_user_id") == str(user_id):
            session.delete()


def forget_legal_records() -> int:
    """Delete what the law no longer wants kept; from then on nothing leads from a number to a contract."""
    return LegalRecord.objects.filter(kept_until__lt=town_today()).delete()[0]
