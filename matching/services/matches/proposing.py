"""Opening a match and bargaining over its terms (layer: services)."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import Anchor, Stall, User
from matching.access import Standing, may_propose_to_both, require_side
from matching.choices import MatchStatus, Origin, Role, Side
from matching.models import Match
from matching.moves import awaited_roles, state_after
from matching.scores import stored_score
from matching.services.events import record_event
from matching.services.matches.answering import accept_match
from matching.services.matches.guards import (
    OWN_MATCH,
    own_match,
    require_acceptable,
    require_answerable,
    require_fit,
    role_for,
    state_conflict,
)
from matching.services.matches.moving import (
    announce,
    answer_until,
    fresh,
    open_match_of,
    perform,
    write_terms,
)
from matching.services.quota import count_proposal
from matching.states import SIDES
from matching.terms import TermsDraft, check_terms
from matchmaker.core import clock
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed

_ANSWERED_MEANWHILE = frozenset({"wrong_state", "not_awaited"})


def propose_match(
    *, actor: User, side: str, stall: Stall, anchor: Anchor, terms: TermsDraft, note: str = ""
) -> Match:
    """Open a match of the pair in the name of `side`, waiting for the other; announce it.

    A proposal that crosses an open one which waits for `side` answers it: with the same terms it accepts,
    with others it is a counter-offer. Raises InvalidInput for the terms, NotFound when the actor does not act
    for `side`, Conflict (already_open, not_eligible) and TooManyRequests (proposal_quota_used).
    """
    require_side(actor, side, stall=stall, anchor=anchor)
    now = clock.now()
    check_terms(terms, now=now)
    with transaction.atomic():
        crossed = open_match_of(stall, anchor)
        if crossed is None:
            # One open match per pair is the constraint's to keep: the rule would refuse a proposal that
            # crosses one committed since the look above, instead of answering it.
            require_fit(stall, anchor, proposed_by=side, ignore=OWN_MATCH)
            require_acceptable(terms, side, stall, anchor)
            try:
                with transaction.atomic():
                    count_proposal(side, stall.pk if side == Side.STALL else anchor.pk)
                    return _open(actor, Role(side), stall, anchor, terms, note, Origin.SIDE, now)
            except IntegrityError:
                # The other side was a moment faster: the database keeps one open match per pair.
                crossed = open_match_of(stall, anchor)
                if crossed is None:
                    raise
        return _cross(crossed, actor=actor, side=side, terms=terms, note=note)


def propose_to_both(
    *,
    actor: User,
    stall: Stall,
    anchor: Anchor,
    terms: TermsDraft,
    origin: str = Origin.FORCE,
    note: str = "",
) -> Match:
    """Open a match in the name of town staff that both sides still have to accept; announce it.

    Raises NotAllowed (own_match for a member of either side), InvalidInput for the terms, Conflict
    (already_open, not_eligible): nobody's consent and no rule is skipped.
    """
    if not may_propose_to_both(actor):
        raise NotAllowed()
    standing = Standing.of(actor)
    if standing.is_member_of(stall) or standing.is_member_of(anchor):
        raise own_match()
    if origin not in (Origin.FORCE, Origin.MATCH_DAY):
        raise ValueError(f"staff do not propose as {origin!r}")
    now = clock.now()
    check_terms(terms, now=now)
    with transaction.atomic():
        crossed = open_match_of(stall, anchor)
        if crossed is None:
            require_fit(stall, anchor, ignore=OWN_MATCH, for_staff=True)
            require_acceptable(terms, Role.STAFF, stall, anchor)
            try:
                with transaction.atomic():
                    return _open(actor, Role.STAFF, stall, anchor, terms, note, origin, now)
            except IntegrityError:
                crossed = open_match_of(stall, anchor)
                if crossed is None:
                    raise
        raise _already_open(crossed)


def counter_match(
    *,
    actor: User,
    match: Match,
    terms: TermsDraft,
    terms_digest: str = "",
    note: str = "",
    version: int | None = None,
) -> Match:
    """Answer a proposal with other terms, which the other side then has to answer; announce it.

    `terms_digest` and `version` name what the actor saw. Raises InvalidInput (invalid_terms, same_terms),
    NotFound, NotAllowed, Conflict (wrong_state, not_awaited, changed_meanwhile, terms_changed,
    deadline_passed, not_eligible).
    """
    now = clock.now()
    check_terms(terms, now=now)
    with transaction.atomic():
        match = fresh(match, version)
        role = role_for("counter", actor, match)
        require_answerable(match, terms_digest, now)
        if match.terms and match.terms.digest == terms.digest():
            message = _("These are the terms as they stand: accept them, or change something.")
            raise InvalidInput(code="same_terms", fields={"terms": [message]})
        require_acceptable(terms, role, match.stall, match.anchor)
        event = perform(
            match,
            "counter",
            actor=actor,
            role=role,
            now=now,
            note=note,
            terms=write_terms(match, terms, proposed_by=role),
            deadline_at=answer_until(terms, now),
        )
        require_fit(match.stall, match.anchor, ignore=OWN_MATCH)
        announce(match, event)
    return match


def _open(
    actor: User,
    role: Role,
    stall: Stall,
    anchor: Anchor,
    terms: TermsDraft,
    note: str,
    origin: str,
    now: datetime,
) -> Match:
    status, awaiting = state_after("propose", "", "", role)
    match = Match.objects.create(
        stall=stall,
        anchor=anchor,
        status=status,
        awaiting=awaiting,
        proposed_by=role,
        origin=origin,
        deadline_at=answer_until(terms, now),
        list_score_hundredths=stored_score(role if role in SIDES else Side.STALL, stall.pk, anchor.pk),
    )
    match.terms = write_terms(match, terms, proposed_by=role)
    match.save(update_fields=["terms"])
    event = record_event(match, action="propose", from_status="", role=role, actor=actor, at=now, note=note)
    announce(match, event)
    return match


def _cross(match: Match, *, actor: User, side: str, terms: TermsDraft, note: str) -> Match:
    """Answer an open match that waits for `side`; else tell which match is open."""
    if match.status != MatchStatus.PROPOSED or Role(side) not in awaited_roles(match.awaiting):
        raise _already_open(match)
    try:
        if match.terms and match.terms.digest == terms.digest():
            return accept_match(actor=actor, match=match, note=note)
        return counter_match(actor=actor, match=match, terms=terms, note=note)
    except Conflict as refused:
        if refused.code not in _ANSWERED_MEANWHILE:
            raise
        # Somebody of this side answered first: who proposes is told of the match, not of a move of theirs.
        raise _already_open(fresh(match)) from None


def _already_open(match: Match) -> Conflict:
    message = _("The two have an open match already.")
    return state_conflict(match, message, code="already_open", match=str(match.public_id))
