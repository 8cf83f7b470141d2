"""The page on which staff propose a match to both sides (layer: faces)."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminDateWidget, AutocompleteSelect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.choices import CooperationMode, SessionMode
from accounts.models import Anchor, Stall, User
from matching.models import Match
from matching.policy import PLACES_MAX, SESSION_HOURS_MAX
from matching.services.matches import propose_to_both
from matching.terms import TermsDraft, WantedSession
from matchmaker.core.errors import DomainError
from matchmaker.core.weeks import TOWN_ZONE

SESSION_ROWS = 3
HOURS = [(hour, f"{hour:02d}:00") for hour in range(24)]


class ProposalForm(forms.Form):
    """Who should meet, and on which terms; percent and yuan as people write them."""

    stall = forms.ModelChoiceField(Stall.objects.filter(archived_at=None), label=gettext_lazy("stall"))
    anchor = forms.ModelChoiceField(Anchor.objects.filter(archived_at=None), label=gettext_lazy("anchor"))
    commission_percent = forms.DecimalField(
        label=gettext_lazy("commission in percent"), min_value=0, max_value=100, decimal_places=2
    )
    slot_fee_yuan = forms.DecimalField(
        label=gettext_lazy("slot fee in yuan"),
        min_value=0,
        max_value=Decimal("99999999.99"),
        decimal_places=2,
        initial=0,
    )
    cooperation_mode = forms.ChoiceField(
        label=gettext_lazy("cooperation mode"),
        choices=CooperationMode.choices,
        initial=CooperationMode.CREATOR_BROADCAST,
    )
    note = forms.CharField(
        label=gettext_lazy("note"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("For town staff: the sides do not see it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("stall", "anchor"):
            field = Match._meta.get_field(name)
            self.fields[name].widget = AutocompleteSelect(field, admin.site)  # type: ignore[arg-type]
            self.fields[name].widget.choices = self.fields[name].choices  # type: ignore[attr-defined]


class SessionForm(forms.Form):
    """One wanted session in the town's time; an empty row is none."""

    on = forms.DateField(label=gettext_lazy("date"), widget=AdminDateWidget)
    starts = forms.TypedChoiceField(label=gettext_lazy("from"), choices=HOURS, coerce=int, initial=20)
    hours = forms.IntegerField(
        label=gettext_lazy("hours"), min_value=1, max_value=SESSION_HOURS_MAX, initial=2
    )
    mode = forms.ChoiceField(
        label=gettext_lazy("mode"), choices=SessionMode.choices, initial=SessionMode.EXCLUSIVE
    )
    places = forms.IntegerField(label=gettext_lazy("places"), min_value=1, max_value=PLACES_MAX, initial=1)

    def wanted(self) -> WantedSession:
        """Return the session of a valid row."""
        given = self.cleaned_data
        local = datetime.combine(given["on"], time(given["starts"]), tzinfo=TOWN_ZONE)
        starts_at = local.astimezone(UTC)
        ends_at = starts_at + timedelta(hours=given["hours"])
        return WantedSession(starts_at, ends_at, mode=given["mode"], places=given["places"])


class Sessions(forms.BaseFormSet):
    """The rows of sessions; at least one is filled in."""

    def clean(self) -> None:
        if not any(self.errors) and not self.wanted():
            raise forms.ValidationError(_("Give at least one session."))

    def wanted(self) -> list[WantedSession]:
        """Return the sessions of the rows that were filled in."""
        return [form.wanted() for form in self.forms if form.has_changed()]


SessionRows = forms.formset_factory(
    SessionForm, formset=Sessions, extra=SESSION_ROWS, max_num=SESSION_ROWS, validate_max=True
)


def propose_from(form: ProposalForm, sessions: Any, actor: User) -> Match | None:
    """Propose what two valid forms say; None when it was refused, the reasons then stand at the fields."""
    given = form.cleaned_data
    terms = TermsDraft(
        commission_rate=given["commission_percent"] / 100,
        slot_fee_cents=int(given["slot_fee_yuan"] * 100),
        cooperation_mode=given["cooperation_mode"],
        sessions=tuple(sessions.wanted()),
    )
    try:
        return propose_to_both(
            actor=actor, stall=given["stall"], anchor=given["anchor"], terms=terms, note=given["note"]
        )
    except DomainError as error:
        _tell(form, error)
    return None


def _tell(form: ProposalForm, error: DomainError) -> None:
    """Put what a service refused where staff typed it."""
    places = {"terms.commission_rate": "commission_percent", "terms.slot_fee_cents": "slot_fee_yuan"}
    for name, texts in error.fields.items():
        for text in dict.fromkeys(texts):
            form.add_error(places.get(name), text)
    if not error.fields:
        form.add_error(None, str(error.detail))
