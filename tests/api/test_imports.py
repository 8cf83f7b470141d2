"""The two endpoints that take whole files."""

import time
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Anchor, ImportedFile, Merchant, Stall
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, id_number

STALLS, ANCHORS = "/api/v1/stalls/import/", "/api/v1/anchors/import/"
pytestmark = pytest.mark.django_db

HEADER = (
    "序号,档口名称,区域,楼层,档口号,主营品类,风格,最低价(元),最高价(元),起批量,退货率,佣金率(%),"
    "合作方式,直播许可,女性占比,备注"
)
ROWS = (
    '1,花样年华,A区,3F,a-12,连衣裙、半身裙,通勤|极简,¥59.00,"1,299.00",5件,30%,20,'
    "达播、走播,可直播,85%,老客户",
    "2,牛仔故事,c,B1,C07,jeans,,0089,129,10,0.2,18.5,,仅邀请,,",
)
ENGLISH = (
    "name,zone,floor,number,categories,price_min_cents,price_max_cents,commission_rate\n"
    "Denim,c,2,C07,dress;skirt,5900,12900,0.2\n"
)


def table(*rows: str, header: str = HEADER, encoding: str = "utf-8") -> bytes:
    return "\r\n".join((header, *rows, "")).encode(encoding)


def send(client: Any, content: bytes, path: str = STALLS, query: str = "") -> Any:
    return client.post(path + query, content, content_type="text/csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_chinese_table_becomes_stalls_in_whatever_encoding(
    api, merchant_user, merchant, announced, encoding
):
    answer = send(api(merchant_user), table(*ROWS, encoding=encoding))

    assert answer.status_code == 200, answer.json()
    report = answer.json()
    assert report["counts"] == {"created": 2, "updated": 0, "unchanged": 0, "invalid": 0}
    assert report["encoding"] == encoding.removesuffix("-sig")
    first, second = Stall.objects.order_by("pk")
    assert [(row["row"], row["status"], row["id"]) for row in report["rows"]] == [
        (2, "created", str(first.public_id)), (3, "created", str(second.public_id)),
    ]  # fmt: skip
    assert (first.zone.code, first.floor, first.number) == ("a", 3, "A-12")
    assert (first.categories, first.styles) == (["dress", "skirt"], ["commuter", "minimal"])
    assert (first.price_min_cents, first.price_max_cents, first.moq) == (5_900, 129_900, 5)
    assert (str(first.return_rate), str(first.commission_rate)) == ("0.3000", "0.2000")
    assert first.cooperation_modes == ["creator_broadcast", "roaming_broadcast"]
    assert first.audience_gender == {"female": 0.85, "male": 0.15}
    assert (second.floor, second.streaming_permit, str(second.commission_rate)) == (
        -1,
        "by_invitation",
        "0.1850",
    )
    assert (second.price_min_cents, str(second.return_rate)) == (8_900, "0.2000")
    assert announced == [("stall", [first.pk, second.pk])]
    assert first.history.get().history_user == merchant_user


def test_an_english_table_in_a_form(api, merchant_user, merchant):
    upload = SimpleUploadedFile("stalls.csv", ENGLISH.encode(), content_type="text/csv")
    answer = api(merchant_user).post(STALLS, {"file": upload}, format="multipart")

    assert answer.status_code == 200, answer.json()
    stall = Stall.objects.get()
    assert (stall.categories, stall.price_min_cents) == (["dress", "skirt"], 5_900)


@pytest.mark.parametrize("separator", ["\t", ";"])
def test_other_separators(api, merchant_user, merchant, separator):
    content = ENGLISH.replace("dress;skirt", "dress").replace(",", separator)

    assert send(api(merchant_user), content.encode()).json()["counts"]["created"] == 1


def test_a_dry_run_tells_all_and_stores_nothing(api, merchant_user, merchant, announced):
    content = table(ROWS[0], ROWS[1].replace("18.5", "180"))
    answer = send(api(merchant_user), content, query="?dry_run=1")

    assert answer.status_code == 200
    assert answer.json()["is_dry_run"]
    assert answer.json()["counts"] == {"created": 1, "updated": 0, "unchanged": 0, "invalid": 1}
    assert list(answer.json()["rows"][1]["fields"]) == ["commission_rate"]
    assert not Stall.objects.exists()
    assert not ImportedFile.objects.exists()
    assert announced == []


def test_a_word_for_dry_run_that_is_none_stores_nothing(api, merchant_user, merchant):
    assert send(api(merchant_user), table(*ROWS), query="?dry_run=yes").status_code == 400
    assert not Stall.objects.exists()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_one_bad_row_refuses_the_file(api, merchant_user, merchant, language):
    bad = "3,没有楼层,A,很高,A1,连衣裙,,¥59,39,5,,200%,,,,"
    answer = send(api(merchant_user, HTTP_ACCEPT_LANGUAGE=language), table(*ROWS, bad))

    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "invalid_rows"
    assert set(body["fields"]) == {"rows.4.floor", "rows.4.price_min_cents", "rows.4.commission_rate"}
    assert body["fields"]["rows.4.floor"][0].startswith("楼层: ")
    assert body["counts"] == {"created": 2, "updated": 0, "unchanged": 0, "invalid": 1}
    assert [row["row"] for row in body["rows"]] == [4]
    assert not Stall.objects.exists()
    assert not ImportedFile.objects.exists()


def test_a_gb18030_file_with_a_broken_cell_names_row_and_column(api, merchant_user, merchant):
    content = table(*ROWS, encoding="gb18030").replace(
        "牛仔故事".encode("gb18030"), "牛仔故".encode("gb18030") + b"\xca"
    )
    answer = send(api(merchant_user), content)

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == ["rows.3.name"]
    assert "GB18030" in answer.json()["fields"]["rows.3.name"][0]
    assert not Stall.objects.exists()


def test_a_utf8_file_with_a_broken_cell_is_not_read_as_something_else(api, merchant_user, merchant):
    content = table(*ROWS).replace("牛仔故事".encode(), "牛仔故事".encode()[:-1])
    answer = send(api(merchant_user), content)

    assert list(answer.json()["fields"]) == ["rows.3.name"]
    assert answer.json()["encoding"] == "utf-8"


def test_the_same_file_twice_does_nothing(api, merchant_user, merchant, announced):
    client = api(merchant_user)
    first = send(client, table(*ROWS)).json()
    client.delete(f"/api/v1/stalls/{first['rows'][0]['id']}/", HTTP_IF_MATCH="*")
    again = send(client, table(*ROWS)).json()

    assert again == first | {"is_repeat": True}
    assert Stall.objects.filter(archived_at=None).count() == 1
    assert len(announced) == 2


def test_the_same_file_of_another_merchant_is_another_import(
    api, merchant_user, merchant, other_merchant_user
):
    MerchantFactory(owner=other_merchant_user)
    assert send(api(merchant_user), table(*ROWS)).status_code == 200
    answer = send(api(other_merchant_user), table(*ROWS))

    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == {"rows.2.number", "rows.3.number"}


def test_a_row_at_an_own_place_changes_that_stall(api, merchant_user, merchant, announced):
    client = api(merchant_user)
    send(client, table(*ROWS))
    first, second = Stall.objects.order_by("pk")
    announced.clear()
    # Says less than a new stall must: what is left out stays.
    answer = send(client, "区域,楼层,档口号,起批量\nA区,3,A-12,8\nc,-1,c07,10\n".encode())

    assert answer.json()["counts"] == {"created": 0, "updated": 1, "unchanged": 1, "invalid": 0}
    assert [row["id"] for row in answer.json()["rows"]] == [str(first.public_id), str(second.public_id)]
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.moq, first.version, first.name, second.version) == (8, 2, "花样年华", 1)
    assert [row.moq for row in first.history.all()] == [8, 5]
    assert announced == [("stall", [first.pk])]


def test_one_place_twice_in_a_file_is_refused(api, merchant_user, merchant):
    answer = send(api(merchant_user), table(ROWS[0], ROWS[0].replace("a-12", "A-12")))

    assert list(answer.json()["fields"]) == ["rows.3.number"]
    assert "Row 2" in answer.json()["fields"]["rows.3.number"][0]


@pytest.mark.parametrize(
    ("content", "field", "hint"),
    [
        (b"", "file", "Send one file"),
        (b"\n\n", "file", "empty"),
        (HEADER.encode(), "file", "no rows"),
        (b"PK\x03\x04xxxx", "file", "CSV"),
        ("name".encode("utf-16"), "file", "CSV"),
        (table('1,"never closed'), "file", "quote"),
        (table("1", header="档口名,佣金绿"), "header.2", "佣金率"),
        (table("1", header="档口名,店名"), "header.2", "same column"),
        (table(*["1"] * 5001), "file", "5000"),
    ],
)
def test_what_is_no_table_of_ours(api, merchant_user, merchant, content, field, hint):
    answer = send(api(merchant_user), content)

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]
    assert hint in answer.json()["fields"][field][0]


@pytest.mark.parametrize("cell", ["花\x00样", "x" * 121])
def test_bad_text_in_a_cell(api, merchant_user, merchant, cell):
    answer = send(api(merchant_user), table(ROWS[0].replace("花样年华", cell)))

    assert list(answer.json()["fields"]) == ["rows.2.name"]
    assert not Stall.objects.exists()


def test_prefixes_of_spreadsheets_are_taken_off(api, merchant_user, merchant):
    content = table(ROWS[0].replace("花样年华", "'+花样"), ROWS[1].replace("牛仔故事", "=cmd"))
    send(api(merchant_user), content)

    assert [stall.name for stall in Stall.objects.order_by("pk")] == ["+花样", "cmd"]


def test_ten_megabytes_are_413(api, merchant_user, merchant):
    big = b"x" * 10_000_000

    assert send(api(merchant_user), big).status_code == 413
    upload = SimpleUploadedFile("stalls.csv", big)
    assert api(merchant_user).post(STALLS, {"file": upload}, format="multipart").status_code == 413


def test_forms_without_the_file_and_other_types(api, merchant_user, merchant):
    client = api(merchant_user)

    assert client.post(STALLS, {"other": "x"}, format="multipart").json()["code"] == "file_missing"
    assert client.post(STALLS, {"file": "text"}, format="multipart").json()["code"] == "file_missing"
    assert client.post(STALLS, {"a": 1}, format="json").status_code == 415


def test_who_may_import_stalls(api, anchor_user, anchor):
    assert send(api(None), table(*ROWS)).status_code == 401
    assert send(api(anchor_user), table(*ROWS)).json()["code"] == "no_party"


def test_a_repeat_with_the_same_key_is_answered_alike(api, merchant_user, merchant):
    client = api(merchant_user, HTTP_IDEMPOTENCY_KEY="k1")
    first, second = send(client, table(*ROWS)), send(client, table(*ROWS))

    assert first.json() == second.json()
    assert send(client, table(ROWS[0])).status_code == 422
    assert Stall.objects.count() == 2


def test_queries_do_not_grow_with_rows(api, merchant_user, merchant, django_assert_max_num_queries):
    rows = [ROWS[1].replace("C07", f"C{number}") for number in range(1000, 1250)]
    StallFactory(merchant=merchant)
    client = api(merchant_user)
    send(client, table(ROWS[0]))
    with django_assert_max_num_queries(60):  # SQLite takes 29 rows an insert
        assert send(client, table(*rows)).json()["counts"]["created"] == 250


# --- anchors --------------------------------------------------------------------------------------

ANCHOR_HEADER = (
    "主播昵称,姓名,身份证号,出生日期,手机号,所在省份,直播平台,账号,粉丝数,平均在线,擅长品类,主力价格带,"
    "期望佣金(%),可到场,授权依据"
)
LISA = (
    f"小美,李晓美,{id_number(1)},1996/5/20,13700137000,广东,抖音,xm01,12.5万,800,连衣裙,59-129,"
    "18,是,入驻协议已签"
)
TOM = '阿强,,,2001年3月8日,,四川,快手,aq,"30,000",120,牛仔裤,,15%,否,'


def people(*rows: str) -> bytes:
    return table(*rows, header=ANCHOR_HEADER)


def test_staff_import_unclaimed_anchors(api, staff_user, announced):
    answer = send(api(staff_user), people(LISA, TOM), ANCHORS)

    assert answer.status_code == 200, answer.json()
    lisa, tom = Anchor.objects.order_by("pk")
    assert (lisa.followers, lisa.average_viewers, lisa.region.code) == (125_000, 800, "guangdong")
    assert (lisa.contact_phone, lisa.birth_date.isoformat()) == ("+8613700137000", "1996-05-20")
    assert (lisa.id_last4, len(lisa.id_digest)) == (id_number(1)[-4:], 64)
    assert abs(sum(lisa.price_shares) - 1) < 0.001
    assert not lisa.memberships.exists()
    assert (lisa.legal_basis, tom.legal_basis, tom.is_on_site) == ("入驻协议已签", "", False)
    assert announced == [("anchor", [lisa.pk, tom.pk])]
    assert id_number(1) not in str(answer.json())


def test_the_legal_basis_of_the_file_fills_in_for_rows_without(api, staff_user):
    send(api(staff_user), people(LISA, TOM), ANCHORS, query="?legal_basis=public+profile")

    assert [row.legal_basis for row in Anchor.objects.order_by("pk")] == ["入驻协议已签", "public profile"]


def test_others_import_no_anchors(api, merchant_user, merchant, anchor_user, anchor):
    assert send(api(None), people(LISA), ANCHORS).status_code == 401
    for user in (merchant_user, anchor_user):
        assert send(api(user), people(LISA), ANCHORS).status_code == 403
    assert Anchor.objects.count() == 1


def test_somebody_known_is_changed_by_id_number_or_account(api, staff_user):
    send(api(staff_user), people(LISA, TOM), ANCHORS)
    changed = people(LISA.replace("小美", "小美美").replace(",18,", ",21,"), TOM.replace("120", "150"))
    answer = send(api(staff_user), changed, ANCHORS)

    assert answer.json()["counts"] == {"created": 0, "updated": 2, "unchanged": 0, "invalid": 0}
    lisa, tom = Anchor.objects.order_by("pk")
    assert (lisa.display_name, str(lisa.commission_rate), lisa.version) == ("小美美", "0.2100", 2)
    assert (tom.average_viewers, tom.platforms[0]["average_viewers"]) == (150, 150)


def test_who_has_an_account_keeps_the_profile_herself(api, staff_user, anchor_user):
    AnchorFactory(
        owner=anchor_user,
        display_name="小美",
        platforms=[{"platform": "douyin", "handle": "xm01", "followers": 1, "average_viewers": 1}],
    )
    answer = send(api(staff_user), people(LISA), ANCHORS)

    assert list(answer.json()["fields"]) == ["rows.2.display_name"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (TOM.replace("2001年", "2012年"), "rows.2.birth_date"),
        (TOM.replace("2001年3月8日", ""), "rows.2.birth_date"),
        (TOM.replace('"30,000"', "many"), "rows.2.followers"),
        (TOM.replace("快手", "某平台"), "rows.2.platforms.0.platform"),
        (LISA.replace(id_number(1), id_number(1)[:-1] + "?"), "rows.2.id_number"),
        (LISA.replace(id_number(1), "9" * 200), "rows.2.id_number"),
        (LISA.replace(id_number(1), f"\u202e{id_number(1)}"), "rows.2.id_number"),
        (LISA.replace("入驻协议已签", "x" * 201), "rows.2.legal_basis"),
    ],
)
def test_bad_rows_of_anchors(api, staff_user, row, field):
    answer = send(api(staff_user), people(row), ANCHORS)

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]
    assert not Anchor.objects.exists()


def test_what_is_imported_can_never_be_verified_by_the_file(api, staff_user, merchant):
    send(api(staff_user), people(TOM), ANCHORS)

    assert Anchor.objects.get().verification == "pending"
    assert Merchant.objects.get().version == 1


# --- what must not keep the server busy, and what must not store by mistake ---------------------------


def test_a_misspelt_dry_run_stores_nothing(api, merchant_user, merchant):
    for query, field in (
        ("dryrun=1", "dryrun"),
        ("dry_run=1&dry_run=0", "dry_run"),
        ("Dry_run=1", "Dry_run"),
    ):
        answer = send(api(merchant_user), table(*ROWS), query=f"?{query}")

        assert answer.status_code == 400
        assert list(answer.json()["fields"]) == [field]
    assert not Stall.objects.exists()


def test_of_two_files_neither_is_taken(api, merchant_user, merchant):
    files = [SimpleUploadedFile(f"{n}.csv", table(row), "text/csv") for n, row in enumerate(ROWS)]
    answer = api(merchant_user).post(STALLS, {"file": files}, format="multipart")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == ["file"]
    assert not Stall.objects.exists()


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"abc", "multipart/form-data"),
        (b"abc", "multipart/form-data; boundary=XX"),
        (
            b"".join(
                b'--XX\r\nContent-Disposition: form-data; name="%d"\r\n\r\n1\r\n' % n for n in range(3000)
            ),
            "multipart/form-data; boundary=XX",
        ),
    ],
)
def test_a_form_that_is_none_is_told_what_is_wanted(api, merchant_user, merchant, content, content_type):
    answer = api(merchant_user).generic("POST", STALLS, content, content_type=content_type)

    assert answer.status_code == 400
    assert "Send one file" in answer.json()["fields"]["file"][0]


@pytest.mark.parametrize(
    "content",
    [
        table("1", header=",".join(f"最低价{n}" for n in range(50_000))),
        table("1", header="档口名" + "(" * 100_000),
        table(*[""] * 200_000),
        table(*ROWS).decode().encode("gb18030") + b"\x81\n" * 200_000,
        table(*[ROWS[0].replace("A-12", str(n)).replace("连衣裙", f"连衣群{n}") for n in range(3000)]),
        table(ROWS[0].replace("59", "5" + " " * 100_000 + "9")),
        table(ROWS[0].replace("59", "59-" + " " * 100_000 + "!")),
        table(ROWS[0].replace("花样年华", "x" * 130_000)),
    ],
    ids=[
        "columns",
        "long header",
        "empty rows",
        "bad bytes",
        "unknown words",
        "gap",
        "gap in a band",
        "cell",
    ],
)
def test_no_file_keeps_the_server_busy(api, merchant_user, merchant, content):
    started_at = time.process_time()
    answer = send(api(merchant_user), content)

    assert answer.status_code == 400
    assert answer.json()["fields"]
    assert time.process_time() - started_at < 5
    assert not Stall.objects.exists()
