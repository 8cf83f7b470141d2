"""What the engine computed and what people answered: to look at only (layer: faces)."""

import json
from typing import Any

import numpy as np
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy
from import_export.fields import Field

from accounts.admin.exports import CsvExport, SafeResource
from accounts.models import Anchor, Stall
from matching.admin.fairness import FairnessPages
from matching.choices import Side
from matching.engine.rerank import ADJUSTMENTS
from matching.models import (
    Block,
    Booking,
    DailyRoot,
    EngineRun,
    Impression,
    Outcome,
    Reaction,
    RecommendationList,
)
from matching.packing import unpack
from matching.reasons import ADJUSTMENT_TITLES
from matching.scores import places_in
from matchmaker.core.admin import ReadOnlyAdmin


class ReactionResource(SafeResource):
    side = Field("get_side_display", gettext_lazy("by"))
    stall = Field("stall__name", gettext_lazy("stall"))
    anchor = Field("anchor__display_name", gettext_lazy("anchor"))
    kind = Field("get_kind_display", gettext_lazy("reaction"))
    updated_at = Field("updated_at", gettext_lazy("updated at"))


@admin.register(Reaction)
class ReactionAdmin(CsvExport, ReadOnlyAdmin):
    resource_classes = [ReactionResource]
    list_display = ["side", "kind", "stall", "anchor", "until", "updated_at"]
    list_filter = ["side", "kind"]
    list_select_related = ["stall", "anchor"]
    search_fields = ["stall__name", "anchor__display_name"]
    ordering = ["-pk"]


@admin.register(Block)
class BlockAdmin(ReadOnlyAdmin):
    """Who keeps apart from whom; the other side is not told, so it is not for them to read."""

    list_display = ["side", "merchant", "anchor", "actor", "created_at"]
    list_filter = ["side"]
    list_select_related = ["merchant", "anchor", "actor"]
    search_fields = ["merchant__name", "anchor__display_name", "public_id"]
    ordering = ["-pk"]
    fields = ["side", "merchant", "anchor", "actor", "created_at"]


class DailyRootResource(SafeResource):
    on = Field("on", gettext_lazy("day"))
    root = Field("root", gettext_lazy("root"))
    leaf_count = Field("leaf_count", gettext_lazy("chains"))


@admin.register(DailyRoot)
class DailyRootAdmin(CsvExport, ReadOnlyAdmin):
    """Roots to keep elsewhere, so that a change of the past shows (docs/events.md)."""

    resource_classes = [DailyRootResource]
    list_display = ["on", "leaf_count", "root"]
    fields = ["on", "root", "prev_root", "leaf_count", "created_at"]
    search_fields = ["root"]
    ordering = ["-on"]


@admin.register(Impression)
class ImpressionAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "side", "stall", "anchor", "rank", "score"]
    list_filter = ["side"]
    list_select_related = ["stall", "anchor"]
    ordering = ["-pk"]

    @admin.display(description=gettext_lazy("score"), ordering="score_hundredths")
    def score(self, row: Impression) -> str:
        return f"{row.score_hundredths / 100:.1f}"


@admin.register(EngineRun)
class EngineRunAdmin(ReadOnlyAdmin):
    list_display = [
        "id", "created_at", "finished_at", "parties_fitted", "learned", "base", "short_fingerprint",
    ]  # fmt: skip
    ordering = ["-pk"]
    fields = [
        "created_at", "finished_at", "parties_fitted", "learned", "base", "fingerprint", "checksum", "codes",
        "details_shown",
    ]  # fmt: skip
    readonly_fields = ["created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # The fitted model is megabytes of arrays that nobody reads here.
        return super().get_queryset(request).select_related("learned").defer("model", "learned__weights")

    @admin.display(description=gettext_lazy("base"))
    def base(self, run: EngineRun) -> str:
        return f"{run.base_hundredths / 100:.2f}"

    @admin.display(description=gettext_lazy("fingerprint"))
    def short_fingerprint(self, run: EngineRun) -> str:
        return format_html("<code>{}</code>", run.fingerprint[:12])

    @admin.display(description=gettext_lazy("part codes"))
    def codes(self, run: EngineRun) -> str:
        return ", ".join(run.part_codes)

    @admin.display(description=gettext_lazy("details"))
    def details_shown(self, run: EngineRun) -> str:
        return format_html("<pre>{}</pre>", json.dumps(run.details, ensure_ascii=False, indent=2))


class SupersededFilter(admin.SimpleListFilter):
    """Hides lists that a newer one replaced."""

    title = gettext_lazy("superseded")
    parameter_name = "superseded"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", gettext_lazy("superseded only"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(superseded_at__isnull=self.value() != "yes")

    def choices(self, changelist: Any) -> Any:
        shown = list(super().choices(changelist))
        shown[0]["display"] = gettext_lazy("current")
        return shown


@admin.register(RecommendationList)
class RecommendationListAdmin(FairnessPages):
    list_display = ["side", "subject_id", "computed_at", "superseded_at", "length", "run"]
    list_filter = ["side", SupersededFilter]
    search_fields = ["=subject_id"]
    ordering = ["-pk"]
    fields = ["side", "subject", "computed_at", "superseded_at", "run", "partners", "ruled_out"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).select_related("run")
        return rows.defer("run__model", "run__market")

    @admin.display(description=gettext_lazy("suggestions"))
    def length(self, row: RecommendationList) -> int:
        return len(row.partner_ids) // np.dtype("<i8").itemsize

    @admin.display(description=gettext_lazy("party"))
    def subject(self, row: RecommendationList) -> str:
        model = Stall if row.side == Side.STALL else Anchor
        party = model.objects.filter(pk=row.subject_id).first()  # type: ignore[attr-defined]
        url = reverse(f"admin:accounts_{model._meta.model_name}_change", args=[row.subject_id])
        return format_html('<a href="{}">{}</a>', url, party or row.subject_id)

    @admin.display(description=gettext_lazy("suggestions"))
    def partners(self, row: RecommendationList) -> str:
        ranked = places_in(row)
        moved = unpack(row).adjustments / 100
        model = Anchor if row.side == Side.STALL else Stall
        found = model.objects.in_bulk(ranked)  # type: ignore[attr-defined]
        lines = (
            (
                place.rank,
                found.get(partner, partner),
                f"{place.score_hundredths / 100:.1f}",
                *(f"{points:+.1f}" if points else "" for points in moved[place.rank - 1]),
                f"{place.propensity:.2f}" if place.propensity < 1 else "",
            )
            for partner, place in ranked.items()
        )
        rows = format_html_join("", f"<tr>{'<td>{}</td>' * 7}</tr>", lines)
        titles = [gettext_lazy("rank"), gettext_lazy("partner"), gettext_lazy("score")]
        titles += [ADJUSTMENT_TITLES[code] for code in ADJUSTMENTS] + [gettext_lazy("propensity")]
        head = format_html_join("", "<th>{}</th>", ((title,) for title in titles))
        return format_html('<table class="figures"><thead><tr>{}</tr></thead>{}</table>', head, rows)


@admin.register(Booking)
class BookingAdmin(ReadOnlyAdmin):
    list_display = ["starts_at", "ends_at", "stall", "anchor", "mode", "week_on", "released_at"]
    list_filter = ["session__mode"]
    list_select_related = ["stall", "session__anchor", "match__stall", "match__anchor"]
    search_fields = ["stall__name", "session__anchor__display_name"]
    ordering = ["-session__starts_at", "-pk"]
    fields = ["match", "stall", "anchor", "starts_at", "ends_at", "mode", "week_on", "released_at", "told"]

    @admin.display(description=gettext_lazy("outcome"))
    def told(self, row: Booking) -> str:
        """The outcome of the booking, or where to record it."""
        outcome = Outcome.objects.filter(booking=row).first()
        if outcome is None:
            url = reverse("admin:matching_outcome_settle", args=[row.pk])
            return format_html('<a href="{}">{}</a>', url, gettext_lazy("Record as town staff …"))
        url = reverse("admin:matching_outcome_change", args=[outcome.pk])
        return format_html('<a href="{}">{}</a>', url, outcome.get_status_display())

    @admin.display(description=gettext_lazy("starts at"), ordering="session__starts_at")
    def starts_at(self, row: Booking) -> Any:
        return row.session.starts_at

    @admin.display(description=gettext_lazy("ends at"))
    def ends_at(self, row: Booking) -> Any:
        return row.session.ends_at

    @admin.display(description=gettext_lazy("anchor"))
    def anchor(self, row: Booking) -> Anchor:
        return row.session.anchor

    @admin.display(description=gettext_lazy("mode"))
    def mode(self, row: Booking) -> str:
        return row.session.get_mode_display()
