"""Everything held of the asker is handed out, no secret and nothing of anybody else."""

import csv
import io
import json
import zipfile

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import DeviceToken
from accounts.privacy import HIDDEN, TABLES
from accounts.privacy.export import exported_columns
from accounts.services.anchors import register_anchor, update_anchor
from accounts.services.tags import forget_evidence
from jobs.models import Job
from matching.models import Block, Impression, PairRule, Reaction
from matching.services.reactions import react
from tests.api.bodies import anchor_body
from tests.factories import PASSWORD, id_number
from tests.matching.held import told
from tests.matching.market import agreed, make_anchor, make_stall, make_user, member_of, proposed, session

pytestmark = pytest.mark.django_db
PATH = "/api/v1/accounts/me/export/"


@pytest.fixture
def anchor():
    user = make_user()
    user.set_password(PASSWORD)
    user.phone_verified_at = timezone.now()
    user.save()
    anchor = register_anchor(actor=user, data=anchor_body(id_number=id_number(5), bio="=SUM(A1:A9)"))
    update_anchor(actor=user, anchor=anchor, data={"display_name": "Newer name"})
    anchor.verification = "verified"
    return anchor


def read(client, **query):
    answer = client.get(PATH, query)
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    assert answer["Content-Disposition"].startswith("attachment")
    return b"".join(answer.streaming_content)


def test_everything_of_the_asker_is_in_it(anchor, api):
    user, stall = member_of(anchor), make_stall(categories=["dress"])
    type(anchor).objects.filter(pk=anchor.pk).update(verification="verified", verified_until="2099-01-01")
    told(stall, anchor)
    agreed(stall, anchor, session(3))
    proposed(make_stall(categories=["dress"]), anchor, session(5), side="anchor", note="my very note")
    react(actor=user, side="anchor", stall=stall, anchor=anchor, kind="like")
    forget_evidence(actor=user, party=anchor, code="styles")
    PairRule.objects.create(stall=stall, anchor=anchor, kind="forbid", note="a note of staff")
    raw = read(api(user))
    tables = json.loads(raw)["tables"]
    for label in (
        "accounts.user", "accounts.anchor", "accounts.historicalanchor", "accounts.membership",
        "accounts.devicetoken", "accounts.forgottentag", "matching.match", "matching.matchevent",
        "matching.terms", "matching.note", "matching.reaction", "matching.booking",
        "matching.session", "matching.outcome", "jobs.job",
    ):  # fmt: skip
        assert tables[label] or label == "jobs.job" and not Job.objects.filter(requested_by=user), label
    assert tables["accounts.user"][0]["phone"] == user.phone
    assert tables["accounts.anchor"][0]["region"] == "guangdong"
    names = [row["display_name"] for row in tables["accounts.historicalanchor"]]
    assert names == ["小美", "Newer name", "Newer name"]
    assert tables["matching.note"][0]["text"] == "my very note"
    assert tables["matching.match"][0]["stall"] == str(stall.public_id)
    text = raw.decode()
    user.refresh_from_db()
    for secret in (user.password, anchor.id_digest, DeviceToken.objects.get(user=user).digest):
        assert secret and secret not in text
    # Of the other side no contact, of staff no note.
    for stranger in (stall.merchant.contact_phone, member_of(stall).phone, "a note of staff"):
        assert stranger not in text


def test_as_csv_nothing_is_a_formula(anchor, api):
    archive = zipfile.ZipFile(io.BytesIO(read(api(member_of(anchor)), format="csv")))
    assert archive.testzip() is None
    assert archive.namelist() == [
        f"{label}.csv" for label, table in TABLES.items() if table.of and table.is_exported
    ]
    rows = list(csv.DictReader(io.StringIO(archive.read("accounts.anchor.csv").decode("utf-8-sig"))))
    assert rows[0]["bio"] == "'=SUM(A1:A9)" and rows[0]["contact_phone"] == "'+8613700137000"
    for name in archive.namelist():
        for line in csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"))):
            assert not [cell for cell in line if cell.lstrip().startswith(("=", "+", "@"))]


def test_no_hidden_column_and_no_key_of_the_database_leaves():
    for label, table in TABLES.items():
        for column in exported_columns(label):
            assert table.class_of(column) not in HIDDEN
            assert column not in ("id", "history_id", "actor_id", "digest_key", "user")


def test_who_acts_for_nobody_gets_what_is_held(api):
    tables = json.loads(read(api(make_user())))["tables"]
    assert len(tables["accounts.user"]) == len(tables["accounts.devicetoken"]) == 1
    assert {label for label, rows in tables.items() if rows} == {"accounts.user", "accounts.devicetoken"}


def test_it_asks_as_often_for_many_rows_as_for_few(anchor, api):
    client = api(member_of(anchor))
    read(client)
    costs = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            read(client)
        costs.append(len(captured))
        for number in range(4):
            update_anchor(actor=None, anchor=anchor, data={"display_name": f"Name {number}"})
    assert costs[0] == costs[1] <= 50


def test_anonymous_and_too_often(anchor, api):
    assert api(None).get(PATH).status_code == 401
    client = api(member_of(anchor))
    for _ in range(20):
        read(client)
    answer = client.get(PATH, {"format": "csv"})
    assert answer.status_code == 429 and int(answer["Retry-After"]) > 0
    assert answer.json()["code"] == "too_many_requests"
    wrong = client.get(PATH, {"format": "xml"})
    assert wrong.status_code == 400 and "format" in wrong.json()["fields"]


def test_nobody_learns_from_an_export_what_others_did_about_them(api):
    stall, anchor = make_stall(), make_anchor()
    merchant = stall.merchant
    for side in ("stall", "anchor"):
        Block.objects.create(side=side, merchant=merchant, anchor=anchor)
        Reaction.objects.create(side=side, stall=stall, anchor=anchor, kind="never")
        Impression.objects.create(
            side=side, stall=stall, anchor=anchor, rank=1, score_hundredths=5_000, shown_at=timezone.now()
        )
    PairRule.objects.create(stall=stall, anchor=anchor, kind="forbid", note="secret")
    for side, party in (("stall", stall), ("anchor", anchor)):
        tables = json.loads(b"".join(api(member_of(party)).get(PATH)))["tables"]
        for label in ("matching.block", "matching.reaction", "matching.impression"):
            assert [row["side"] for row in tables[label]] == [side], label
        assert "matching.pairrule" not in tables
        assert not {"wish", "mutual_millionths"} & exported_columns("matching.matchdaypair").keys()
