"""Everything about one match on one page (layer: faces)."""

from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.admin.verifying import verification_tone
from accounts.admin.wording import names_of
from accounts.models import Anchor, ReasonCode, Stall, User
from accounts.selectors import reference
from matching.access import Standing
from matching.admin import wording
from matching.admin.decisions import STAFF_MOVES, WORDINGS
from matching.choices import MatchStatus, Role, Side
from matching.models import Match, MatchEvent, WeekLoad
from matching.moves import allowed_actions
from matching.queue import Brief, Part, track_records
from matching.selectors.norms import norms_of_stall
from matching.states import SIDES
from matching.terms_in_words import changes_between, norm_sentence, session_lines, terms_lines
from matchmaker.core.admin import badge, expiry
from matchmaker.core.money import percent, yuan
from matchmaker.core.weeks import week_of

Rows = list[tuple[str, Any]]
# Points below half a hundredth would read as 0.00.
LEAST_SHOWN = 0.005


def match_context(match: Match, user: User) -> dict[str, Any]:
    """Return what the template of a match's page shows; the match carries its brief."""
    brief = match.brief  # type: ignore[attr-defined]
    records = track_records(match)
    loads = _loads(match)
    waits = match.status == MatchStatus.AGREED
    return {
        "match": match,
        "brief": brief,
        "status_badge": badge(
            wording.STATUS_TONES.get(MatchStatus(match.status), "quiet"), match.get_status_display()
        ),
        "waited": wording.duration(timezone.now() - match.agreed_at) if waits and match.agreed_at else "",
        "conflicts": wording.conflict_lines(brief) if waits else [],
        "waits": waits,
        **score_context(brief),
        "sides": [
            (
                _("stall"),
                match.stall,
                "admin:accounts_stall_change",
                stall_rows(match.stall),
                records["stall"],
            ),
            (
                _("anchor"),
                match.anchor,
                "admin:accounts_anchor_change",
                anchor_rows(match.anchor),
                records["anchor"],
            ),
        ],
        "loads": loads,
        "status_names": dict(MatchStatus.choices),
        "versions": _versions(match),
        "norms": [norm_sentence(norm) for norm in norms_of_stall(match.stall)],
        "events": _events(match),
        "actions": _actions(match, user),
    }


def score_context(brief: Brief) -> dict[str, Any]:
    """Return the table of the score: likelihoods and parts by direction, sums that hold exactly."""
    return {
        "steps": [
            (wording.DIRECTIONS[step.code], f"{step.percent:.0f}%", f"{step.base_percent:.0f}%")
            for step in brief.directions
        ],
        "parts": [
            (wording.part_name(part.code), [_points(p) for p in part.by_direction], _points(part.total))
            for part in brief.parts
            if _is_felt(part)
        ],
        "direction_names": list(wording.DIRECTIONS.values()),
        "base_shown": "" if brief.base is None else f"{brief.base:.2f}",
        "score_shown": "" if brief.score is None else f"{brief.score:.2f}",
    }


def _points(value: float) -> str:
    return f"{value:+.2f}" if abs(value) >= LEAST_SHOWN else "0"


def _is_felt(part: Part) -> bool:
    return any(abs(value) >= LEAST_SHOWN for value in (*part.by_direction, part.total))


def _actions(match: Match, user: User) -> list[tuple[str, Any, str]]:
    """Return (action, label, tone) of the moves that the state table gives this user on this match now."""
    roles = Standing.of(user).roles_in(match)
    # Who stands on a side acts there, not here.
    allowed = [] if roles & SIDES else allowed_actions(match.status, match.awaiting, roles)
    return [
        (action, WORDINGS[action].label, WORDINGS[action].tone) for action in STAFF_MOVES if action in allowed
    ]


def stall_rows(stall: Stall) -> Rows:
    """Return what staff look at on the stall's side."""
    merchant = stall.merchant
    book = reference()
    return [
        (_("merchant"), merchant.name),
        (_("verification"), badge(*verification_tone(merchant))),
        (_("verified until"), expiry(merchant.verified_until, empty="–")),
        (_("licence expires on"), expiry(merchant.licence_expires_on, empty=_("no end date"))),
        (_("place"), f"{stall.zone.name} · {stall.floor}F · {stall.number}"),
        (_("categories"), names_of(book.categories, stall.categories)),
        (_("price band"), f"{yuan(stall.price_min_cents)}–{yuan(stall.price_max_cents)}"),
        (_("MOQ"), stall.moq),
        (_("stock depth"), stall.stock_depth),
        (_("restock days"), stall.restock_days),
        (_("return rate"), "–" if stall.return_rate is None else percent(stall.return_rate)),
        (_("commission offered"), percent(stall.commission_rate)),
        (_("slot fee offered"), yuan(stall.slot_fee_cents)),
        (_("streaming permit"), stall.get_streaming_permit_display()),
        (_("contact"), f"{merchant.contact_name} {merchant.contact_phone}"),
    ]


def anchor_rows(anchor: Anchor) -> Rows:
    """Return what staff look at on the anchor's side."""
    book = reference()
    consent = anchor.guardian_consent_on
    return [
        (_("real name"), anchor.real_name or "–"),
        (_("verification"), badge(*verification_tone(anchor))),
        (_("verified until"), expiry(anchor.verified_until, empty="–")),
        (_("date of birth"), date_format(anchor.birth_date, "Y-m-d")),
        (_("guardian's consent on file since"), date_format(consent, "Y-m-d") if consent else "–"),
        (_("categories"), names_of(book.categories, anchor.categories)),
        (_("followers"), f"{anchor.followers:,}"),
        (_("average viewers"), f"{anchor.average_viewers:,}"),
        (_("region"), anchor.region.name if anchor.region else "–"),
        (_("commission wanted"), percent(anchor.commission_rate)),
        (_("slot fee wanted"), yuan(anchor.slot_fee_cents)),
        (_("largest MOQ accepted"), "–" if anchor.moq_max is None else anchor.moq_max),
        (_("comes on site"), _("yes") if anchor.is_on_site else _("no")),
        (_("contact"), anchor.contact_phone or "–"),
    ]


def _loads(match: Match) -> list[tuple[str, str, str]]:
    """Return (week, side, used of capacity) for the weeks that the match takes; one query."""
    weeks = {week_of(booking.session.starts_at) for booking in _bookings(match)}
    rows = WeekLoad.objects.filter(week_on__in=weeks).order_by("week_on", "-side")
    parties = {(Side.STALL.value, match.stall_id), (Side.ANCHOR.value, match.anchor_id)}
    return [
        (date_format(row.week_on, "Y-m-d"), str(Side(row.side).label), f"{row.used}/{row.capacity}")
        for row in rows.filter(party_id__in={match.stall_id, match.anchor_id})
        if (row.side, row.party_id) in parties
    ]


def _bookings(match: Match) -> Any:
    return match.bookings.filter(released_at__isnull=True).select_related("session")


def _versions(match: Match) -> list[dict[str, Any]]:
    """Return all versions of the terms, the newest first, each with what it changed."""
    sides = dict(Role.choices)
    versions = list(match.versions.order_by("number"))
    shown = [
        {
            "number": version.number,
            "by": sides.get(version.proposed_by, version.proposed_by),
            "at": wording.town_time(version.created_at),
            "is_current": version.pk == match.terms_id,
            "lines": [*terms_lines(version), *session_lines(version)],
            "changes": [change.text for change in changes_between(before, version)] if before else [],
            "digest": version.digest[:12],
        }
        for before, version in zip([None, *versions], versions, strict=False)
    ]
    return shown[::-1]


def _events(match: Match) -> list[dict[str, Any]]:
    """Return the history of the match with names for ids and codes; three queries."""
    events: list[MatchEvent] = list(match.events.select_related("note").order_by("seq"))
    actors = User.objects.in_bulk({event.actor_id for event in events if event.actor_id})
    codes = {event.reason_code for event in events if event.reason_code}
    reasons = {row.code: row.name for row in ReasonCode.objects.filter(code__in=codes)}
    states = dict(MatchStatus.choices)
    return [
        {
            "seq": event.seq,
            "at": wording.town_time(event.at),
            "action": wording.ACTIONS.get(event.action, event.action),
            "from": states.get(event.from_status, "–"),
            "to": states.get(event.to_status, event.to_status),
            "actor": actors.get(event.actor_id) or _("system"),
            "role": dict(Role.choices).get(event.actor_role, event.actor_role),
            "reason": reasons.get(event.reason_code, event.reason_code),
            "note": event.note.text if event.note else "",
        }
        for event in events
    ]
