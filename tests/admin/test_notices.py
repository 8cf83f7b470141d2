"""Who was told what and when, for staff who may see it."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from matching.models import Match
from notifications.models import Notice
from tests.admin.conftest import member
from tests.factories import UserFactory
from tests.matching.life import deliver

URL = "/admin/notifications/notice/"
pytestmark = pytest.mark.django_db


def test_staff_read_who_was_told_what(staff: Client, match: Match) -> None:
    deliver()
    reader = member(match.anchor)
    page = staff.get(URL, {"q": reader.name}).content.decode()
    assert f"{match.stall.name} proposes a match" in page and reader.name in page
    notice = Notice.objects.get(user=reader)
    shown = staff.get(f"{URL}{notice.pk}/change/").content.decode()
    assert str(match.public_id) in shown and "propose" in shown
    assert 'name="_save"' not in shown


def test_a_notice_that_cannot_be_told_does_not_hide_the_list(staff: Client, match: Match) -> None:
    Notice.objects.create(user=member(match.anchor), key="old", topic="retired", facts={})
    answer = staff.get(URL)
    assert answer.status_code == 200 and "This news cannot be shown here." in answer.content.decode()


def test_only_with_the_permission(client_of: Callable[..., Client], match: Match) -> None:
    user = UserFactory.create(is_staff=True)
    assert client_of(user).get(URL).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_notice"))
    client = client_of(User.objects.get(pk=user.pk))
    assert client.get(URL).status_code == 200
    assert client.get(f"{URL}add/").status_code == 403
