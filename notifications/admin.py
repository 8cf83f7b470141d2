"""Who was told what, and when they read it: to look at only (layer: faces)."""

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from matchmaker.core.admin import ReadOnlyAdmin
from notifications.models import Notice
from notifications.registry import Told
from notifications.selectors import texts_of


class ToldChangeList(ChangeList):
    """A list whose every row carries its words, read for the whole page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        texts = texts_of(self.result_list)
        for notice in self.result_list:
            notice.told = texts[notice.pk]


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "reader", "title", "body", "read_at"]
    list_filter = ["topic", ("read_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["user__name", "user__phone", "subject_id", "key"]
    ordering = ["-pk"]
    fields = ["reader", "title", "body", "topic", "subject", "key", "facts_shown", "created_at", "read_at"]
    readonly_fields = ["created_at"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ToldChangeList

    @admin.display(description=gettext_lazy("told to"), ordering="user")
    def reader(self, notice: Notice) -> str:
        return str(notice.user)

    @admin.display(description=gettext_lazy("about the match"))
    def subject(self, notice: Notice) -> str:
        return str(notice.subject_id or "–")

    @admin.display(description=gettext_lazy("title"))
    def title(self, notice: Notice) -> str:
        return _told(notice).title

    @admin.display(description=gettext_lazy("text"))
    def body(self, notice: Notice) -> str:
        return _told(notice).body

    @admin.display(description=gettext_lazy("facts"))
    def facts_shown(self, notice: Notice) -> str:
        return format_html("<pre>{}</pre>", json.dumps(notice.facts, ensure_ascii=False, indent=2))


def _told(notice: Notice) -> Told:
    """Return the words that the list has read already, or those of this one notice."""
    told: Told | None = getattr(notice, "told", None)
    return told or texts_of([notice])[notice.pk]
