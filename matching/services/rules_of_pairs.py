"""Standing rules that staff set on a pair: forbidden, or promised exclusively (layer: services)."""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Anchor, Category, ReasonCode, Stall, User
from matching.choices import PairRuleKind
from matching.models import Exclusivity, PairRule
from matching.signals import pair_changed
from matchmaker.core import clock
from matchmaker.core.errors import InvalidInput, NotAllowed
from matchmaker.core.weeks import TOWN_ZONE


def forbid_pair(
    *,
    actor: User,
    stall: Stall,
    anchor: Anchor,
    reason_code: str,
    note: str = "",
    until: datetime | None = None,
) -> PairRule:
    """Take the pair out of every list and off every path until `until` (None: until lifted); announce it.

    Repeating it replaces reason, note and end. Raises NotAllowed, InvalidInput.
    """
    _require(actor, "matching.add_pairrule")
    _check_reason(reason_code)
    if until is not None and until <= clock.now():
        raise InvalidInput(fields={"until": [_("A time to come.")]})
    with transaction.atomic():
        rule, _created = PairRule.objects.update_or_create(
            kind=PairRuleKind.FORBID,
            stall=stall,
            anchor=anchor,
            defaults={"until": until, "reason_code": reason_code, "note": note, "actor": actor},
        )
        _announce(PairRule, stall.pk, anchor.pk)
    return rule


def lift_pair_rule(*, actor: User, rule: PairRule) -> None:
    """End a rule now; its row stays for the record. Ending it again changes nothing."""
    _require(actor, "matching.change_pairrule")
    now = clock.now()
    with transaction.atomic():
        rows = PairRule.objects.filter(pk=rule.pk)
        if rows.filter(until__isnull=True).update(until=now, updated_at=now) or rows.filter(
            until__gt=now
        ).update(until=now, updated_at=now):
            _announce(PairRule, rule.stall_id, rule.anchor_id)


def promise_exclusivity(
    *, actor: User, stall: Stall, anchor: Anchor, category: str, starts_on: date, ends_on: date
) -> Exclusivity:
    """Record that the anchor sells `category` (empty: everything) only for this stall during the term."""
    _require(actor, "matching.add_exclusivity")
    fields: dict[str, list[str]] = {}
    if ends_on < starts_on:
        fields["ends_on"] = [_("Not before the first day.")]
    if category and not Category.objects.filter(code=category).exists():
        fields["category"] = [_("There is no such category.")]
    if fields:
        raise InvalidInput(fields=fields)
    with transaction.atomic():
        promise = Exclusivity.objects.create(
            stall=stall, anchor=anchor, category=category, starts_on=starts_on, ends_on=ends_on
        )
        _announce(Exclusivity, stall.pk, anchor.pk)
    return promise


def end_exclusivity(*, actor: User, promise: Exclusivity) -> None:
    """End a promise with yesterday; one that had not begun by then goes."""
    _require(actor, "matching.change_exclusivity")
    now = clock.now()
    yesterday = now.astimezone(TOWN_ZONE).date() - timedelta(days=1)
    with transaction.atomic():
        running = Exclusivity.objects.filter(pk=promise.pk, ends_on__gt=yesterday)
        ended = running.filter(starts_on__lte=yesterday).update(ends_on=yesterday, updated_at=now)
        if ended or running.delete()[0]:
            _announce(Exclusivity, promise.stall_id, promise.anchor_id)


def _announce(sender: type, stall_id: int, anchor_id: int) -> None:
    pair_changed.send(sender=sender, stall_id=stall_id, anchor_id=anchor_id)


def _require(actor: User, permission: str) -> None:
    if not (actor.is_staff and actor.has_perm(permission)):
        raise NotAllowed()


def _check_reason(reason_code: str) -> None:
    known = ReasonCode.objects.filter(purpose="forbid", is_retired=False)
    if not known.filter(code=reason_code).exists():
        raise InvalidInput(fields={"reason_code": [_("Give the reason.")]})
