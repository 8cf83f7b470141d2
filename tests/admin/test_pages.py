"""Every page of the admin opens, costs the same for any number of rows, and edits nothing it must not."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone

from accounts.models import Merchant, User
from accounts.services.access import issue_api_token
from jobs.models import Job, JobState
from matching.models import Block, Exclusivity, Impression, Outcome, PairRule, Reaction
from matching.services.news import tell_of_move
from tests.admin.conftest import fit_engine, make_agreed
from tests.factories import AnchorFactory, MerchantFactory, UserFactory
from tests.matching.held import FIGURES

pytestmark = pytest.mark.django_db
LISTS = sorted(
    f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    for model in admin.site._registry
    if model._meta.app_label in {"accounts", "matching", "notifications", "jobs"}
)


def furnish(number: int) -> None:
    """One more row of everything that a list shows."""
    match = make_agreed(number)
    stall, anchor = match.stall, match.anchor
    user = UserFactory.create()
    now = timezone.now()
    Reaction.objects.create(side="stall", kind="like", stall=stall, anchor=anchor, actor=user)
    Impression.objects.create(
        side="stall", stall=stall, anchor=anchor, rank=1, score_hundredths=1, shown_at=now, actor=user
    )
    # Of another pair: one that is blocked can no longer be matched.
    Block.objects.create(
        side="anchor", merchant=MerchantFactory.create(), anchor=AnchorFactory.create(), actor=user
    )
    PairRule.objects.create(kind="forbid", stall=stall, anchor=anchor, reason_code="forbid_other", actor=user)
    Exclusivity.objects.create(stall=stall, anchor=anchor, starts_on=now.date(), ends_on=now.date())
    Job.objects.create(
        kind="k", dedupe_key=f"k{number}", not_before=now, requested_by=user, state=JobState.DEAD
    )
    tell_of_move(event_id=match.events.get(action="accept").pk)
    Outcome.objects.create(booking=match.bookings.get(), recorded_by=user, **FIGURES)
    issue_api_token(
        actor=user, user=user, name="t", scopes=["profile:read"], expires_at=now + timedelta(days=1)
    )


def test_a_list_costs_the_same_for_few_rows_and_for_many(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    def costs() -> dict[str, int]:
        fit_engine()
        found = {}
        for url in LISTS:
            staff.get(url)
            with django_assert_max_num_queries(60) as captured:
                assert staff.get(url).status_code == 200
            found[url] = len(captured)
        return found

    furnish(0)
    furnish(1)
    few = costs()
    for number in range(2, 6):
        furnish(number)
    assert costs() == few


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_list_and_page_opens(client_of: Callable[..., Client], town_staff: User, language: str) -> None:
    furnish(0)
    fit_engine()
    client = client_of(town_staff, language)
    for model in admin.site._registry:
        name = f"{model._meta.app_label}/{model._meta.model_name}"
        if model._meta.app_label not in {"accounts", "matching", "notifications", "jobs"}:
            continue
        assert client.get(f"/admin/{name}/").status_code == 200, name
        row = model._default_manager.first()
        if row is not None:
            assert client.get(f"/admin/{name}/{row.pk}/change/").status_code == 200, name


def test_filters_and_search_open(staff: Client) -> None:
    furnish(0)
    fit_engine()
    for url in LISTS:
        changelist = staff.get(url).context["cl"]
        for spec in changelist.filter_specs:
            choices = [choice["query_string"] for choice in spec.choices(changelist)]
            for query in choices[:6]:
                assert staff.get(url + query).status_code == 200, url + query
        if changelist.search_fields:
            assert staff.get(url, {"q": "100"}).status_code == 200, url


def test_no_party_or_record_can_be_saved_added_or_deleted(
    client_of: Callable[..., Client], town_staff: User
) -> None:
    furnish(0)
    fit_engine()
    superuser = UserFactory.create(is_staff=True, is_superuser=True)
    names = (
        "accounts/merchant", "accounts/stall", "accounts/anchor", "accounts/apitoken", "matching/reaction",
        "matching/impression", "matching/recommendationlist", "matching/enginerun", "matching/pairrule",
        "matching/exclusivity", "matching/booking", "matching/outcome", "jobs/job",
    )  # fmt: skip
    models = {f"{m._meta.app_label}/{m._meta.model_name}": m for m in admin.site._registry}
    for user in (town_staff, superuser):
        client = client_of(user)
        for name in names:
            row = models[name]._default_manager.first()
            before = models[name]._default_manager.filter(pk=row.pk).values().get()
            data = {"name": "x", "verification": "verified", "state": "done", "kind": "force", "post": "yes"}
            assert client.post(f"/admin/{name}/{row.pk}/change/", data).status_code == 403, name
            assert client.post(f"/admin/{name}/{row.pk}/delete/", data).status_code == 403, name
            assert models[name]._default_manager.filter(pk=row.pk).values().get() == before


def test_staff_without_permissions_see_nothing(client_of: Callable[..., Client]) -> None:
    client = client_of(UserFactory.create(is_staff=True))
    assert [url for url in LISTS if client.get(url).status_code != 403] == []
    assert "tile" not in client.get("/admin/").content.decode()


def test_the_first_page_counts_what_waits_at_a_constant_price(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    costs = []
    for rows in (1, 5):
        for number in range(rows):
            furnish(number + 10 * rows)
            MerchantFactory.create(verification="pending", verified_until=None)
        staff.get("/admin/")
        with django_assert_max_num_queries(20) as captured:
            response = staff.get("/admin/")
        costs.append(len(captured))
    assert costs[0] == costs[1]
    html = " ".join(response.content.decode().split())
    assert "<strong>6</strong> <span>matches waiting for approval</span>" in html
    assert "<strong>6</strong> <span>merchants to verify</span>" in html
    assert "<strong>6</strong> <span>jobs given up</span>" in html


def test_profile_history_opens(staff: Client) -> None:
    merchant = MerchantFactory.create()
    merchant.name = "Renamed"
    merchant.save()
    html = staff.get(f"/admin/accounts/merchant/{merchant.pk}/history/").content.decode()
    assert "Renamed" in html
    record = Merchant.history.filter(id=merchant.pk).latest()
    page = f"/admin/accounts/merchant/{merchant.pk}/history/{record.pk}/"
    assert staff.get(page).status_code == 200
    assert staff.post(page, {"name": "Back"}).status_code == 403


def test_history_costs_the_same_for_few_versions_and_for_many(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    merchant = MerchantFactory.create()
    url = f"/admin/accounts/merchant/{merchant.pk}/history/"

    def cost(versions: int) -> int:
        for number in range(versions):
            merchant.name = f"Name {merchant.history.count()} {number}"
            merchant._history_user = UserFactory.create()
            merchant.save()
        staff.get(url)
        with django_assert_max_num_queries(20) as captured:
            staff.get(url)
        return len(captured)

    assert cost(2) == cost(6)


def test_a_page_loads_no_script_or_style_from_inside(staff: Client) -> None:
    match = make_agreed()
    party = f"/admin/accounts/anchor/{match.anchor_id}"
    page = f"/admin/matching/match/{match.pk}/change/"
    for url in ("/admin/", "/admin/matching/match/", page, f"{party}/change/", f"{party}/history/"):
        response = staff.get(url)
        assert "script-src 'self'" in response["Content-Security-Policy"]
        html = response.content.decode()
        assert "<style" not in html and " style=" not in html and "onclick" not in html
        assert [tag for tag in re.findall(r"<script[^>]*>", html) if "src=" not in tag] == []
