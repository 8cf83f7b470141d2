"""After an erasure nothing in the database, in files or in lists tells of the person any more."""

import json
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Anchor, Erasure, LegalRecord, LicencePhoto, Membership, Merchant, Stall, User
from accounts.services.anchors import id_digest, register_anchor, update_anchor
from accounts.services.erasure import forget_legal_records, request_anchor_erasure, request_erasure
from accounts.services.imports import import_anchors
from accounts.services.parties import register_merchant, update_merchant
from accounts.services.people import unblock_user
from accounts.services.photos import keep_licence_photo
from accounts.services.stalls import register_stall
from accounts.services.verification import verify_anchors, verify_merchants
from jobs.models import IdempotencyKey, Job, JobState
from jobs.tasks import run_job
from matching.models import Match, PairRule, Reaction, RecommendationList
from matching.selectors import suggestions_for
from matching.services import recommendations
from matching.services.matches import approve_match
from matching.services.reactions import react
from matchmaker.core.errors import Conflict, NotAllowed
from notifications.models import Notice
from tests.api.bodies import anchor_body, merchant_body, stall_body
from tests.api.test_imports import ANCHOR_HEADER
from tests.factories import PASSWORD, credit_code, id_number, photo
from tests.matching.market import (
    agreed,
    make_anchor,
    make_merchant,
    make_staff,
    make_stall,
    make_user,
    member_of,
    proposed,
    session,
)

pytestmark = pytest.mark.django_db


def do_jobs():
    while due := list(Job.objects.filter(state=JobState.QUEUED).order_by("pk").values_list("pk", flat=True)):
        for job in due:
            run_job(job)
    assert not Job.objects.filter(state=JobState.DEAD).exists()


def whole_database():
    """Every value of every table as text."""
    rows = {
        model._meta.label: list(model._default_manager.values())
        for model in apps.get_models(include_auto_created=True)
        if model._meta.label not in ("auth.Permission", "contenttypes.ContentType")
    }
    return json.dumps(rows, cls=_Encoder, ensure_ascii=False)


class _Encoder(DjangoJSONEncoder):
    def default(self, value):
        if isinstance(value, bytes | memoryview):
            return ""
        return super().default(value)


# What the people of these tests are known by; nothing else in the town looks like it.
ANCHOR_MARKS = ("Zenobia", "曾诺比", "13711112222", "zenobia-live", "曾诺比的话", id_digest(id_number(77)))
MERCHANT_MARKS = ("昆仑丝路", "昆仑先生", "13922223333", credit_code(909), "昆仑铺", "昆仑便条")


@pytest.fixture
def zenobia():
    """An anchor with a past: edited, verified, liked, matched, told, logged in, written about."""
    user = User.objects.create_user("13711112222", PASSWORD, name="曾诺比")
    body = anchor_body(
        display_name="Zenobia Live", real_name="曾诺比", contact_phone="13711112222", id_number=id_number(77),
        bio="曾诺比的话", platforms=[{"platform": "douyin", "handle": "zenobia-live", "followers": 9_000,
        "average_viewers": 90}],
    )  # fmt: skip
    anchor = register_anchor(actor=user, data=body)
    update_anchor(actor=user, anchor=anchor, data={"display_name": "Zenobia Two"})
    verify_anchors(actor=make_staff(), anchors=[anchor], note="Zenobia came by")
    return anchor


@pytest.fixture
def kunlun():
    """A merchant with one stall, whose owner wrote a note."""
    user = User.objects.create_user("13922223333", name="昆仑先生")
    body = merchant_body(
        name="昆仑丝路", contact_name="昆仑先生", contact_phone="13922223333", credit_code=credit_code(909)
    )
    merchant = register_merchant(actor=user, data=body)
    update_merchant(actor=user, merchant=merchant, data={"name": "昆仑丝路二"})
    keep_licence_photo(actor=user, merchant=merchant, content=photo())
    verify_merchants(actor=make_staff(), merchants=[merchant])
    return register_stall(actor=user, merchant=merchant, data=stall_body(name="昆仑铺"))


@pytest.fixture
def office():
    """The browser of an administrator."""
    client = Client(HTTP_ACCEPT_LANGUAGE="en")
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


def erase(party, actor=None):
    user = member_of(party)
    row = request_erasure(actor=actor or user, user=user)
    do_jobs()
    row.refresh_from_db()
    assert row.finished_at is not None
    return row


def test_an_anchor_is_gone_from_everywhere(zenobia, api):
    user = member_of(zenobia)
    stall, other = make_stall(categories=["dress"]), make_stall(categories=["dress"])
    match = agreed(stall, zenobia)
    react(actor=user, side="anchor", stall=other, anchor=zenobia, kind="like")
    recommendations.rematch_everybody()
    do_jobs()
    open_one = proposed(other, zenobia, session(3), note="for 曾诺比")
    client = api(member_of(other))
    answer = client.get(f"/api/v1/matches/{match.public_id}/")
    contact = api(member_of(stall)).get(f"/api/v1/matches/{match.public_id}/").json()
    assert contact["contact"]["name"] == "曾诺比" and answer.status_code == 404
    IdempotencyKey.objects.create(
        user=member_of(stall), key="k", digest="d" * 64, status=200, body=contact | {"said": "call 曾诺比"}
    )
    [booking] = match.bookings.all()
    bodies = {"told": {"id": str(booking.public_id)}, "other": {"id": str(other.public_id)}}
    for key, body in bodies.items():  # of an outcome, which names no party, and of somebody else
        IdempotencyKey.objects.create(user=member_of(stall), key=key, digest="d" * 64, status=200, body=body)
    LogEntry.objects.create(
        user=make_staff(), content_type=ContentType.objects.get_for_model(Anchor), object_id=str(zenobia.pk),
        object_repr="Zenobia Two", action_flag=CHANGE, change_message="Zenobia",
    )  # fmt: skip
    kept = Path(settings.VAR_DIR) / "market-test-0.npz"
    kept.write_bytes(b"x")
    assert all(mark in whole_database() for mark in ANCHOR_MARKS)

    row = erase(zenobia)
    text = whole_database()
    assert [mark for mark in ANCHOR_MARKS[:-1] if mark in text] == []
    bodies = dict(IdempotencyKey.objects.values_list("key", "body"))
    assert bodies == {"k": None, "told": None, "other": {"id": str(other.public_id)}}
    assert text.count(ANCHOR_MARKS[-1]) == LegalRecord.objects.count() == 1
    (own,) = RecommendationList.objects.filter(side="anchor", subject_id=zenobia.pk)
    assert not kept.exists() and len(own.partner_ids) == 0
    for other_list in RecommendationList.objects.filter(side="stall"):
        assert zenobia.pk not in np.frombuffer(other_list.partner_ids, dtype="<i8")
    assert not Reaction.objects.exists() and not Membership.objects.filter(anchor=zenobia).exists()
    zenobia.refresh_from_db()
    assert str(zenobia) == row.pseudonym and zenobia.archived_at
    match.refresh_from_db(), open_one.refresh_from_db()
    assert (match.status, open_one.status) == ("withdrawn", "withdrawn")
    assert match.events.last().actor_id is None
    assert Notice.objects.filter(user=member_of(stall)).exists()
    record = LegalRecord.objects.get()
    assert [c["match"] for c in record.contracts] == [str(match.public_id)]
    assert record.pseudonym == row.pseudonym and record.identity_digest == id_digest(id_number(77))


def test_a_merchant_goes_with_the_last_owner(kunlun):
    anchor = make_anchor(categories=["dress"])
    match = proposed(kunlun, anchor, note="昆仑便条")
    recommendations.rematch_everybody()
    assert all(mark in whole_database() for mark in MERCHANT_MARKS)
    request_erasure(actor=member_of(kunlun), user=member_of(kunlun))
    assert not LicencePhoto.objects.exists()  # at once
    do_jobs()
    row = Erasure.objects.get()
    text = whole_database()
    assert [mark for mark in MERCHANT_MARKS if mark in text] == []
    kunlun.refresh_from_db(), match.refresh_from_db()
    assert kunlun.archived_at and kunlun.merchant.archived_at and kunlun.name == row.pseudonym
    assert match.status == "withdrawn" and not LegalRecord.objects.exists()
    shown = suggestions_for(side="anchor", subject=anchor)
    assert kunlun.pk not in [item.partner.pk for item in shown.items]


def test_who_is_not_the_last_owner_takes_only_what_is_theirs(kunlun):
    leaver, stayer = member_of(kunlun), make_user()
    Membership.objects.create(user=stayer, merchant=kunlun.merchant)
    row = request_erasure(actor=leaver, user=leaver)
    do_jobs()
    merchant = Merchant.objects.get(pk=kunlun.merchant_id)
    assert merchant.name == "昆仑丝路二" and merchant.archived_at is None and row.merchant_ids == []
    assert merchant.licence_photo.width == 800
    assert (merchant.contact_name, merchant.contact_phone) == ("", "")
    assert "13922223333" not in whole_database() and "昆仑先生" not in whole_database()
    assert [m.user for m in merchant.memberships.all()] == [stayer]
    assert Stall.objects.get(pk=kunlun.pk).archived_at is None


def test_hidden_at_once_before_any_worker(zenobia, api, office):
    user = member_of(zenobia)
    stall = make_stall(categories=["dress"])
    recommendations.rematch_everybody()
    client = api(user)
    assert [i.partner.pk for i in suggestions_for(side="stall", subject=stall).items] == [zenobia.pk]
    inside = SessionStore()
    inside["_auth_user_id"] = str(user.pk)
    inside.save()
    answer = client.post("/api/v1/accounts/me/erase/", {"password": PASSWORD})
    assert answer.status_code == 202 and answer.json()["pseudonym"].startswith("x-")
    assert client.get("/api/v1/accounts/me/").status_code == 401
    assert suggestions_for(side="stall", subject=stall).items == []
    for page, word in (("user", "曾诺比"), ("anchor", "Zenobia")):
        found = office.get(f"/admin/accounts/{page}/", {"q": word})
        assert found.status_code == 200 and not found.context["cl"].result_list
    assert not user.devices.filter(revoked_at=None).exists()
    do_jobs()
    assert not Session.objects.filter(session_key=inside.session_key).exists()


def test_an_approved_match_to_come_is_cancelled_and_one_that_took_place_is_not(zenobia):
    coming = approve_match(actor=make_staff(), match=agreed(make_stall(categories=["dress"]), zenobia))
    erase(zenobia)
    assert Match.objects.get(pk=coming.pk).status == "cancelled"
    assert not coming.bookings.filter(released_at=None).exists()


def test_twice_is_once_and_cannot_be_undone(zenobia):
    user = member_of(zenobia)
    first = request_erasure(actor=user, user=user)
    assert request_erasure(actor=user, user=user).pk == first.pk
    do_jobs()
    assert Erasure.objects.get().looked_for == []
    root = make_user(is_staff=True, is_superuser=True)
    with pytest.raises(Conflict, match="cannot be undone"):
        unblock_user(actor=root, user=user)
    # The phone is free again.
    assert User.objects.create_user("13711112222").pk != user.pk


def test_a_job_done_twice_is_harmless(zenobia):
    user = member_of(zenobia)
    request_erasure(actor=user, user=user)
    do_jobs()
    before = whole_database()
    Job.objects.filter(kind__in=("accounts.erase", "matching.forget_person")).update(state=JobState.QUEUED)
    do_jobs()
    assert whole_database().count("x-") == before.count("x-")


@pytest.mark.parametrize("permissions", [("view_user",), ()])
def test_strangers_and_staff_without_the_permission_erase_nobody(permissions, zenobia):
    with pytest.raises(NotAllowed):
        request_erasure(
            actor=make_staff(*permissions) if permissions else make_user(), user=member_of(zenobia)
        )
    assert not Erasure.objects.exists()


def test_staff_do_it_for_who_asks_by_phone(zenobia, office):
    user = member_of(zenobia)
    chosen = {"action": "erase", "_selected_action": [user.pk]}
    asked = office.post("/admin/accounts/user/", chosen)
    assert b"Erase for good" in asked.content and not Erasure.objects.exists()
    office.post("/admin/accounts/user/", chosen | {"confirmed": "1", "note": "by phone"})
    assert Erasure.objects.get().user_id == user.pk
    do_jobs()
    assert [mark for mark in ANCHOR_MARKS[:-1] if mark in whole_database()] == []


def test_staff_erase_an_imported_anchor_that_nobody_has_claimed(office):
    row = f"Zenobia Live,曾诺比,{id_number(77)},1996/5/20,13711112222,广东,抖音,zenobia-live,9000,90,"
    row += "连衣裙,59-129,18,是,有协议"
    csv = f"{ANCHOR_HEADER}\n{row}\n".encode()
    report = import_anchors(actor=make_staff("change_anchor"), content=csv)
    anchor = Anchor.objects.get(public_id=report["rows"][0]["id"])
    rule = PairRule.objects.create(stall=make_stall(), anchor=make_anchor(), kind="forbid", note="看过有协议")
    marks = ("Zenobia", "曾诺比", "13711112222", "zenobia-live", id_digest(id_number(77)))
    assert all(mark in whole_database() for mark in marks)
    chosen = {"action": "erase", "_selected_action": [anchor.pk], "confirmed": "1"}
    for _again in range(2):
        office.post("/admin/accounts/anchor/", chosen)
        do_jobs()
    assert [mark for mark in marks if mark in whole_database()] == []
    assert Erasure.objects.get().anchor_ids == [anchor.pk] and not LegalRecord.objects.exists()
    rule.refresh_from_db()
    assert rule.note == "看过有协议", "what stands in every line of the file means nobody"
    again = register_anchor(
        actor=make_user(phone_verified_at=timezone.now()), data=anchor_body(id_number=id_number(77))
    )
    assert again.pk != anchor.pk, "the number is free again"


def test_an_anchor_with_an_account_is_erased_by_its_user(zenobia, office):
    with pytest.raises(Conflict):
        request_anchor_erasure(actor=make_user(is_staff=True, is_superuser=True), anchor=zenobia)
    with pytest.raises(NotAllowed):
        request_anchor_erasure(actor=make_staff("change_anchor"), anchor=zenobia)
    office.post(
        "/admin/accounts/anchor/", {"action": "erase", "_selected_action": [zenobia.pk], "confirmed": "1"}
    )
    assert not Erasure.objects.exists()


def test_the_api_asks_for_the_password_or_the_word(zenobia, api):
    client = api(member_of(zenobia))
    for body in ({}, {"password": "wrong"}, {"confirmation": "erase me"}):
        answer = client.post("/api/v1/accounts/me/erase/", body)
        assert (answer.status_code, "password" in answer.json()["fields"]) == (400, True)
    by_code = make_user()
    by_code.set_unusable_password(), by_code.save()
    client = api(by_code)
    assert client.post("/api/v1/accounts/me/erase/", {}).status_code == 400
    assert client.post("/api/v1/accounts/me/erase/", {"confirmation": "erase me"}).status_code == 202
    assert api(make_staff()).post("/api/v1/accounts/me/erase/", {}).status_code == 403


def test_who_was_erased_after_a_backup_is_erased_again_after_its_restore(zenobia, kunlun, tmp_path, capsys):
    before = {anchor: make_anchor() for anchor in ("unclaimed", "stays")}
    Membership.objects.filter(anchor=before["unclaimed"]).delete()
    with transaction.atomic():
        erase(zenobia), erase(kunlun)
        request_anchor_erasure(actor=make_user(is_staff=True, is_superuser=True), anchor=before["unclaimed"])
        capsys.readouterr(), call_command("erasures")
        told = capsys.readouterr().out
        transaction.set_rollback(True)
    assert "曾诺比" in whole_database() and not Erasure.objects.exists()
    assert not any(mark in told for mark in (*ANCHOR_MARKS, *MERCHANT_MARKS))
    path = tmp_path / "erasures"
    path.write_text(told)
    for counts in ("3 erased again, 0 were", "0 erased again, 3 were"):
        call_command("erasures", again=path)
        assert counts in capsys.readouterr().out
        do_jobs()
    text = whole_database()
    assert [mark for mark in (*ANCHOR_MARKS[:-1], *MERCHANT_MARKS) if mark in text] == []
    before["stays"].refresh_from_db(), before["unclaimed"].refresh_from_db()
    assert before["unclaimed"].archived_at and not before["stays"].archived_at
    assert set(Erasure.objects.values_list("pseudonym", flat=True)) == {
        json.loads(line)["pseudonym"] for line in told.splitlines()
    }
    for rubbish in ("{}", told + "[]", '{"user": 1, "anchors": []}', '{"user": "x", "anchors": []}'):
        path.write_text(rubbish)
        with pytest.raises(CommandError, match="line"):
            call_command("erasures", again=path)


def test_passwords_are_not_tried_without_end_to_erase_somebody(zenobia, api):
    client = api(member_of(zenobia))
    with patch.object(User, "check_password", return_value=False) as hashed:
        answers = [
            client.post("/api/v1/accounts/me/erase/", {"password": "wrong"}).status_code for _ in range(30)
        ]
    assert answers[0] == 400 and answers[-1] == 429 and hashed.call_count == answers.count(400) <= 10
    assert not Erasure.objects.exists()


def test_an_account_of_staff_is_erased_by_nobody(office):
    for user in (make_staff(), make_user(is_staff=True, is_superuser=True)):
        with pytest.raises(NotAllowed):
            request_erasure(actor=user, user=user)
        office.post(
            "/admin/accounts/user/", {"action": "erase", "_selected_action": [user.pk], "confirmed": "1"}
        )
    assert not Erasure.objects.exists()


def test_what_the_law_wants_goes_after_three_years(zenobia):
    agreed(make_stall(categories=["dress"]), zenobia)
    erase(zenobia)
    assert forget_legal_records() == 0
    LegalRecord.objects.update(kept_until=timezone.now().date() - timedelta(days=2))
    assert forget_legal_records() == 1
    assert ANCHOR_MARKS[-1] not in whole_database()


def test_messages_in_a_file_go_too(zenobia):
    path = Path(settings.VAR_DIR) / "sms.log"
    path.write_text("t SMS +8613711112222: 1\nt SMS +8613800000001: 2\n")
    make_merchant()
    erase(zenobia)
    assert path.read_text() == "t SMS +8613800000001: 2\n"
    path.unlink()


def test_the_log_of_rules_about_somebody_with_a_short_name_names_the_pseudonym():
    anchor, stall = make_anchor(display_name="小美", real_name="王伟"), make_stall()
    rule = PairRule.objects.create(stall=stall, anchor=anchor, kind="forbid")
    for about, said in ((rule, f"{stall} – 小美"), (make_stall(), "小美丽 boutique")):
        LogEntry.objects.create(
            user=make_staff(), content_type=ContentType.objects.get_for_model(about), object_id=str(about.pk),
            object_repr=said, action_flag=CHANGE, change_message="",
        )  # fmt: skip
    row = erase(anchor)
    assert list(LogEntry.objects.order_by("pk").values_list("object_repr", flat=True)) == [
        row.pseudonym, "小美丽 boutique",
    ]  # fmt: skip


def test_nothing_is_registered_for_an_account_that_was_closed_meanwhile(kunlun):
    user, merchant = member_of(kunlun), kunlun.merchant
    late = User.objects.get(pk=user.pk)  # as a request holds it that has passed the door
    erase(kunlun)
    for register, body in ((register_merchant, merchant_body()), (register_anchor, anchor_body())):
        with pytest.raises(NotAllowed) as refusal:
            register(actor=late, data=body)
        assert refusal.value.code == "account_closed"
    with pytest.raises(Conflict):
        register_stall(actor=late, merchant=merchant, data=stall_body(number="Z9"))
    assert (Merchant.objects.count(), Stall.objects.count()) == (1, 1)
