"""What staff decide about a pair of a match day before it is solved, or solved again (layer: services)."""

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Anchor, Stall, User
from matching.choices import PairWish
from matching.models import MatchDay, MatchDayPair
from matching.selectors.matchdays import pins_over_capacity, rules_against_pin
from matching.services.matchdays.moving import require_staff, take_step
from matchmaker.core.errors import Conflict


def pin_pair(*, actor: User, day: MatchDay, stall: Stall, anchor: Anchor) -> MatchDayPair:
    """Have the two brought together whatever it is worth; a solved day is a draft again.

    Raises NotAllowed, Conflict (wrong_state; pinned_and_forbidden; pinned_but_excluded with the rules;
    pins_over_capacity with the party).
    """
    return _wish(actor, day, stall, anchor, PairWish.PINNED)


def forbid_pair(*, actor: User, day: MatchDay, stall: Stall, anchor: Anchor) -> MatchDayPair:
    """Keep the two apart on this day; a solved day is a draft again.

    Raises NotAllowed, Conflict (wrong_state; pinned_and_forbidden).
    """
    return _wish(actor, day, stall, anchor, PairWish.FORBIDDEN)


def free_pair(*, actor: User, day: MatchDay, stall: Stall, anchor: Anchor) -> MatchDayPair | None:
    """Leave the pair to the engine again; a solved day is a draft again. None where there was no wish."""
    require_staff(actor)
    with transaction.atomic():
        pair = MatchDayPair.objects.filter(day=day, stall=stall, anchor=anchor).first()
        if pair is None or not pair.wish:
            return None
        _change(day, actor)
        pair.wish = PairWish.NONE
        pair.save(update_fields=["wish", "updated_at"])
    return pair


def _wish(actor: User, day: MatchDay, stall: Stall, anchor: Anchor, wish: PairWish) -> MatchDayPair:
    require_staff(actor)
    with transaction.atomic():
        pair, _made = MatchDayPair.objects.get_or_create(day=day, stall=stall, anchor=anchor)
        if pair.wish == wish:
            return pair
        _change(day, actor)
        if pair.wish:
            names = {"stall": stall, "anchor": anchor, "wish": pair.get_wish_display()}
            message = _("%(stall)s and %(anchor)s are %(wish)s already. Free the pair first.") % names
            raise Conflict(message, code="pinned_and_forbidden", pairs=[[stall.pk, anchor.pk]])
        pair.wish, pair.is_solved = wish, pair.is_solved and wish != PairWish.FORBIDDEN
        pair.save(update_fields=["wish", "is_solved", "updated_at"])
        if wish == PairWish.PINNED:
            _require_possible(day, pair)
    return pair


def _change(day: MatchDay, actor: User) -> None:
    """Make the day a draft again; what was refused before may be possible now."""
    report = {name: told for name, told in day.report.items() if name != "refused"}
    take_step("change", day=day, actor=actor, report=report)


def _require_possible(day: MatchDay, pair: MatchDayPair) -> None:
    for refusal in (rules_against_pin(pair), *pins_over_capacity(day)):
        if refusal is not None:
            raise refusal.as_error()
