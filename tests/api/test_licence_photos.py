"""The photo of a merchant's business licence: given, looked at, replaced and taken back."""

import io
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from accounts.models import LicencePhoto, Merchant, User
from accounts.services import photos
from accounts.services.stalls import update_stall
from matchmaker.core.images import MOST_BYTES
from tests.factories import MerchantFactory, photo

HERE = "/api/v1/merchants/me/licence-photo/"
pytestmark = pytest.mark.django_db


def send(client: Any, content: bytes, kind: str = "image/jpeg", **headers: Any) -> Any:
    return client.generic("PUT", HERE, content, content_type=kind, **headers)


@pytest.mark.parametrize(
    ("kind", "named"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("PNG", "image/jpeg")]
)
def test_a_photo_is_kept_drawn_anew_and_shown_to_its_owner(
    api: Any, merchant_user: User, merchant: Merchant, kind: str, named: str
) -> None:
    client, version = api(merchant_user), merchant.version
    answer = send(client, photo(800, 600, kind), named)
    assert answer.status_code == 200, answer.json()
    row = LicencePhoto.objects.get()
    told = answer.json()
    assert (told["id"], told["width"], told["height"]) == (str(row.public_id), 800, 600)
    assert set(told) == {"id", "width", "height", "updated_at"}
    shown = client.get(HERE)
    assert shown["Content-Type"] == "image/jpeg" and Image.open(io.BytesIO(shown.content)).size == (800, 600)
    assert shown["Content-Disposition"] == f'inline; filename="{row.public_id}.jpg"'
    assert shown["Cache-Control"] == "no-store" and shown["X-Content-Type-Options"] == "nosniff"
    merchant.refresh_from_db()
    assert merchant.version == version + 1 and merchant.history.latest().history_user == merchant_user


def test_another_photo_takes_its_place_and_the_same_again_changes_nothing(
    api: Any, merchant_user: User, merchant: Merchant
) -> None:
    client = api(merchant_user)
    first = send(client, photo(800, 600)).json()
    assert send(client, photo(800, 600)).json() == first
    merchant.refresh_from_db()
    version = merchant.version
    second = send(client, photo(600, 800)).json()
    merchant.refresh_from_db()
    assert second["id"] != first["id"] and merchant.version == version + 1
    assert LicencePhoto.objects.get().height == 800
    assert merchant.verification == "verified"  # staff decided by what they saw


def test_a_photo_is_taken_back_for_good(api: Any, merchant_user: User, merchant: Merchant) -> None:
    client = api(merchant_user)
    assert client.delete(HERE).status_code == 404
    merchant.refresh_from_db()
    assert merchant.version == 1
    send(client, photo())
    assert client.delete(HERE).status_code == 204
    assert not LicencePhoto.objects.exists() and client.get(HERE).status_code == 404


@pytest.mark.parametrize(
    "accept",
    ["*/*", "image/*", "image/avif,image/webp,*/*;q=0.8", "image/jpeg", "text/html", "application/json"],
)
def test_whatever_a_browser_accepts_it_gets_the_picture_or_words(
    api: Any, merchant_user: User, merchant: Merchant, accept: str
) -> None:
    client = api(merchant_user)
    missing = client.get(HERE, HTTP_ACCEPT=accept)
    assert missing.status_code == 404 and missing.json()["code"] == "not_found"
    assert missing["Content-Type"].startswith("application/problem+json")
    assert send(client, photo(), HTTP_ACCEPT=accept)["Content-Type"] == "application/json"
    assert client.get(HERE, HTTP_ACCEPT=accept)["Content-Type"] == "image/jpeg"


def test_what_is_no_photo_is_refused_in_words_and_the_one_before_stays(
    api: Any, merchant_user: User, merchant: Merchant
) -> None:
    client = api(merchant_user)
    kept = send(client, photo()).json()["id"]
    broken = photo()[:900]
    for content, code, words in (
        (b"<html>", "no_picture", "JPEG or PNG"),
        (b"", "no_picture", "JPEG or PNG"),
        (broken, "broken_picture", "send it again"),
        (photo(399, 300), "picture_too_small", "400"),
    ):
        answer = send(client, content)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert words in answer.json()["fields"]["body"][0]
    assert str(LicencePhoto.objects.get().public_id) == kept


def test_a_file_that_is_too_large_is_not_read(api: Any, merchant_user: User, merchant: Merchant) -> None:
    answer = send(api(merchant_user), photo() + b"\0" * MOST_BYTES)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "5120 KB" in answer.json()["fields"]["body"][0]


@pytest.mark.parametrize(
    "kind", ["image/svg+xml", "image/heic", "text/html", "application/json", "multipart/form-data", ""]
)
def test_other_kinds_are_told_what_is_taken(
    api: Any, merchant_user: User, merchant: Merchant, kind: str
) -> None:
    answer = send(api(merchant_user), photo(), kind)
    assert answer.status_code == 415
    assert answer.json()["fields"]["Content-Type"] == ["Send image/jpeg, image/png."]
    assert not LicencePhoto.objects.exists()


def test_nobody_keeps_a_core_busy_with_photos(
    api: Any, merchant_user: User, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api(merchant_user)
    for _time in range(photos.PHOTOS_AN_HOUR):
        assert send(client, b"no picture").status_code == 400
    monkeypatch.setattr(photos, "redraw", lambda *_a, **_k: pytest.fail("looked at"))
    answer = send(client, photo())
    assert answer.status_code == 429 and int(answer["Retry-After"]) > 0


def test_who_edits_meanwhile_is_not_overrun(
    api: Any, merchant_user: User, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(content: bytes, **options: Any) -> Any:
        Merchant.objects.filter(pk=merchant.pk).update(version=7)
        return redraw(content, **options)

    redraw = photos.redraw
    monkeypatch.setattr(photos, "redraw", slow)
    answer = send(api(merchant_user), photo())
    assert (answer.status_code, answer.json()["code"]) == (409, "changed_meanwhile")
    assert not LicencePhoto.objects.exists()


def test_who_acts_for_several_says_for_which(api: Any, merchant_user: User, merchant: Merchant) -> None:
    second = MerchantFactory.create(owner=merchant_user)
    client = api(merchant_user)
    assert send(client, photo()).json()["code"] == "party_ambiguous"
    assert send(client, photo(), HTTP_X_PARTY=str(second.public_id)).status_code == 200
    assert LicencePhoto.objects.get().merchant == second


def test_matching_does_not_hear_of_it(
    api: Any, merchant_user: User, merchant: Merchant, stall: Any, announced: Any
) -> None:
    update_stall(actor=merchant_user, stall=stall, data={"moq": 7})
    assert len(announced) == 1
    send(api(merchant_user), photo())
    assert len(announced) == 1


@pytest.mark.parametrize(("method", "most"), [("get", 5), ("put", 20)])
def test_few_queries_and_the_picture_in_one_of_them(
    api: Any, merchant_user: User, merchant: Merchant, method: str, most: int
) -> None:
    client = api(merchant_user)
    send(client, photo(500, 500))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = client.get(HERE) if method == "get" else send(client, photo())
    assert answer.status_code == 200 and len(queries) <= most, [q["sql"] for q in queries]
    reading = [q for q in queries if q["sql"].startswith("SELECT") and '"content"' in q["sql"]]
    assert len(reading) <= 1
