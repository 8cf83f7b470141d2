"""Terms, their changes and the town's norms in words of the active language (layer: selectors)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

from accounts.choices import CooperationMode, SessionMode
from accounts.selectors import reference
from matching.models import Terms
from matching.selectors.norms import Norm
from matching.terms import TermsDraft, WantedSession, sessions_from_json
from matchmaker.core.money import exact_percent, yuan
from matchmaker.core.weeks import TOWN_ZONE

AnyTerms = Terms | TermsDraft
# What the example of a preview reckons with.
EXAMPLE_SALES_CENTS = 1_000_000


# --- what terms say ------------------------------------------------------------------------------


def preview_of(terms: AnyTerms) -> str:
    """Return terms as sentences that need no other knowledge: money, account, sessions, an example."""
    draft = draft_of_row(terms)
    sentences = [_money(draft), _mode_sentence(draft), _sessions(draft), _example(draft)]
    return ("" if _is_chinese() else " ").join(sentences)


def terms_lines(terms: AnyTerms | None) -> list[str]:
    """Return commission, slot fee and mode of terms, a short line each."""
    if terms is None:
        return []
    fee = _("slot fee %(fee)s") % {"fee": yuan(terms.slot_fee_cents)}
    return [
        _("commission rate %(rate)s") % {"rate": exact_percent(terms.commission_rate)},
        fee if terms.slot_fee_cents else _("pure commission"),
        str(CooperationMode(terms.cooperation_mode).label),
    ]


def session_lines(terms: AnyTerms | None) -> list[str]:
    """Return the wanted sessions in the town's time, a line each."""
    return [session_line(session) for session in draft_of_row(terms).sessions] if terms else []


def session_line(session: WantedSession) -> str:
    """Return one session: day, hours in the town's time, mode, and places where there are several."""
    words = {"span": span(session.starts_at, session.ends_at), "mode": _mode(session)}
    return _("%(span)s, %(mode)s") % words


def span(starts_at: datetime, ends_at: datetime) -> str:
    """Return day and hours as the town's clocks show them."""
    begun, ended = (timezone.localtime(moment, TOWN_ZONE) for moment in (starts_at, ends_at))
    # A date format of Django; its names of days and months are translated there.
    day = date_format(begun, pgettext("date format", "D j M Y"))
    start, end = date_format(begun, "H:i"), date_format(ended, "H:i")
    if end == "00:00":
        end = "24:00"  # as posters say
    elif ended.date() > begun.date():
        end = _("%(hour)s the next day") % {"hour": end}
    return _("%(day)s %(hours)s") % {"day": day, "hours": f"{start}–{end}"}


def draft_of_row(terms: AnyTerms) -> TermsDraft:
    """Return terms as the value that they are, sessions in order of their start."""
    if isinstance(terms, TermsDraft):
        sessions = sorted(terms.sessions, key=lambda session: session.starts_at)
    else:
        sessions = sessions_from_json(terms.sessions)
    return TermsDraft(
        commission_rate=Decimal(terms.commission_rate),
        slot_fee_cents=terms.slot_fee_cents,
        cooperation_mode=terms.cooperation_mode,
        sessions=tuple(sessions),
    )


def _money(terms: TermsDraft) -> str:
    rate, fee = exact_percent(terms.commission_rate), yuan(terms.slot_fee_cents)
    if not terms.slot_fee_cents:
        return _("Commission %(rate)s of settled sales; no slot fee (pure commission).") % {"rate": rate}
    # A slot fee is for one place in a running order, and so for each session.
    count, total = len(terms.sessions), yuan(terms.slot_fee_cents * len(terms.sessions))
    if count == 1:
        told = _("Commission %(rate)s of settled sales; slot fee %(fee)s for the session.")
    else:
        told = _(
            "Commission %(rate)s of settled sales; slot fee %(fee)s for each of %(count)d sessions,"
            " %(total)s in all."
        )
    return told % {"rate": rate, "fee": fee, "count": count, "total": total}


def _mode_sentence(terms: TermsDraft) -> str:
    match terms.cooperation_mode:
        case CooperationMode.STORE_BROADCAST:
            return _("Store broadcast on the stall's account.")
        case CooperationMode.CREATOR_BROADCAST:
            return _("Creator broadcast on the anchor's account.")
        case CooperationMode.ROAMING_BROADCAST:
            return _("Roaming broadcast: the host walks the market.")
    raise ValueError(f"no cooperation mode {terms.cooperation_mode!r}")


def _sessions(terms: TermsDraft) -> str:
    count = len(terms.sessions)
    told = ("；" if _is_chinese() else "; ").join(session_lines(terms))
    return ngettext("%(count)d session: %(sessions)s.", "%(count)d sessions: %(sessions)s.", count) % {
        "count": count,
        "sessions": told,
    }


def _example(terms: TermsDraft) -> str:
    commission = int(terms.commission_rate * EXAMPLE_SALES_CENTS)
    amounts = {
        "sales": yuan(EXAMPLE_SALES_CENTS),
        "commission": yuan(commission),
        "fee": yuan(terms.slot_fee_cents),
        "total": yuan(commission + terms.slot_fee_cents),
    }
    if not terms.slot_fee_cents:
        return _("Example: at sales of %(sales)s the stall pays %(commission)s.") % amounts
    return (
        _(
            "Example: at sales of %(sales)s in a session the stall pays %(total)s:"
            " %(commission)s commission and %(fee)s slot fee."
        )
        % amounts
    )


def _mode(session: WantedSession) -> str:
    label = str(SessionMode(session.mode).label)
    if session.mode == SessionMode.EXCLUSIVE:
        return label
    places = ngettext("%(count)d place", "%(count)d places", session.places) % {"count": session.places}
    return _("%(mode)s with %(places)s") % {"mode": label, "places": places}


def _is_chinese() -> bool:
    return (get_language() or "zh").startswith("zh")


# --- what changed ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One difference between two versions; a session that was added or removed has None on one side."""

    field: str
    before: Any
    after: Any
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return what answers of the API hold."""
        return {"field": self.field, "from": self.before, "to": self.after, "text": self.text}


def changes_between(before: AnyTerms, after: AnyTerms) -> list[Change]:
    """Return what differs, in the order in which terms are read; nothing exactly when the digests agree."""
    old, new = draft_of_row(before), draft_of_row(after)
    plain = [
        _change("commission_rate", f"{old.commission_rate:.4f}", f"{new.commission_rate:.4f}", _rate_text),
        _change("slot_fee_cents", old.slot_fee_cents, new.slot_fee_cents, _fee_text),
        _change("cooperation_mode", str(old.cooperation_mode), str(new.cooperation_mode), _mode_text),
    ]
    moved = [_session_change(*pair) for pair in _session_pairs(old.sessions, new.sessions)]
    return [change for change in plain if change is not None] + moved


def _change(field: str, before: Any, after: Any, told: Callable[[Any, Any], str]) -> Change | None:
    return None if before == after else Change(field, before, after, told(before, after))


def _rate_text(before: str, after: str) -> str:
    rates = {"before": exact_percent(Decimal(before)), "after": exact_percent(Decimal(after))}
    return _("Commission %(before)s → %(after)s") % rates


def _fee_text(before: int, after: int) -> str:
    none = pgettext("slot fee", "none")
    fees = {"before": yuan(before) if before else none, "after": yuan(after) if after else none}
    return _("Slot fee %(before)s → %(after)s") % fees


def _mode_text(before: str, after: str) -> str:
    modes = {"before": CooperationMode(before).label, "after": CooperationMode(after).label}
    return _("Cooperation mode %(before)s → %(after)s") % modes


def _session_change(before: WantedSession | None, after: WantedSession | None) -> Change:
    words = {"before": before and session_line(before), "after": after and session_line(after)}
    if before is None:
        text = _("Session added: %(after)s") % words
    elif after is None:
        text = _("Session removed: %(before)s") % words
    elif before.starts_at == after.starts_at:
        text = _("Session changed: %(before)s → %(after)s") % words
    else:
        text = _("Session moved: %(before)s → %(after)s") % words
    return Change("sessions", before and before.as_json(), after and after.as_json(), text)


def _session_pairs(
    before: Iterable[WantedSession], after: Iterable[WantedSession]
) -> list[tuple[WantedSession | None, WantedSession | None]]:
    """Pair the sessions that differ: first those of one start, then those alike but for it; by time."""
    kept = set(before) & set(after)
    left, fresh = [s for s in before if s not in kept], [s for s in after if s not in kept]
    pairs: list[tuple[WantedSession | None, WantedSession | None]] = []
    for key in (lambda session: session.starts_at, _shape):
        for session in tuple(left):
            partner = next((other for other in fresh if key(other) == key(session)), None)
            if partner is not None:
                pairs.append((session, partner))
                left.remove(session)
                fresh.remove(partner)
    pairs += [(session, None) for session in left] + [(None, session) for session in fresh]
    return sorted(pairs, key=lambda pair: min(session.starts_at for session in pair if session))


def _shape(session: WantedSession) -> Any:
    return session.ends_at - session.starts_at, str(session.mode), session.places


# --- norms -----------------------------------------------------------------------------------------


def norm_sentence(norm: Norm) -> str:
    """Return what is usual in a category, or that too few agreed to say so."""
    item = reference().categories.get(norm.category)
    words: dict[str, Any] = {"category": item.name if item else norm.category, "count": norm.matches}
    if norm.commission is None:
        return _("%(category)s: too few matches were agreed to tell what is usual.") % words
    words |= {
        "low": exact_percent(norm.commission.lower),
        "median": exact_percent(norm.commission.median),
        "high": exact_percent(norm.commission.upper),
        "pure": exact_percent(norm.pure_commission_rate or Decimal(0)),
    }
    told = _(
        "%(category)s: half of %(count)d agreed matches have a commission of %(low)s to %(high)s,"
        " the middle is %(median)s; %(pure)s are pure commission."
    )
    if norm.slot_fee_median_cents is None:
        return told % words
    fee = _("Where there is a slot fee, the middle is %(fee)s.") % {"fee": yuan(norm.slot_fee_median_cents)}
    return (told % words) + ("" if _is_chinese() else " ") + fee
