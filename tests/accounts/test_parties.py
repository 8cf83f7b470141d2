"""Registering and editing parties: in bulk, in history, and when two are at it at once."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Anchor, Membership, Merchant, Stall
from accounts.selectors import forget_reference, own_stall, reference
from accounts.services.anchors import register_anchors, update_anchor
from accounts.services.parties import register_merchant, register_merchants
from accounts.services.rows import update_row, update_rows
from accounts.services.stalls import register_stall, register_stalls, update_stall
from matchmaker.core.errors import Conflict, InvalidInput, NotFound
from tests.api.bodies import anchor_body, merchant_body, stall_body
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory, credit_code, id_number

pytestmark = pytest.mark.django_db


def test_many_merchants_with_their_owners():
    owners = UserFactory.create_batch(3)
    pairs = [(owner, merchant_body(credit_code=credit_code(800 + n))) for n, owner in enumerate(owners)]
    made = register_merchants(actor=None, merchants=pairs)

    assert [merchant.memberships.get().user for merchant in made] == owners
    assert Merchant.history.count() == 3


def test_many_stalls_are_announced_once_a_transaction(staff_user, merchant, facts):
    pairs = [(merchant, stall_body(number=f"N{number}")) for number in range(5)]
    made = register_stalls(actor=staff_user, stalls=pairs, chunk=2)

    ids = [stall.pk for stall in made]
    assert facts == [("stall", ids[:2]), ("stall", ids[2:4]), ("stall", ids[4:])]
    assert set(Stall.history.values_list("history_user", flat=True)) == {staff_user.pk}
    first = Stall.objects.get(pk=ids[0])
    line = first.history.get()
    for field in first.history.model.tracked_fields:
        assert getattr(line, field.attname) == getattr(first, field.attname), field.name


def test_many_anchors_with_and_without_an_account(anchor_user):
    rows = [anchor_body(display_name="claimed"), anchor_body(display_name="unclaimed")]
    claimed, unclaimed = register_anchors(
        actor=None, anchors=rows, owners=[anchor_user, None], legal_basis="signed form"
    )

    assert (claimed.memberships.count(), unclaimed.memberships.count()) == (1, 0)
    assert unclaimed.legal_basis == "signed form"


def test_one_bad_one_of_many_is_named_and_its_chunk_not_stored(merchant):
    pairs = [(merchant, stall_body(number="N1")), (merchant, stall_body(number="N2", moq=0))]
    with pytest.raises(InvalidInput) as refusal:
        register_stalls(actor=None, stalls=pairs)

    assert list(refusal.value.fields) == ["1.moq"]
    assert not Stall.objects.exists()


def test_nothing_is_left_of_a_registration_that_fails_late(merchant_user, monkeypatch):
    def fail(**_):
        raise IntegrityError("membership")

    monkeypatch.setattr(Membership.objects, "create", fail)
    with pytest.raises(IntegrityError):
        register_merchant(actor=merchant_user, data=merchant_body())

    assert not Merchant.objects.exists()
    assert not Merchant.history.exists()


def test_a_fact_is_announced_inside_the_transaction(merchant, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "accounts.services.stalls.profile_changed.send",
        lambda **_: seen.append(len(connection.savepoint_ids)),
    )
    depth = len(connection.savepoint_ids)
    register_stall(actor=None, merchant=merchant, data=stall_body())

    assert seen[0] > depth


def test_the_slower_of_two_editors_is_told(stall, merchant_user):
    mine, theirs = Stall.objects.get(pk=stall.pk), Stall.objects.get(pk=stall.pk)
    update_stall(actor=merchant_user, stall=mine, data={"moq": 7})
    with pytest.raises(Conflict, match="changed_meanwhile"):
        update_stall(actor=merchant_user, stall=theirs, data={"moq": 8}, expected=1)

    stall.refresh_from_db()
    assert (stall.moq, stall.version, stall.history.count()) == (7, 2, 2)


def test_one_stale_row_of_many_stops_all(merchant):
    rows = StallFactory.create_batch(3, merchant=merchant)
    update_row(Stall.objects.get(pk=rows[1].pk), {"moq": 50}, actor=None)
    with pytest.raises(Conflict, match="changed_meanwhile"):
        update_rows(Stall, [(row, {"moq": 60}) for row in rows], actor=None)

    assert sorted(Stall.objects.values_list("moq", "version")) == [(5, 1), (5, 1), (50, 2)]


def test_many_rows_change_with_history_and_version(merchant, merchant_user):
    rows = StallFactory.create_batch(3, merchant=merchant)
    update_rows(Stall, [(row, {"moq": 60 + n}) for n, row in enumerate(rows)], actor=merchant_user)

    assert sorted(Stall.objects.values_list("moq", "version")) == [(60, 2), (61, 2), (62, 2)]
    assert {row.history.first().history_user for row in rows} == {merchant_user}


def test_an_id_number_is_the_same_person_after_an_edit_of_another_kind(anchor_user):
    anchor = AnchorFactory(owner=anchor_user)
    update_anchor(actor=anchor_user, anchor=anchor, data={"id_number": id_number(3)})
    digest = anchor.id_digest
    update_anchor(actor=anchor_user, anchor=anchor, data={"bio": "new"})

    assert anchor.id_digest == digest
    assert (anchor.verification, anchor.id_last4) == ("pending", id_number(3)[-4:])


def test_a_strangers_stall_is_not_there(other_merchant_user, stall):
    with pytest.raises(NotFound):
        own_stall(other_merchant_user, stall.public_id)


def test_reference_data_is_read_once(django_assert_num_queries):
    forget_reference()
    with django_assert_num_queries(5):
        reference()
        reference()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_ten_at_one_barrier_one_gets_the_place():
    merchants = MerchantFactory.create_batch(10)
    reference()
    barrier, won, lost = threading.Barrier(10), [], []

    def register(merchant: Merchant) -> None:
        barrier.wait()
        try:
            won.append(register_stall(actor=None, merchant=merchant, data=stall_body()).pk)
        except Conflict as conflict:
            lost.append(conflict.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=register, args=(merchant,)) for merchant in merchants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(won), lost) == (1, ["place_taken"] * 9)
    assert Stall.objects.count() == Stall.history.count() == 1


def test_the_database_itself_keeps_persons_apart():
    AnchorFactory(id_digest="a" * 64)
    AnchorFactory(), AnchorFactory()  # none given is no clash
    with pytest.raises(IntegrityError), transaction.atomic():
        AnchorFactory(id_digest="a" * 64)
    assert Anchor.objects.count() == 3
