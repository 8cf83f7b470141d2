"""For which party somebody acts, and how passwords are stored."""

import uuid

import pytest
from django.contrib.auth import hashers
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from accounts.acting import acting_anchor, acting_merchant
from accounts.errors import NotSignedIn
from accounts.hashers import LeanArgon2PasswordHasher
from accounts.permissions import MayImportAnchors
from matchmaker.core.errors import InvalidInput, NotFound
from tests.factories import AnchorFactory, MerchantFactory, UserFactory

pytestmark = pytest.mark.django_db


def request_of(user, party: object = "") -> Request:
    request = Request(APIRequestFactory().get("/", headers={"X-Party": str(party)} if party else {}))
    if user is not None:
        request.user = user
    return request


@pytest.mark.parametrize(
    ("act", "factory"), [(acting_merchant, MerchantFactory), (acting_anchor, AnchorFactory)]
)
class TestActing:
    def test_the_only_party_needs_no_name(self, act, factory) -> None:
        user = UserFactory()
        party = factory(owner=user)
        factory(owner=UserFactory())
        assert act(request_of(user)) == party
        assert act(request_of(user, party.public_id)) == party

    def test_several_need_a_name(self, act, factory) -> None:
        user = UserFactory()
        parties = [factory(owner=user) for _number in range(3)]
        with pytest.raises(InvalidInput) as refusal:
            act(request_of(user))
        assert refusal.value.code == "party_ambiguous"
        assert [act(request_of(user, party.public_id)) for party in parties] == parties

    def test_a_strangers_party_is_not_there(self, act, factory) -> None:
        user = UserFactory()
        factory(owner=user)
        for named in (factory(owner=UserFactory()).public_id, uuid.uuid4()):
            with pytest.raises(NotFound) as refusal:
                act(request_of(user, named))
            assert refusal.value.code == "no_party"

    def test_without_a_party_there_is_none(self, act, factory) -> None:
        with pytest.raises(NotFound):
            act(request_of(UserFactory()))
        with pytest.raises(NotSignedIn):
            act(request_of(None))

    def test_an_archived_party_is_not_there(self, act, factory) -> None:
        user = UserFactory()
        party = factory(owner=user)
        type(party).objects.update(archived_at=timezone.now())
        with pytest.raises(NotFound):
            act(request_of(user))

    def test_a_name_that_is_no_id_is_refused(self, act, factory) -> None:
        with pytest.raises(InvalidInput) as refusal:
            act(request_of(UserFactory(), "1"))
        assert refusal.value.code == "invalid_party"

    def test_it_costs_one_query(self, act, factory, django_assert_num_queries) -> None:
        user = UserFactory()
        factory(owner=user)
        with django_assert_num_queries(1):
            act(request_of(user))


def test_an_owner_may_be_both(django_user_model) -> None:
    user = UserFactory()
    merchant, anchor = MerchantFactory(owner=user), AnchorFactory(owner=user)
    assert (acting_merchant(request_of(user)), acting_anchor(request_of(user))) == (merchant, anchor)
    with pytest.raises(NotFound):
        acting_merchant(request_of(user, anchor.public_id))


def test_only_staff_who_may_change_anchors_import_them(staff_user) -> None:
    allowed = MayImportAnchors().has_permission
    assert allowed(request_of(staff_user), None)
    assert not allowed(request_of(UserFactory(is_staff=True)), None)
    assert not allowed(request_of(UserFactory()), None)
    assert not allowed(request_of(None), None)


def test_passwords_are_argon2_of_19_mib(settings) -> None:
    settings.PASSWORD_HASHERS = ["accounts.hashers.LeanArgon2PasswordHasher"]
    stored = hashers.make_password("green-Tea")
    assert stored.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert hashers.check_password("green-Tea", stored)
    assert not LeanArgon2PasswordHasher().must_update(stored)
