"""What can go wrong in the domain: one base, five kinds; the faces translate them (layer: core)."""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext_lazy as _

Fields = Mapping[str, Sequence[str]]


class DomainError(Exception):
    """A refusal with a stable `code`, a sentence for people, and the fields at fault."""

    status = 500
    default_code = "error"
    default_detail = _("Something went wrong.")

    def __init__(
        self,
        detail: str = "",
        *,
        code: str = "",
        fields: Fields | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: object,
    ) -> None:
        self.code = code or self.default_code
        self.detail = detail or str(self.default_detail)
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})
        self.extra = extra
        super().__init__(f"{self.code}: {self.detail}")


class InvalidInput(DomainError):
    """The request cannot be understood or breaks a rule of its fields."""

    status = 400
    default_code = "invalid_input"
    default_detail = _("Some of the values cannot be accepted.")


class NotAllowed(DomainError):
    """The asker is known and may not do this."""

    status = 403
    default_code = "not_allowed"
    default_detail = _("You are not allowed to do this.")


class NotFound(DomainError):
    """There is no such thing, or the asker may not see it."""

    status = 404
    default_code = "not_found"
    default_detail = _("There is nothing here.")


class Conflict(DomainError):
    """The thing is in another state than the request needs."""

    status = 409
    default_code = "conflict"
    default_detail = _("The current state does not allow this.")


class Unavailable(DomainError):
    """A part that is needed does not answer; trying again later helps."""

    status = 503
    default_code = "unavailable"
    default_detail = _("This is not available at the moment. Please try again shortly.")
