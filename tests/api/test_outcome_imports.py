"""outcomes/template/ and outcomes/import/: the table that people fill in, out and in."""

import csv
import io

import pytest

from accounts.models import ImportedFile, Stall
from matching.models import Match, Outcome, OutcomeEvent
from matching.services.outcomes import dispute_outcome, record_outcome, settle_outcome
from tests.matching.held import BETTER, FIGURES, bookings_in, held, settler
from tests.matching.market import session

IMPORT, TEMPLATE = "/api/v1/outcomes/import/", "/api/v1/outcomes/template/"
pytestmark = pytest.mark.django_db
CHINESE = (
    "排期,档口,主播,开播时间,成交总额(元),退款金额,发货前退款金额,订单数,发货前取消订单数,退货订单数,"
    "成交人数,场观人次,场观人数,时长(分钟),备注"
)
FILLED = '{id},x,y,2026,"¥10,000.00",1800,1000元,100,10,18单,80,6000,0.3万,120,好'
ENGLISH = "booking,gmv_cents,orders,buyers,views,viewers,duration_seconds"


@pytest.fixture
def match(stall, anchor):
    return held(stall, anchor, session(0), session(2))


@pytest.fixture
def bookings(match):
    return bookings_in(match)


def table(header, *rows, encoding="utf-8"):
    return "\r\n".join((header, *rows, "")).encode(encoding)


def filled(booking, line=FILLED):
    return line.format(id=booking.public_id)


def send(client, content, query=""):
    return client.post(IMPORT + query, content, content_type="text/csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_chinese_table_records_all_and_completes_the_match(api, anchor_user, bookings, encoding):
    content = table(CHINESE, *map(filled, bookings), encoding=encoding)
    answer = send(api(anchor_user), content)
    assert answer.status_code == 200, answer.json()
    report = answer.json()
    assert report["counts"] == {"created": 2, "updated": 0, "unchanged": 0, "invalid": 0}
    assert [row["id"] for row in report["rows"]] == [str(booking.public_id) for booking in bookings]
    for outcome in Outcome.objects.all():
        assert {name: getattr(outcome, name) for name in FIGURES} == FIGURES
        assert (outcome.status, outcome.recorded_as, outcome.events.count()) == ("recorded", "anchor", 1)
    assert Match.objects.get().status == "completed"


def test_the_same_file_twice_does_nothing_and_a_better_one_corrects(api, merchant_user, bookings):
    client, content = api(merchant_user), table(CHINESE, *map(filled, bookings))
    first = send(client, content).json()
    assert send(client, content).json() == first | {"is_repeat": True}
    better = filled(bookings[0]).replace("10,000", "12,000")
    counts = send(client, table(CHINESE, better, filled(bookings[1]))).json()["counts"]
    assert counts == {"created": 0, "updated": 1, "unchanged": 1, "invalid": 0}
    assert [event.action for event in OutcomeEvent.objects.order_by("pk")] == ["record", "record", "correct"]
    assert Outcome.objects.get(booking=bookings[0]).gmv_cents == BETTER["gmv_cents"]


def test_a_dry_run_stores_nothing(api, merchant_user, bookings):
    answer = send(api(merchant_user), table(CHINESE, filled(bookings[0])), "?dry_run=1")
    assert answer.status_code == 200 and answer.json()["counts"]["created"] == 1
    assert not Outcome.objects.exists() and not ImportedFile.objects.exists()


def test_one_bad_row_keeps_all_out_and_is_named(api, merchant_user, bookings):
    bad = filled(bookings[1]).replace("0.3万", "7000").replace(",80,", ",many,")
    answer = send(api(merchant_user), table(CHINESE, filled(bookings[0]), bad))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_rows")
    assert sorted(answer.json()["fields"]) == ["rows.3.buyers", "rows.3.viewers"]
    assert answer.json()["fields"]["rows.3.viewers"][0].startswith("场观人数: Every viewer")
    assert not Outcome.objects.exists() and not ImportedFile.objects.exists()


@pytest.mark.parametrize(
    ("cell", "field"),
    [("1e400", "gmv_cents"), ("-5", "gmv_cents"), (str(2**70), "orders"), ("NaN", "views"),
     ("true", "buyers"), ("∞", "viewers"), ("9" * 4001, "orders"),
     ("2 fortnights", "duration_seconds"), ("=1+1", "orders")],
)  # fmt: skip
def test_what_is_no_figure_is_named(api, merchant_user, bookings, cell, field):
    values = dict(zip(ENGLISH.split(","), [bookings[0].public_id, 500, 9, 5, 90, 80, 60], strict=True))
    line = ",".join(str(value) for value in (values | {field: cell}).values())
    answer = send(api(merchant_user), table(ENGLISH, line))
    assert answer.status_code == 400, answer.json()
    assert f"rows.2.{field}" in answer.json()["fields"]
    assert not Outcome.objects.exists()


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [("2:00:00", 7200), ("1:30", 5400), ("2小时", 7200), ("1.5小时", 5400), ("1小时30分钟", 5400),
     ("90", 5400), ("90分", 5400), ("１２０", 7200), ("45秒", 45), ("1h30min", 5400)],
)  # fmt: skip
def test_durations_as_people_write_them(api, merchant_user, bookings, cell, seconds):
    line = filled(bookings[0]).replace(",120,", f",{cell},")
    answer = send(api(merchant_user), table(CHINESE, line))
    assert answer.status_code == 200, answer.json()
    assert Outcome.objects.get().duration_seconds == seconds


def test_a_bare_number_under_a_header_without_unit_is_no_duration(api, merchant_user, bookings):
    answer = send(api(merchant_user), table(CHINESE.replace("(分钟)", ""), filled(bookings[0])))
    assert list(answer.json()["fields"]) == ["rows.2.duration_seconds"]


def test_money_in_ten_thousands(api, merchant_user, bookings):
    header = CHINESE.replace("成交总额(元)", "成交总额(万元)")
    line = filled(bookings[0]).replace('"¥10,000.00"', "1.2")
    assert send(api(merchant_user), table(header, line)).status_code == 200
    assert Outcome.objects.get().gmv_cents == 1_200_000


def test_bookings_of_others_and_of_nobody_are_not_there(api, merchant_user, other_stall, other_anchor, match):
    foreign = bookings_in(held(other_stall, other_anchor, session(4)))[0]
    rows = [filled(foreign), FILLED.format(id="17"), FILLED.format(id=""), *map(filled, bookings_in(match))]
    answer = send(api(merchant_user), table(CHINESE, *rows, filled(bookings_in(match)[0])))
    fields = answer.json()["fields"]
    assert sorted(fields) == ["rows.2.booking", "rows.3.booking", "rows.4.booking", "rows.7.booking"]
    assert fields["rows.7.booking"] == ["排期: Row 5 has the same booking."]
    assert not Outcome.objects.exists()


def test_a_row_without_figures_is_left_alone(api, merchant_user, bookings):
    empty = f"{bookings[1].public_id},x,y,z" + "," * 11
    answer = send(api(merchant_user), table(CHINESE, filled(bookings[0]), empty))
    assert answer.json()["counts"] == {"created": 1, "updated": 0, "unchanged": 1, "invalid": 0}


def test_what_the_other_side_recorded_is_not_overwritten(api, merchant_user, anchor_user, bookings):
    record_outcome(actor=anchor_user, booking=bookings[0], figures=BETTER)
    answer = send(api(merchant_user), table(CHINESE, filled(bookings[0])))
    assert "The other side recorded these figures" in answer.json()["fields"]["rows.2.booking"][0]
    assert Outcome.objects.get().gmv_cents == BETTER["gmv_cents"]


def test_staff_settle_for_any_match(api, merchant_user, anchor_user, bookings):
    record_outcome(actor=anchor_user, booking=bookings[0], figures=BETTER)
    dispute_outcome(actor=merchant_user, booking=bookings[0], reason_code="dispute_sales")
    staff = settler()
    answer = send(api(staff), table(CHINESE, *map(filled, bookings)))
    assert answer.json()["counts"] == {"created": 1, "updated": 1, "unchanged": 0, "invalid": 0}
    assert set(Outcome.objects.values_list("status", "recorded_as", "gmv_cents")) == {
        ("settled", "staff", 1_000_000)
    }
    changed = table(CHINESE, filled(bookings[0]).replace("10,000", "12,000"))
    assert send(api(staff), changed).status_code == 400, "settled is settled"


def test_staff_without_the_permission_record_nothing(api, staff_user, bookings):
    answer = send(api(staff_user), table(CHINESE, filled(bookings[0])))
    assert answer.status_code == 400 and list(answer.json()["fields"]) == ["rows.2.booking"]


def test_too_many_rows_and_no_rows(api, merchant_user, bookings, monkeypatch):
    monkeypatch.setattr("matching.services.outcome_imports.OUTCOMES_PER_FILE", 1)
    answer = send(api(merchant_user), table(CHINESE, *map(filled, bookings)))
    assert (answer.status_code, answer.json()["code"]) == (400, "unreadable_file")
    assert send(api(merchant_user), table(CHINESE)).status_code == 400
    assert send(api(merchant_user), table("booking,gmv,gmv_cents", "1,2,3")).status_code == 400
    assert send(api(None), b"x").status_code == 401


# --- the file to begin with ------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "first"), [("zh-hans", "排期"), ("en", "booking")])
def test_what_is_handed_out_can_be_filled_in_and_sent_back(api, merchant_user, bookings, language, first):
    client = api(merchant_user, HTTP_ACCEPT_LANGUAGE=language)
    answer = client.get(TEMPLATE, HTTP_ACCEPT="text/html")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="outcomes.csv"'
    header, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert header[0] == first and [row[0] for row in rows] == [str(b.public_id) for b in bookings]
    figures = ["10000", "1800", "1000", "100", "10", "18", "80", "6000", "3000", "120"]
    text = io.StringIO()
    csv.writer(text).writerows([header, *([*row[:4], *figures] for row in rows)])
    report = send(client, text.getvalue().encode())
    assert report.status_code == 200, report.json()
    assert report.json()["counts"]["created"] == 2
    assert {name: getattr(Outcome.objects.first(), name) for name in FIGURES} == FIGURES
    assert client.get(TEMPLATE).content.count(b"\r\n") == 1, "nothing is due any more"


def test_a_name_that_a_spreadsheet_would_run_is_quoted(api, merchant_user, bookings):
    Stall.objects.update(name="=HYPERLINK(1)")
    assert ",'=HYPERLINK(1)," in api(merchant_user).get(TEMPLATE).content.decode()


def test_nobody_is_handed_the_bookings_of_others(api, other_merchant_user, bookings):
    assert api(other_merchant_user).get(TEMPLATE).content.count(b"\r\n") == 1
    assert api(None).get(TEMPLATE).status_code == 401
    settle_outcome(actor=settler(), booking=bookings[0], figures=FIGURES)
    assert api(settler()).get(TEMPLATE).content.count(b"\r\n") == 2
