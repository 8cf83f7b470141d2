"""How fair the lists are: figures by hand, who got nothing and why, the command, the admin page."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from accounts.models import Anchor, Stall, Zone
from jobs.models import Job
from jobs.tasks import run_job
from matching.engine.types import Rule
from matching.models import EngineRun, Impression, RecommendationList
from matching.selectors.fairness import NEWCOMER_BELOW, WHY_TEXTS, fairness
from matching.services.recommendations import rematch_everybody
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory

pytestmark = pytest.mark.django_db
PAGE = "/admin/matching/recommendationlist/fairness/"


def make_list(side: str, subject: int, partners: list[int], **ruled_out: int) -> None:
    run = EngineRun.objects.get_or_create(fingerprint="x", finished_at=None)[0]
    RecommendationList.objects.create(
        side=side, subject_id=subject, run=run, computed_at=timezone.now(), ruled_out=ruled_out,
        partner_ids=b"".join(p.to_bytes(8, "little") for p in partners), scores=b"", parts=b"",
        confidences=b"",
    )  # fmt: skip


@pytest.fixture
def town() -> tuple[list[Stall], list[Anchor]]:
    """Three stalls in two zones, four anchors of two tiers, lists as they are named."""
    zones = list(Zone.objects.all()[:2])
    stalls = [
        StallFactory.create(merchant=MerchantFactory.create(owner=UserFactory.create()), zone=zones[n // 2])
        for n in range(3)
    ]
    anchors = [
        AnchorFactory.create(owner=UserFactory.create(), followers=followers, categories=categories)
        for followers, categories in (
            (10, ["dress"]), (10, ["dress", "shirt"]), (600_000, ["shirt"]), (10, ["dress"]),
        )
    ]  # fmt: skip
    one, two, three, four = (anchor.pk for anchor in anchors)
    make_list("stall", stalls[0].pk, [one, two])
    make_list("stall", stalls[1].pk, [two, three, one])
    make_list("stall", stalls[2].pk, [], unverified=1, capacity_full=3)
    for anchor in (one, two, three):
        make_list("anchor", anchor, [stalls[0].pk])
    return stalls, anchors


def test_figures_by_hand(town):
    stalls, anchors = town
    figures = fairness()
    anchor = figures["anchor"]
    # 1 + 1/3, 1/2 + 1, 1/2 and 0 of 10/3: 2 (2·½ + 3·4/3 + 4·3/2) / (4·10/3) − 5/4.
    assert anchor["parties"] == 4 and anchor["impressions"] is None
    assert anchor["exposure"]["gini"] == 0.4
    by_tier = {row["code"]: row for row in anchor["groups"]["tier"]}
    assert by_tier["waist"]["share_of_exposure"] == pytest.approx(0.15, abs=1e-4)
    assert (by_tier["new"]["parties"], by_tier["new"]["without_exposure"]) == (3, 1)
    by_category = {row["code"]: row for row in anchor["groups"]["category"]}
    assert by_category["shirt"]["share_of_exposure"] == pytest.approx(0.6, abs=1e-4)
    stall = figures["stall"]
    assert [row["parties"] for row in stall["groups"]["zone"]] in ([2, 1], [1, 2])
    assert stall["exposure"]["gini"] == pytest.approx(2 / 3, abs=1e-4)


def test_who_got_nothing_and_why(town):
    stalls, anchors = town
    Anchor.objects.filter(pk=anchors[3].pk).update(verification="refused")
    figures = fairness()
    assert figures["stall"]["empty_lists"] == {"parties": 1, "why": {"capacity_full": 1}}
    assert figures["anchor"]["empty_lists"] == {"parties": 1, "why": {"no_list": 1}}
    assert figures["anchor"]["on_no_list"] == {"parties": 1, "why": {"unverified": 1}}
    # The one with an empty list is kept out by the same; the other fits but ranks low.
    assert figures["stall"]["on_no_list"] == {"parties": 2, "why": {"capacity_full": 1, "ranked_low": 1}}


def test_every_reason_has_words():
    assert {rule.code for rule in Rule} < set(WHY_TEXTS)


def test_newcomers_are_who_was_shown_seldom(town):
    stalls, anchors = town
    shown = {"side": "stall", "score_hundredths": 0, "shown_at": timezone.now()}
    for _ in range(NEWCOMER_BELOW):
        Impression.objects.create(stall=stalls[0], anchor=anchors[0], rank=2, **shown)
    Impression.objects.create(stall=stalls[1], anchor=anchors[1], rank=1, **shown)
    anchor = fairness()["anchor"]
    assert anchor["exposure"]["newcomers"] == 3
    assert anchor["exposure"]["newcomers_share"] == pytest.approx(0.6, abs=1e-4)
    assert anchor["impressions"]["shown"] == 21
    assert anchor["impressions"]["newcomers_share"] == pytest.approx(1 / 11, abs=1e-4)


def test_an_empty_town_and_one_without_lists():
    assert fairness()["stall"]["exposure"]["gini"] == 0
    StallFactory.create()
    figures = fairness()["stall"]
    assert figures["empty_lists"]["why"] == figures["on_no_list"]["why"] == {"no_list": 1}


def test_replaced_lists_and_archived_parties_do_not_count(town):
    stalls, anchors = town
    RecommendationList.objects.filter(side="stall").update(superseded_at=timezone.now())
    Anchor.objects.filter(pk=anchors[0].pk).update(archived_at=timezone.now())
    anchor = fairness()["anchor"]
    assert (anchor["parties"], anchor["exposure"]["newcomers_share"]) == (3, 0)


def test_it_costs_the_same_for_few_parties_and_for_many(town, django_assert_max_num_queries):
    with django_assert_max_num_queries(40) as few:
        fairness()
    for _ in range(5):
        StallFactory.create()
        AnchorFactory.create(owner=UserFactory.create())
    with django_assert_max_num_queries(40) as many:
        fairness()
    assert len(few) == len(many)


# --- the command -------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("fairness", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_tells_and_prints_json(town):
    told = json.loads(run("--json"))
    assert set(told["sides"]) == {"stall", "anchor"}
    assert told["sides"]["anchor"] == json.loads(json.dumps(fairness()["anchor"]))
    with override("en"):
        text = run()
        assert "Gini" in text and str(WHY_TEXTS["capacity_full"]) in text


def test_the_figures_of_computed_lists():
    for _ in range(4):
        StallFactory.create(merchant=MerchantFactory.create(owner=UserFactory.create()))
        AnchorFactory.create(owner=UserFactory.create())
    rematch_everybody()
    told = json.loads(run("--json"))["sides"]
    assert told["stall"]["on_no_list"]["parties"] == told["anchor"]["empty_lists"]["parties"] == 0


# --- the page ----------------------------------------------------------------------------------------------


@pytest.fixture
def boss() -> Client:
    client = Client(headers={"accept-language": "en"})
    user = UserFactory.create(is_staff=True, is_superuser=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return str(response.content.decode())


def test_the_page_measures_and_shows(boss, town, django_assert_max_num_queries):
    assert PAGE in text_of(boss, "/admin/matching/recommendationlist/")
    assert "Nothing has been measured yet" in text_of(boss, PAGE)
    answer = boss.post(f"{PAGE}measure/")
    job = Job.objects.get(kind="matching.fairness")
    assert (answer.status_code, answer["Location"]) == (302, f"{PAGE}{job.public_id}/")
    assert boss.get(answer["Location"])["Refresh"] == "1"
    run_job(job.pk)
    assert boss.get(answer["Location"])["Location"] == PAGE
    with django_assert_max_num_queries(12):
        html = text_of(boss, PAGE)
    assert str(WHY_TEXTS["capacity_full"]) in html and "by zone" in html and "waist" in html


def test_a_measurement_that_was_given_up_is_told(boss):
    location = boss.post(f"{PAGE}measure/")["Location"]
    Job.objects.update(state="dead")
    response: Any = boss.get(location)
    assert "The job was given up" in response.content.decode() and "Refresh" not in response


def test_only_who_may_see_lists_sees_it():
    plain = Client()
    user = UserFactory.create(is_staff=True)
    plain.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert [plain.get(PAGE).status_code, plain.post(f"{PAGE}measure/").status_code] == [403, 403]
    assert Client().get(PAGE).status_code == 302 and not Job.objects.exists()
