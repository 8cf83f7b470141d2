"""Three people to try the demo town as, and a line of curl (layer: services).

Passwords and the token are random for each installation and kept in `var/demo.json`, readable by its owner
only. They exist with the embedded default alone.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.choices import Scope
from accounts.models import Stall, User
from accounts.services.access import issue_api_token, live_api_token
from accounts.services.anchors import register_anchor
from accounts.services.bulk import register_people
from accounts.services.parties import register_merchant
from accounts.services.staff import appoint_staff
from accounts.services.stalls import register_stall
from accounts.services.verification import verify_anchors, verify_merchants
from accounts.signals import hushed
from matchmaker.bootstrap import say
from seeds.generate.ranges import read_data

LOADER_PHONE = "+8613900000000"
PHONES = {"merchant": "+8613900000001", "anchor": "+8613900000002", "staff": "+8613900000003"}
TOKEN_LIFE = timedelta(days=365)


@dataclass(frozen=True)
class DemoCard:
    """What a newcomer needs: logins as (role, phone, password), and one line that returns suggestions."""

    logins: list[tuple[str, str, str]]
    curl: str


@dataclass(frozen=True)
class Secrets:
    """What `var/demo.json` holds."""

    passwords: dict[str, str]
    token: str
    stall: str


def demo_card() -> DemoCard | None:
    """Return the demo logins of this installation; None where there is no demo town."""
    kept = _read() if settings.EMBEDDED else None
    if kept is None or live_api_token(kept.token) is None or not Stall.objects.filter(public_id=kept.stall):
        return None
    roles = {
        "merchant": say("merchant", "商家"),
        "anchor": say("anchor", "主播"),
        "staff": say("staff", "运营"),
    }
    return DemoCard(
        logins=[(roles[role], PHONES[role], kept.passwords[role]) for role in PHONES],
        curl=f"curl -s http://127.0.0.1:8000/api/v1/stalls/{kept.stall}/suggestions/"
        f' -H "Authorization: Bearer {kept.token}"',
    )


def load_demo(*, actor: User) -> None:
    """Add a merchant with two stalls, an anchor and a member of staff, verified, with passwords.

    Announces nothing: the loading of the town, of which this is part, ends with one recomputation.
    """
    rows = read_data("demo.json")
    passwords = {role: f"demo-{secrets.token_urlsafe(9)}" for role in PHONES}
    with transaction.atomic(), hushed():
        users = _people(actor, rows, passwords)
        merchant = register_merchant(actor=users["merchant"], data=rows["merchant"])
        stalls = [
            register_stall(actor=users["merchant"], merchant=merchant, data=row) for row in rows["stalls"]
        ]
        anchor = register_anchor(actor=users["anchor"], data=rows["anchor"])
        verify_merchants(actor=actor, merchants=[merchant])
        verify_anchors(actor=actor, anchors=[anchor])
        appoint_staff(actor=actor, user=users["staff"])
        _row, token = issue_api_token(
            actor=users["merchant"],
            user=users["merchant"],
            name="demo",
            scopes=[scope.value for scope in Scope],
            expires_at=timezone.now() + TOKEN_LIFE,
        )
    _write(Secrets(passwords, token, str(stalls[0].public_id)))


@contextmanager
def seeding_staff() -> Iterator[User]:
    """Yield a member of staff to load a town as; nobody can sign in as them afterwards."""
    user = User.objects.filter(phone=LOADER_PHONE).first()
    if user is None:
        [user] = register_people(actor=None, people=[(LOADER_PHONE, "示范数据")])
    _set_staff(user, is_staff=True)
    try:
        yield user
    finally:
        _set_staff(user, is_staff=False)


def _set_staff(user: User, *, is_staff: bool) -> None:
    user.is_active = user.is_staff = is_staff
    user.save(update_fields=["is_active", "is_staff", "updated_at"])


def _people(actor: User, rows: dict[str, Any], passwords: dict[str, str]) -> dict[str, User]:
    people = [(phone, rows["people"][role]) for role, phone in PHONES.items()]
    users = dict(zip(PHONES, register_people(actor=actor, people=people), strict=True))
    for role, user in users.items():
        user.set_password(passwords[role])
        user.save(update_fields=["password", "updated_at"])
    return users


def _file() -> Path:
    return Path(settings.VAR_DIR) / "demo.json"


def _write(kept: Secrets) -> None:
    _file().unlink(missing_ok=True)
    descriptor = os.open(_file(), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(kept), file)


def _read() -> Secrets | None:
    """Return what was kept; None when there is nothing, or nothing that this version can read."""
    try:
        return Secrets(**json.loads(_file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
