"""Checks of identity: credit code, licence, ID number and age (layer: pure)."""

import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.translation import gettext as _
from stdnum.cn import ric, uscc

from accounts.validation.fields import Bad, Columns, Context
from accounts.validation.values import plain_text

CODE_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
MIN_AGE = 16
ADULT_AGE = 18


def compact(value: Any) -> str:
    """Return a number or code in its one spelling: narrow capitals without spaces and hyphens."""
    clean = unicodedata.normalize("NFKC", plain_text(value, most=40))
    return "".join(char for char in clean if char not in " -").upper()


def credit_code(value: Any, context: Context) -> str:
    """Return a unified social credit code whose check character (GB 32100-2015) is right."""
    code = compact(value)
    if len(code) != 18:
        raise Bad(
            _("A unified social credit code has 18 characters; this has %(count)s.") % {"count": len(code)}
        )
    strange = sorted(set(code) - set(CODE_ALPHABET))
    if strange:
        raise Bad(_("A unified social credit code is made of digits and capitals without I O S V Z; "
                    "%(chars)s cannot occur.") % {"chars": " ".join(strange)})  # fmt: skip
    if not code[2:8].isdigit():
        raise Bad(_("Characters 3 to 8 of a unified social credit code are the region's six digits."))
    right = uscc.calc_check_digit(code[:17])
    if code[17] != right:
        raise Bad(_("The check character should be %(right)s, not %(given)s: a character is mistyped.") % {
            "right": right, "given": code[17],
        })  # fmt: skip
    return code


def id_number(value: Any, context: Context) -> str:
    """Return an 18-character resident identity number whose check character and date are right."""
    number = compact(value)
    if (
        len(number) != 18
        or not (number.isascii() and number[:17].isdigit())
        or number[17] not in "0123456789X"
    ):
        raise Bad(_("An ID number has 17 digits and a check character, a digit or X."))
    # Which character would be right is not told: it would help to make numbers up.
    if number[17] != ric.calc_check_digit(number):
        raise Bad(_("The check character does not fit: one of the 18 characters is mistyped."))
    try:
        ric.get_birth_date(number)
    except ric.InvalidComponent as error:
        raise Bad(_("Characters 7 to 14 are the date of birth, and this date does not exist.")) from error
    return number


def licence_end(value: date, today: date) -> date:
    """Return the last day of a licence that is still good."""
    if value < today:
        raise Bad(_("This licence expired on %(date)s; give a licence in force, until today or later.") % {
            "date": value.isoformat(),
        })  # fmt: skip
    if value.year > today.year + 100:
        raise Bad(_("This is over 100 years from now; leave it empty for a licence without an end."))
    return value


def age_on(birth_date: date, today: date) -> int:
    """Return the age in full years; who is born on 29 February has the birthday on 1 March in other years."""
    return today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))


def _birthday(birth_date: date, years: int) -> date:
    try:
        return birth_date.replace(year=birth_date.year + years)
    except ValueError:
        return date(birth_date.year + years, 3, 1)


def age_rule(view: Columns, context: Context) -> Mapping[str, str]:
    """At least 16; at 16 and 17 with the guardian's consent on file; the ID number tells the same date."""
    born: date = view["birth_date"]
    problems = {}
    age = age_on(born, context.today)
    if born > context.today or age > 110:
        problems["birth_date"] = _("Give a date of birth within the last 110 years.")
    elif age < MIN_AGE:
        problems["birth_date"] = _("An anchor must be at least 16 years old; she will be on %(date)s.") % {
            "date": _birthday(born, MIN_AGE).isoformat(),
        }  # fmt: skip
    elif age < ADULT_AGE and view["guardian_consent_on"] is None:
        problems["guardian_consent_on"] = _(
            "At 16 and 17 the guardian must consent: give the date on which the consent was put on file."
        )
    consent = view["guardian_consent_on"]
    if consent and not born <= consent <= context.today:
        problems["guardian_consent_on"] = _(
            "The guardian's consent lies between the date of birth and today."
        )
    return problems


def id_rule(view: Columns, context: Context) -> Mapping[str, str]:
    """The ID number and the date of birth are of one person."""
    number = view["id_number"]
    if not number or ric.get_birth_date(number) == view["birth_date"]:
        return {}
    return {"birth_date": _("The ID number holds another date of birth.")}
