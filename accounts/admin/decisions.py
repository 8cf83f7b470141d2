"""Deciding on one or many rows: a page that asks, then one service call for each (layer: faces)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import ReasonCode
from matchmaker.core.errors import Conflict, DomainError

# The page repeats every chosen row in two form fields, and Django reads at most 1,000 of those.
MOST_AT_ONCE = 400
REFUSALS_TOLD = 10


@dataclass(frozen=True)
class Decision:
    """What staff are asked before rows are decided, and what then happens to each."""

    action: str  # name of the admin action, which the page calls again
    title: str
    button: str
    decide: Callable[[Any, str, str], object]  # (row, reason code, note)
    tone: str = "good"
    purpose: str = ""  # whose reason codes are offered; empty: none
    needs_reason: bool = False
    hint: str = ""
    describe: Callable[[list[Any]], list[list[str]]] | None = None  # lines to read once more, for each row


def erasing(decide: Callable[[Any, str, str], object]) -> Decision:
    """Return the question before people are erased, whatever row stands for them."""
    return Decision(
        action="erase",
        title=_("Erase these people"),
        button=_("Erase for good"),
        decide=decide,
        tone="bad",
        hint=_("At their own request only. All that is theirs goes within a minute, for good."),
    )


class DecisionForm(forms.Form):
    """Reason and note of a decision."""

    reason_code = forms.ChoiceField(label=gettext_lazy("reason"), required=False)
    note = forms.CharField(
        label=gettext_lazy("note"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def __init__(self, data: Any, *, decision: Decision) -> None:
        super().__init__(data)
        if not decision.purpose:
            del self.fields["reason_code"]
            return
        reasons = ReasonCode.objects.filter(purpose=decision.purpose, is_retired=False)
        field = self.fields["reason_code"]
        field.required = decision.needs_reason
        field.choices = [("", "---------"), *((row.code, row.name) for row in reasons)]  # type: ignore[attr-defined]

    def answers(self) -> tuple[str, str]:
        """Return (reason code, note) of a valid form."""
        return self.cleaned_data.get("reason_code", ""), self.cleaned_data["note"]


def ask_and_decide(
    page: admin.ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet,
    decision: Decision,
    *,
    decide_many: Callable[[list[Any], str, str], HttpResponse | None] | None = None,
) -> HttpResponse | None:
    """Show the page that asks, or decide every chosen row and tell what became of each.

    `decide_many` may take over a confirmed decision: it returns an answer of its own, or None to leave it.
    """
    confirmed = "confirmed" in request.POST
    if confirmed:
        # What left the filter meanwhile is decided too, so that the service tells why it cannot be.
        queryset = page.get_queryset(request).filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
    rows = list(queryset[: MOST_AT_ONCE + 1])
    if len(rows) > MOST_AT_ONCE:
        page.message_user(
            request, _("At most %(most)d at once.") % {"most": MOST_AT_ONCE}, level=messages.ERROR
        )
        return None
    if not rows:
        page.message_user(request, _("What you chose is no longer in this list."), level=messages.WARNING)
        return None
    form = DecisionForm(request.POST if confirmed else None, decision=decision)
    if not (confirmed and form.is_valid()):
        return _ask(page, request, rows, decision, form)
    reason_code, note = form.answers()
    answer = decide_many(rows, reason_code, note) if decide_many else None
    if answer is None:
        changed = [row for row in rows if _is_changed(row, request)]
        refused = [(row, _changed(row)) for row in changed]
        refused += decide_each([row for row in rows if row not in changed], decision, reason_code, note)
        tell(request, refused, total=len(rows))
    return answer


def _is_changed(row: Any, request: HttpRequest) -> bool:
    """Tell whether the row is another version than the one that the confirmation page showed."""
    seen = request.POST.get(f"seen_{row.pk}")
    return seen is not None and seen != str(getattr(row, "version", ""))


def _changed(row: Any) -> DomainError:
    return Conflict(
        _("%(name)s changed meanwhile; look at it again.") % {"name": row}, code="changed_meanwhile"
    )


def _ask(
    page: admin.ModelAdmin, request: HttpRequest, rows: list[Any], decision: Decision, form: DecisionForm
) -> HttpResponse:
    described = decision.describe(rows) if decision.describe else [[] for _row in rows]
    context = {
        **page.admin_site.each_context(request),
        "title": decision.title,
        "opts": page.opts,
        "rows": list(zip(rows, described, strict=True)),
        "decision": decision,
        "form": form,
        "action_checkbox_name": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/decision.html", context)


def decide_each(
    rows: Iterable[Model], decision: Decision, reason_code: str, note: str
) -> list[tuple[Model, DomainError]]:
    """Decide row after row, each in its own transaction; return the refused ones with their errors."""
    refused = []
    for row in rows:
        try:
            decision.decide(row, reason_code, note)
        except DomainError as error:
            refused.append((row, error))
    return refused


def tell(request: HttpRequest, refused: list[tuple[Model, DomainError]], *, total: int) -> None:
    """Leave messages: how many were decided, and for each refused row why."""
    done = total - len(refused)
    if done:
        messages.success(request, ngettext("%(count)d done.", "%(count)d done.", done) % {"count": done})
    for row, error in refused[:REFUSALS_TOLD]:
        messages.error(request, f"{row}: {in_words(error)}")
    rest = len(refused) - REFUSALS_TOLD
    if rest > 0:
        messages.error(request, _("%(count)d more were refused.") % {"count": rest})


def in_words(error: DomainError) -> str:
    """Return what an error says to people: its sentence and the sentences of its fields."""
    of_fields = [str(text) for texts in error.fields.values() for text in texts]
    return " ".join([str(error.detail), *of_fields])
