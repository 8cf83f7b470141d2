"""How a profile is checked: fields, rules across them, every problem at once (layer: pure)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any

from django.utils.translation import gettext as _

from accounts.codes import ReferenceBook
from matchmaker.core.errors import InvalidInput

Problems = dict[str, list[str]]


class Bad(Exception):
    """A value is refused; `parts` holds messages by path below the field, "" being the field itself."""

    def __init__(self, *messages: str, parts: Problems | None = None) -> None:
        self.parts: Problems = parts or {"": list(messages)}
        super().__init__(str(self.parts))


@dataclass(frozen=True)
class Context:
    """What checks may look at besides the value."""

    book: ReferenceBook
    today: date


Check = Callable[[Any, Context], Any]
Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """One field that a client may send; `spread` turns its clean value into columns of other names."""

    check: Check
    required: bool = False
    nullable: bool = False
    spread: Callable[[Any], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Rule:
    """A rule across fields, asked only when one of `columns` is being set and all of them are clean.

    A profile that has come to break a rule by itself (a licence that lapsed) can still be edited.
    """

    columns: tuple[str, ...]
    check: Callable[[Columns, Context], Mapping[str, str]]


@dataclass(frozen=True)
class Form:
    """All fields and rules of one kind of profile."""

    fields: Mapping[str, Field]
    rules: tuple[Rule, ...] = ()

    def clean(
        self,
        data: Mapping[str, Any],
        context: Context,
        *,
        partial: bool = False,
        current: object | None = None,
    ) -> dict[str, Any]:
        """Return the columns to store; raise InvalidInput with every problem found."""
        problems: Problems = {}
        columns: dict[str, Any] = {}
        for name in data:
            if name not in self.fields:
                problems[str(name)] = [self._no_such(str(name))]
        for name, field in self.fields.items():
            if name in data:
                self._clean_one(name, field, data[name], context, columns, problems)
            elif field.required and not partial:
                problems[name] = [_("This field is needed.")]
        self._apply_rules(columns, problems, context, current)
        if problems:
            raise InvalidInput(fields=problems)
        return columns

    def _no_such(self, name: str) -> str:
        near = get_close_matches(name, self.fields, n=1)
        if near:
            return _("There is no such field. Did you mean %(name)s?") % {"name": near[0]}
        return _("There is no such field.")

    @staticmethod
    def _clean_one(
        name: str, field: Field, value: Any, context: Context, columns: dict[str, Any], problems: Problems
    ) -> None:
        if value is None:
            if not field.nullable:
                problems[name] = [_("This field may not be null; leave it out instead.")]
            else:
                columns.update(field.spread(None) if field.spread else {name: None})
            return
        try:
            clean = field.check(value, context)
        except Bad as bad:
            for path, messages in bad.parts.items():
                problems.setdefault(f"{name}.{path}" if path else name, []).extend(messages)
            return
        columns.update(field.spread(clean) if field.spread else {name: clean})

    def _apply_rules(
        self, columns: dict[str, Any], problems: Problems, context: Context, current: object | None
    ) -> None:
        bad = {path.split(".")[0] for path in problems}
        for rule in self.rules:
            if bad.intersection(rule.columns) or not columns.keys() & set(rule.columns):
                continue
            view = {name: columns.get(name, getattr(current, name, None)) for name in rule.columns}
            for name, message in rule.check(view, context).items():
                problems.setdefault(name, []).append(message)


def collect(parts: Iterable[tuple[str, Callable[[], Any]]]) -> list[Any]:
    """Return what every call yields; raise one Bad with the problems of all of them, by path."""
    problems: Problems = {}
    values = []
    for path, call in parts:
        try:
            values.append(call())
        except Bad as bad:
            for below, messages in bad.parts.items():
                problems.setdefault(".".join(filter(None, (path, below))), []).extend(messages)
    if problems:
        raise Bad(parts=problems)
    return values
