"""Checks of marginal shares, the sold-price histogram and platform accounts (layer: pure)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from accounts.choices import PRICE_BINS, Platform
from accounts.validation.fields import Bad, Check, Context, collect
from accounts.validation.values import decimal_of, listed, one_of, plain_text, whole_number

TOLERANCE = 0.001
MAX_FOLLOWERS = 1_000_000_000
MAX_VIEWERS = 50_000_000


def _share(value: Any) -> float:
    number = decimal_of(value)
    if not 0 <= number <= 1:
        raise Bad(_("Each share lies from 0 to 1; this is %(value)s.") % {"value": f"{number:f}"[:20]})
    return round(float(number), 6)


def _check_sum(shares: Sequence[float]) -> None:
    total = sum(shares)
    if abs(total - 1) > TOLERANCE:
        raise Bad(_("The shares must sum to 1; they sum to %(total)s.") % {"total": f"{total:.4g}"})


def shares_of(keys: tuple[str, ...]) -> Check:
    """A check for shares by key that sum to 1; a key left out is 0, an empty object is unknown."""

    def check(value: Any, context: Context) -> dict[str, float]:
        if not isinstance(value, dict):
            raise Bad(_('Give shares by group, such as {"%(key)s": 1.0}.') % {"key": keys[0]})
        unknown = [str(key)[:40] for key in value if key not in keys]
        if unknown:
            words = {"unknown": ", ".join(unknown), "keys": ", ".join(keys)}
            raise Bad(_("%(unknown)s is not among: %(keys)s.") % words)
        if not value:
            return {}
        given = [key for key in keys if key in value]
        shares = collect([(key, partial(_share, value[key])) for key in given])
        _check_sum(shares)
        return dict(zip(given, shares, strict=True))

    return check


def price_shares(value: Any, context: Context) -> list[float]:
    """Return the share of pieces sold in each of the 16 price bins; an empty list is unknown."""
    given = listed(value, 1000)
    if not given:
        return []
    if len(given) != PRICE_BINS:
        raise Bad(_("Give %(bins)s shares, one for each price bin; there are %(count)s.") % {
            "bins": PRICE_BINS, "count": len(given),
        })  # fmt: skip
    shares = collect([(str(number), partial(_share, share)) for number, share in enumerate(given)])
    _check_sum(shares)
    return shares


def platform_accounts(value: Any, context: Context) -> list[dict[str, Any]]:
    """Return an anchor's accounts, one per platform and handle."""
    given = listed(value, 20)
    if not given:
        raise Bad(_("Give at least one platform with its followers and average viewers."))
    accounts = collect([(str(number), partial(_account, item, context)) for number, item in enumerate(given)])
    if len({(account["platform"], account["handle"]) for account in accounts}) < len(accounts):
        raise Bad(_("The same platform account is listed twice."))
    return accounts


ACCOUNT_KEYS = ("platform", "handle", "followers", "average_viewers")


def _account(item: Any, context: Context) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Bad(_("Give an object with %(keys)s.") % {"keys": ", ".join(ACCOUNT_KEYS)})
    unknown = [str(key)[:40] for key in item if key not in ACCOUNT_KEYS]
    if unknown:
        raise Bad(parts={key: [_("There is no such field.")] for key in unknown})
    values = collect([
        ("platform", lambda: one_of(Platform.values)(item.get("platform"), context)),
        ("handle", lambda: plain_text(item.get("handle", ""), most=60)),
        ("followers", lambda: whole_number(item.get("followers"), 0, MAX_FOLLOWERS)),
        ("average_viewers", lambda: whole_number(item.get("average_viewers", 0), 0, MAX_VIEWERS)),
    ])  # fmt: skip
    account = dict(zip(ACCOUNT_KEYS, values, strict=True))
    if account["average_viewers"] > max(1000, 50 * account["followers"]):
        raise Bad(
            parts={
                "average_viewers": [_("This is more than 50 viewers for each follower; check both figures.")]
            }
        )
    return account


def spread_accounts(accounts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the columns that follow from the accounts: followers in all, viewers of the best."""
    return {
        "platforms": accounts,
        "followers": sum(account["followers"] for account in accounts),
        "average_viewers": max(account["average_viewers"] for account in accounts),
    }
