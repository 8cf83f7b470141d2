"""Refusals of accounts that are none of the five kinds (layer: errors)."""

from django.utils.translation import gettext_lazy as _

from matchmaker.core.errors import DomainError


class NotSignedIn(DomainError):
    """The asker is nobody known: no token, or one that no longer counts."""

    status = 401
    default_code = "not_authenticated"
    default_detail = _("Please sign in first.")

    def __init__(self, detail: str = "", *, code: str = "") -> None:
        super().__init__(detail, code=code, headers={"WWW-Authenticate": 'Bearer realm="matchmaker"'})
