"""Dates on which the town keeps other hours: added, changed and taken away by staff (layer: faces)."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from itertools import chain
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from accounts.admin import wording
from accounts.codes import ReferenceBook
from accounts.models import Holiday
from accounts.validation.fields import Bad, Context
from accounts.validation.hours import date_hours, day_ranges, near_day
from accounts.validation.values import plain_text
from matchmaker.core.weeks import town_today

_DASH = re.compile(r"\s*[-–—~至]\s*")
_BETWEEN = re.compile(r"[,;、\s]+")


def _checked(check: Callable[[], Any]) -> Any:
    """Return what a check of the API yields; what it refuses is refused here in the same words."""
    try:
        return check()
    except Bad as bad:
        raise forms.ValidationError([*chain.from_iterable(bad.parts.values())]) from bad


class HolidayForm(forms.ModelForm):
    """A date, its names, and the open hours as people write them."""

    open_hours = forms.CharField(
        label=gettext_lazy("open hours"),
        required=False,
        max_length=400,
        help_text=gettext_lazy(
            "Whole hours such as 09:00-12:00, 14:00-18:00; empty: closed all day. "
            "Stalls with an exception of their own for this date keep it."
        ),
    )

    class Meta:
        model = Holiday
        fields = ["on", "name_zh", "name_en"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "open_hours" in self.fields:  # a page to look at has no fields
            self.initial["open_hours"] = ", ".join(day_ranges(self.instance.hours))

    def clean_on(self) -> date:
        on: date = self.cleaned_data["on"]
        if on == self.initial.get("on"):
            return on
        context = Context(book=ReferenceBook(), today=town_today())
        return _checked(lambda: near_day(on, context))

    def clean_name_zh(self) -> str:
        return _checked(lambda: plain_text(self.cleaned_data["name_zh"], most=80, least=1))

    def clean_name_en(self) -> str:
        return _checked(lambda: plain_text(self.cleaned_data["name_en"], most=80, least=1))

    def clean_open_hours(self) -> str:
        """Return the 24 characters of what was written, full-width signs too."""
        written = _DASH.sub("-", unicodedata.normalize("NFKC", self.cleaned_data["open_hours"]))
        ranges = [part for part in _BETWEEN.split(written) if part]
        return _checked(lambda: date_hours(ranges))

    def save(self, commit: bool = True) -> Any:
        self.instance.hours = self.cleaned_data["open_hours"]
        return super().save(commit)


@admin.register(Holiday)
class HolidayAdmin(admin.ModelAdmin):
    """An exception of every stall without its own; agreed matches that it closes show so in the queue."""

    form = HolidayForm
    list_display = ["on", "name_zh", "name_en", "hours_shown"]
    list_display_links = ["on", "name_zh"]
    search_fields = ["name_zh", "name_en"]
    date_hierarchy = "on"
    ordering = ["-on"]
    list_per_page = 100
    show_full_result_count = False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        may_write = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return ["on", "name_zh", "name_en", "open_hours" if may_write else "hours_shown"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["hours_shown"]

    @admin.display(description=gettext_lazy("open hours"))
    def hours_shown(self, row: Holiday) -> str:
        return wording.ranges(row.hours)
