"""Standing rules on pairs: staff forbid a pair or record a promise, and end either (layer: faces)."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin import wording
from accounts.models import Category, ReasonCode
from accounts.selectors import reference
from matching.models import Exclusivity, PairRule
from matching.services.rules_of_pairs import end_exclusivity, forbid_pair, lift_pair_rule, promise_exclusivity
from matchmaker.core import clock
from matchmaker.core.admin import badge
from matchmaker.core.errors import DomainError
from matchmaker.core.weeks import town_today


class RuleAdmin(admin.ModelAdmin):
    """Rules may be added and ended, each through a service; nothing is edited or deleted."""

    list_select_related = ["stall", "anchor"]
    search_fields = ["stall__name", "anchor__display_name"]
    autocomplete_fields = ["stall", "anchor"]
    ordering = ["-pk"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def end_each(self, request: HttpRequest, queryset: QuerySet, end: Any, told: str) -> None:
        ended = 0
        for row in queryset:
            try:
                end(row)
            except DomainError as error:
                self.message_user(request, f"{row}: {error.detail}", level=messages.ERROR)
            else:
                ended += 1
                self.log_change(request, row, told)
        if ended:
            self.message_user(request, _("%(count)d ended.") % {"count": ended})


class ForbidForm(forms.ModelForm):
    """Which pair is forbidden, why, and until when."""

    class Meta:
        model = PairRule
        fields = ["stall", "anchor", "reason_code", "note", "until"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "reason_code" in self.fields:  # a page to look at has no fields
            rows = ReasonCode.objects.filter(purpose="forbid", is_retired=False)
            choices = [("", "---------"), *((row.code, row.name) for row in rows)]
            self.fields["reason_code"] = forms.ChoiceField(label=gettext_lazy("reason"), choices=choices)

    def clean_until(self) -> Any:
        until = self.cleaned_data.get("until")
        if until is not None and until <= clock.now():
            raise forms.ValidationError(_("A time to come."))
        return until


def _holds_now() -> Q:
    return Q(until__isnull=True) | Q(until__gt=clock.sql_now())


class InForceFilter(admin.SimpleListFilter):
    """Rules that hold now."""

    title = gettext_lazy("in force")
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("in force")), ("no", _("ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        holds = _holds_now()
        match self.value():
            case "yes":
                return queryset.filter(holds)
            case "no":
                return queryset.exclude(holds)
            case _other:
                return queryset


@admin.register(PairRule)
class PairRuleAdmin(RuleAdmin):
    form = ForbidForm
    list_display = ["kind", "stall", "anchor", "in_force", "until", "reason", "actor", "created_at"]
    list_filter = ["kind", InForceFilter]
    list_select_related = ["stall", "anchor", "actor"]
    actions = ["lift"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).annotate(is_held=Q(_holds_now()))
        return wording.with_reason_names(rows)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ["stall", "anchor", "reason_code", "note", "until"]
        return [
            "kind",
            "stall",
            "anchor",
            "in_force",
            "until",
            "reason",
            "note",
            "actor",
            "created_at",
            "updated_at",
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [] if obj is None else self.get_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: PairRule, form: Any, change: bool) -> None:
        rule = forbid_pair(
            actor=request.user,  # type: ignore[arg-type]
            stall=obj.stall,
            anchor=obj.anchor,
            reason_code=obj.reason_code,
            note=obj.note,
            until=obj.until,
        )
        obj.pk, obj.kind = rule.pk, rule.kind

    @admin.action(description=gettext_lazy("End these rules now"), permissions=["end"])
    def lift(self, request: HttpRequest, queryset: QuerySet) -> None:
        def end(rule: PairRule) -> None:
            lift_pair_rule(actor=request.user, rule=rule)  # type: ignore[arg-type]

        self.end_each(request, queryset, end, _("Ended."))

    @admin.display(description=gettext_lazy("in force"))
    def in_force(self, rule: Any) -> str:
        return badge("bad", _("in force")) if rule.is_held else badge("quiet", _("ended"))

    @admin.display(description=gettext_lazy("reason"))
    def reason(self, rule: Any) -> str:
        return wording.reason_of(rule)


class ExclusivityForm(forms.ModelForm):
    """Which anchor sells what only for which stall, and when."""

    class Meta:
        model = Exclusivity
        fields = ["anchor", "stall", "category", "starts_on", "ends_on"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "category" in self.fields:
            rows = Category.objects.filter(is_retired=False)
            choices = [("", _("everything")), *((row.code, row.name) for row in rows)]
            self.fields["category"] = forms.ChoiceField(
                label=gettext_lazy("category"), choices=choices, required=False
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        starts_on, ends_on = data.get("starts_on"), data.get("ends_on")
        if starts_on and ends_on and ends_on < starts_on:
            self.add_error("ends_on", _("Not before the first day."))
        return data


@admin.register(Exclusivity)
class ExclusivityAdmin(RuleAdmin):
    form = ExclusivityForm
    list_display = ["anchor", "stall", "category_name", "starts_on", "ends_on", "holds"]
    actions = ["end"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ["anchor", "stall", "category", "starts_on", "ends_on"]
        return [
            "anchor",
            "stall",
            "category_name",
            "starts_on",
            "ends_on",
            "holds",
            "created_at",
            "updated_at",
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [] if obj is None else self.get_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Exclusivity, form: Any, change: bool) -> None:
        promise = promise_exclusivity(
            actor=request.user,  # type: ignore[arg-type]
            stall=obj.stall,
            anchor=obj.anchor,
            category=obj.category,
            starts_on=obj.starts_on,
            ends_on=obj.ends_on,
        )
        obj.pk = promise.pk

    @admin.action(description=gettext_lazy("End these promises now"), permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet) -> None:
        def stop(promise: Exclusivity) -> None:
            end_exclusivity(actor=request.user, promise=promise)  # type: ignore[arg-type]

        self.end_each(request, queryset, stop, _("Ended."))

    @admin.display(description=gettext_lazy("category"))
    def category_name(self, row: Exclusivity) -> str:
        item = reference().categories.get(row.category)
        return item.name if item else row.category or _("everything")

    @admin.display(description=gettext_lazy("in force"))
    def holds(self, row: Exclusivity) -> str:
        today = town_today()
        if row.ends_on < today:
            return badge("quiet", _("ended"))
        return badge("info", _("to come")) if row.starts_on > today else badge("bad", _("in force"))
