"""Phone numbers: E.164 inside, mainland China when no country code is given (layer: pure)."""

import phonenumbers
from django.utils.translation import gettext as _

from matchmaker.core.errors import InvalidInput


def normalize_phone(text: str, *, field: str = "phone") -> str:
    """Return `text` as E.164; raise InvalidInput naming `field` when it is no possible number."""
    try:
        number = phonenumbers.parse(text.strip(), "CN")
    except phonenumbers.NumberParseException as error:
        raise _invalid(field) from error
    if not phonenumbers.is_valid_number(number):
        raise _invalid(field)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _invalid(field: str) -> InvalidInput:
    message = _("Give a phone number such as 13800138000 or +85291234567.")
    return InvalidInput(code="invalid_phone", fields={field: [message]})
