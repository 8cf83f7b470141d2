"""How often somebody may try to get in; counted before any password is hashed (layer: services)."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from rest_framework.throttling import BaseThrottle

from jobs.throttle import check_rate

QUARTER, HOUR, DAY = 15 * 60, 60 * 60, 24 * 60 * 60


class Per(Enum):
    """What a limit counts by."""

    PHONE = "phone"
    ADDRESS = "ip"
    TOKEN = "token"  # noqa: S105 (a word)


@dataclass(frozen=True)
class Limit:
    """At most `count` tries of `name` per phone, address or token in `seconds`."""

    name: str
    per: Per
    count: int
    seconds: int


# A town shares few addresses: the limits by address stop machines, not a market hall at opening time.
# By address first: who is over it uses up nobody's phone any more.
LOGIN = (Limit("login", Per.ADDRESS, 100, QUARTER), Limit("login", Per.PHONE, 10, QUARTER))
SMS = (Limit("sms", Per.ADDRESS, 60, HOUR), Limit("sms", Per.PHONE, 5, HOUR))
# allauth counts three wrong codes in the session, which parallel tries outrun; this count they cannot.
CODE = (Limit("code", Per.ADDRESS, 100, QUARTER), Limit("code", Per.TOKEN, 5, QUARTER))
PASSWORD = (Limit("password", Per.ADDRESS, 100, QUARTER), Limit("password", Per.TOKEN, 10, QUARTER))
# Three of a million codes count at a time: who has the password too would find one in half a year in 60.
SECOND_FACTOR = (
    Limit("second-factor", Per.ADDRESS, 100, QUARTER),
    Limit("second-factor", Per.PHONE, 5, QUARTER),
    Limit("second-factor-day", Per.PHONE, 30, DAY),
)
# Whatever leads to it, one phone gets no more; the limits above are counted before a password is hashed.
SENT = (Limit("sms-sent", Per.PHONE, 8, HOUR),)
RESEND = (Limit("sms", Per.ADDRESS, 60, HOUR), Limit("resend", Per.TOKEN, 2, QUARTER))


def check_limits(limits: Iterable[Limit], request: HttpRequest, *, phone: str = "", token: str = "") -> None:
    """Count one try against each limit; raise TooManyRequests at the first that is used up."""
    values = {Per.PHONE: phone, Per.ADDRESS: address_of(request), Per.TOKEN: token}
    for limit in limits:
        value = values[limit.per]
        if value:
            check_rate(_key(limit, value), limit=limit.count, per_seconds=limit.seconds)


def address_of(request: HttpRequest) -> str:
    """Return the asker's address behind the trusted proxies; of IPv6 the /64 that one household holds.

    Never empty: who comes from nowhere shares one count with all who do.
    """
    address = str(BaseThrottle().get_ident(request) or "")  # type: ignore[arg-type]
    address = _without_port(address.strip()) or request.META.get("REMOTE_ADDR") or "unknown"
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)


def _without_port(address: str) -> str:
    """Some proxies add the port, of which an asker has 65,000."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _key(limit: Limit, value: str) -> str:
    """A keyed digest: counts must not be a list of phones and addresses."""
    digest = salted_hmac("accounts.limits", value, algorithm="sha256").hexdigest()[:40]
    return f"{limit.name}:{limit.per.value}:{digest}"
