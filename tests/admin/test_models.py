"""Learned models in the admin: list, page, plots, buttons, progress, and who may what."""

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from jobs.models import Job
from jobs.tasks import run_job
from matching.admin.plots import Series, line_plot, unit_plot
from matching.models import EngineModel, EngineModelEvent, EngineRun
from matching.services.models import publish_model, train_challenger
from tests.factories import UserFactory
from tests.matching.taught import opinionated_town

pytestmark = pytest.mark.django_db
LIST = "/admin/matching/enginemodel/"


def one(said: float) -> dict[str, Any]:
    return {
        "ndcg10": said, "map": said, "auc": said, "log_loss": 0.5, "ece": 0.0123,
        "auc_by_direction": [said, None],
        "reliability": [{"said": said, "seen": said + 0.01, "n": 400}],
    }  # fmt: skip


def make_model(refused: tuple[str, ...] = (), **fields: Any) -> EngineModel:
    interval = {"mean": 0.05, "interval": [0.01, 0.09]}
    weeks = [
        {
            "week": f"2026-0{n}-05",
            "decisions": 9,
            "lists": 3,
            "current_ndcg10": None,
            "challenger_ndcg10": 0.7,
        }
        for n in range(1, 5)
    ]
    figures = {
        "decisions": 400, "lists": 40, "weeks": weeks, "refused": list(refused), "current": one(0.5),
        "challenger": one(0.65), "ndcg10_gain": {"by_week": interval, "by_decider": interval},
        "log_loss_difference": interval, "newcomers_in_lists": None,
        "newcomers": {"current": 0.1, "challenger": None, "difference": None},
    }  # fmt: skip
    values = {"weights": b"x", "digest": "d" * 64, "figures": figures}
    return EngineModel.objects.create(**(values | fields))


def parsed(plot: str) -> ElementTree.Element:
    return ElementTree.fromstring(plot)  # noqa: S314 (our own)


def text_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def chief(client_of: Callable[..., Client], town_staff: User) -> Client:
    """Town staff to whom an administrator gave the rolling back."""
    town_staff.user_permissions.add(Permission.objects.get(codename="roll_back_enginemodel"))
    return client_of(town_staff)


# --- looking ------------------------------------------------------------------------------------------


def test_the_list_tells_figures_and_why_one_was_refused(staff: Client) -> None:
    publish_model(model=make_model())
    make_model(("not_better", "newcomers_lose"), status="refused")
    html = text_of(staff, LIST)
    assert "0.5000 → 0.6500" in html and "0.0123" in html
    assert "not better for sure than what counts now; newcomers would be shown less" in html
    assert "Train now" in html and "Roll back" not in html


def test_the_page_shows_plots_with_their_numbers(staff: Client, town_staff: User) -> None:
    model = publish_model(model=make_model(trained_by=town_staff), actor_id=town_staff.pk)
    html = text_of(staff, f"{LIST}{model.pk}/change/")
    plots = re.findall(r'<svg class="plot".*?</svg>', html, re.DOTALL)
    assert [parsed(plot).tag for plot in plots] == ["svg", "svg"]
    assert all("<circle" in plot and "style=" not in plot for plot in plots)
    assert "+0.0100 … +0.0900" in html and "2026-04-05" in html and "0.660" in html
    assert "Lin" in html and EngineModelEvent.objects.get().action == "publish"


def test_a_trained_model_has_a_page(staff: Client) -> None:
    opinionated_town()
    pk = train_challenger()["model"]
    assert text_of(staff, f"{LIST}{pk}/change/").count('<svg class="plot"') == 2


def test_the_page_is_chinese_for_who_reads_chinese(
    client_of: Callable[..., Client], town_staff: User, compiled_words: None
) -> None:
    model = make_model(("not_better",))
    text_of(client_of(town_staff, "zh-hans"), f"{LIST}{model.pk}/change/")


def test_a_run_tells_whose_weights_it_scored_with(staff: Client) -> None:
    model = make_model()
    run = EngineRun.objects.create(model=b"x", fingerprint="f" * 64, learned=model)
    assert f"{model.pk}: dddd" in text_of(staff, "/admin/matching/enginerun/")
    assert f"{model.pk}: dddd" in text_of(staff, f"/admin/matching/enginerun/{run.pk}/change/")


def test_nobody_edits_a_model(client_of: Callable[..., Client]) -> None:
    model = make_model()
    client = client_of(UserFactory.create(is_staff=True, is_superuser=True))
    for url in (f"{LIST}{model.pk}/change/", f"{LIST}{model.pk}/delete/", f"{LIST}add/"):
        assert client.post(url, {"status": "published", "post": "yes"}).status_code == 403
    assert EngineModel.objects.get().status == "challenger"


@pytest.mark.parametrize("url", [LIST, "/admin/matching/enginerun/"])
def test_lists_cost_the_same_for_few_and_for_many(
    url: str, staff: Client, django_assert_max_num_queries: Any
) -> None:
    costs = []
    for count in (1, 6):
        while EngineModel.objects.count() < count:
            EngineRun.objects.create(model=b"x", fingerprint="f" * 64, learned=make_model())
        staff.get(url)
        with django_assert_max_num_queries(40) as captured:
            staff.get(url)
        costs.append(len(captured))
    assert costs[0] == costs[1]


def test_a_page_costs_the_same_for_few_events_and_for_many(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    model = make_model()
    costs = []
    for count in (1, 5):
        for seq in range(model.events.count() + 1, count + 1):
            actor = UserFactory.create().pk
            EngineModelEvent.objects.create(
                model=model, seq=seq, action="train", to_status="challenger", actor_id=actor,
                actor_role="staff", at=model.created_at, hash="h",
            )  # fmt: skip
        staff.get(f"{LIST}{model.pk}/change/")
        with django_assert_max_num_queries(40) as captured:
            staff.get(f"{LIST}{model.pk}/change/")
        costs.append(len(captured))
    assert costs[0] == costs[1]


# --- the buttons --------------------------------------------------------------------------------------


def test_training_shows_its_progress_and_tells_what_lacks(staff: Client, town_staff: User) -> None:
    answer = staff.post(f"{LIST}train/")
    job = Job.objects.get(kind="matching.train")
    assert (answer.status_code, answer["Location"]) == (302, f"{LIST}train/{job.public_id}/")
    assert job.requested_by == town_staff
    assert staff.post(f"{LIST}train/")["Location"] == answer["Location"], "one is queued already"
    Job.objects.filter(pk=job.pk).update(done_units=2, total_units=5)
    progress = staff.get(answer["Location"])
    assert progress["Refresh"] == "1" and "40%" in progress.content.decode()
    run_job(job.pk)
    over = staff.get(answer["Location"])
    assert "Refresh" not in over and "at least 50 decisions of both kinds" in over.content.decode()


def test_training_leads_to_its_model(staff: Client) -> None:
    location = staff.post(f"{LIST}train/")["Location"]
    model = make_model()
    Job.objects.update(state="done", result={"model": model.pk})
    assert staff.get(location)["Location"] == f"{LIST}{model.pk}/change/"


def test_a_training_that_was_given_up_is_told(staff: Client) -> None:
    location = staff.post(f"{LIST}train/")["Location"]
    Job.objects.update(state="dead")
    response = staff.get(location)
    assert "The job was given up" in response.content.decode() and "Refresh" not in response


def test_rolling_back_is_told_either_way(chief: Client) -> None:
    before = make_model(status="retired")
    make_model(status="published", replaced=before)
    assert "Roll back" in text_of(chief, LIST)
    for told in (f"Model {before.pk} counts again", "The prior scores alone again", "No learned model is"):
        html = chief.post(f"{LIST}roll-back/", follow=True).content.decode()
        assert told in html
    assert Job.objects.get().kind == "matching.rematch"


def test_only_who_may_presses_a_button(client_of: Callable[..., Client], staff: Client) -> None:
    location = staff.post(f"{LIST}train/")["Location"]
    Job.objects.all().delete()
    make_model(status="published")
    plain = client_of(UserFactory.create(is_staff=True))
    assert plain.post(f"{LIST}train/").status_code == 403
    assert plain.get(location).status_code == 403
    assert staff.post(f"{LIST}roll-back/").status_code == 403
    assert client_of(None).post(f"{LIST}train/").status_code == 302
    assert staff.get(f"{LIST}train/").status_code == 405
    assert staff.get(location).status_code == 404
    assert EngineModel.objects.get().status == "published" and not Job.objects.exists()


# --- plots --------------------------------------------------------------------------------------------


def test_a_plot_has_a_gap_where_there_is_no_number_and_escapes_words() -> None:
    series = [Series("<b>", "first", [(0, 0.1), (1, None), (2, 0.3), (3, 0.2)])]
    plot = line_plot("<i>", series, ["a", "b", "c", "d"])
    root = parsed(plot)
    assert len([node for node in root if node.tag == "polyline"]) == 2
    assert len([node for node in root if node.tag == "circle"]) == 3
    assert root.attrib["aria-label"] == "<i>" and "<b>" not in plot


@pytest.mark.parametrize("values", [[], [None], [0.5], [0.5, 0.5]])
def test_a_plot_of_next_to_nothing_is_drawn(values: list[float | None]) -> None:
    points = [(float(at), value) for at, value in enumerate(values)]
    parsed(line_plot("x", [Series("a", "first", points)], ["w"] * len(points)))


def test_what_is_said_and_seen_lies_on_the_diagonal_when_they_agree() -> None:
    root = parsed(unit_plot("x", [Series("a", "second", [(0.25, 0.25)])]))
    guide, dot = root.find("polyline"), root.find("circle")
    assert guide is not None and dot is not None
    (x0, y0), (x1, y1) = (map(float, p.split(",")) for p in guide.attrib["points"].split())
    assert float(dot.attrib["cx"]) == pytest.approx(x0 + 0.25 * (x1 - x0), abs=0.1)
    assert float(dot.attrib["cy"]) == pytest.approx(y0 + 0.25 * (y1 - y0), abs=0.1)
