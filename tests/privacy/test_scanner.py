"""The scanner finds what it is there for, and lets through what may be."""

import logging

import pytest
from django.core.cache import cache
from django.http import StreamingHttpResponse
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Anchor, User
from matchmaker.celery import app
from tests import scanner
from tests.factories import AnchorFactory, StallFactory, credit_code, id_number
from tests.matching.market import agreed, member_of

pytestmark = pytest.mark.django_db
TOLD = "+8613712345678"


class Leaky(APIView):
    """Tells everybody the phone of the first anchor."""

    def get(self, request):
        return Response({"phone": Anchor.objects.get().contact_phone})


class Streams(APIView):
    """Tells it bit by bit."""

    def get(self, request):
        phone = Anchor.objects.get().contact_phone
        return StreamingHttpResponse(
            iter(['{"phone": "', phone[:6], phone[6:], '"}']), content_type="text/csv"
        )


urlpatterns = [path("api/v1/leaky/", Leaky.as_view()), path("pages/leaky/", Streams.as_view())]


@pytest.fixture
def found():
    """What was found until now, taken away so that this test does not fail of it."""

    def take():
        told, scanner.leaks[:] = list(scanner.leaks), []
        return told

    return take


@pytest.mark.parametrize("value", [TOLD, "13712345678", id_number(3), credit_code(3), "me@shop.cn", "李晓"])
def test_messages_logs_and_cache_keys(value, found, monkeypatch):
    monkeypatch.setattr(app, "connection_for_write", None)
    with pytest.raises(TypeError):
        app.send_task("jobs.tasks.run_job", args=[value])
    assert len(found()) == 1
    cache.get(f"card:{value}")
    assert len(found()) == 1
    if value in ("me@shop.cn", "李晓"):
        logging.getLogger("matchmaker").warning("for %s", value)
        assert len(found()) == 1


def test_a_number_is_masked_before_it_is_written(found):
    for value in (TOLD, id_number(3), credit_code(3)):
        logging.getLogger("matchmaker").warning("for %s", value)
    assert found() == []


def test_an_address(client, found):
    client.get("/admin/login/", {"q": TOLD})
    client.get(f"/api/v1/merchants/{credit_code(3)}/")
    assert len(found()) == 2


@pytest.mark.urls("tests.privacy.test_scanner")
def test_an_answer_is_for_oneself_a_counterpart_and_staff(api, found, staff_user):
    anchor, stall = AnchorFactory.create(contact_phone=TOLD), StallFactory.create()
    own, other, stranger = (User.objects.create(phone=f"+861390000000{n}") for n in range(3))
    anchor.memberships.create(user=own)
    stall.merchant.memberships.create(user=other)
    api(stranger).get("/api/v1/leaky/")
    assert len(found()) == 1
    api(other).get("/api/v1/leaky/")
    assert len(found()) == 1
    streamed = api(stranger).get("/pages/leaky/")
    assert len(found()) == 1 and TOLD in streamed.getvalue().decode(), "looked at, and still there to be read"
    for path_of in ("/api/v1/leaky/", "/pages/leaky/"):
        api(own).get(path_of), api(staff_user).get(path_of)
    assert found() == []
    agreed(stall, anchor)
    api(member_of(stall)).get("/api/v1/leaky/")
    assert found() == []
