"""What logs and errors of jobs do not say."""

import pytest
from django.db import IntegrityError, connection

from accounts.models import User
from accounts.privacy.masking import private_columns
from jobs.models import Job
from jobs.registry import _handlers, handles
from jobs.services import enqueue
from jobs.tasks import run_job
from matchmaker.core.masking import mask
from tests.factories import MerchantFactory, UserFactory


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("code for +8613912345678 sent", "code for ****5678 sent"),
        ("13912345678", "****5678"),
        ("8613912345678", "****5678"),
        ("id 11010519491231002X", "id ****002X"),
        ("credit code 91350100M000100Y43", "credit code ****0Y43"),
        ("请致电13912345678。", "请致电****5678。"),
        ("digest 5F91350100M000100Y43", "digest 5F91350100M000100Y43"),
        ("bad rows:\n13812345678", "bad rows:\n****5678"),
        (r"bad rows:\n13812345678\t11010519491231002x", r"bad rows:\n****5678\t****002x"),
        ("008613812345678 or 138 1234 5678", "****5678 or ****5678"),
        ("job 1234567 took 1234 ms", "job 1234567 took 1234 ms"),
    ],
)
def test_no_phone_or_identity_number_reaches_a_log(text, shown):
    assert mask(text) == shown


def test_the_private_columns_are_those_of_the_table():
    columns = private_columns()
    assert {"phone", "real_name", "contact_name", "contact_phone", "id_digest", "password", "bio"} <= columns
    assert not columns & {"categories", "verification", "public_id", "weekly_capacity"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("changes {'real_name': '李小雅', 'moq': 5}", "changes {'real_name': '****', 'moq': 5}"),
        ('{"contact_name": "Chen, \\"Xiao\\"", "floor": 2}', '{"contact_name": "****", "floor": 2}'),
        ("Anchor(real_name=李小雅, floor=2)", "Anchor(real_name=****, floor=2)"),
        ("Anchor(real_name='Li Ya', floor=2)", "Anchor(real_name='****', floor=2)"),
        ("{'real_name': None, 'is_open': True}", "{'real_name': None, 'is_open': True}"),
        ("surname=Li unreal_name=x real_names", "surname=Li unreal_name=x real_names"),
        ("Key (phone)=(13800138000) already exists.", "Key (phone)=(****) already exists."),
        ("Key (stall_id, hour_at)=(5, 7) already exists.", "Key (stall_id, hour_at)=(5, 7) already exists."),
        ("DETAIL:  Failing row contains (7, 李小雅, (x), null).", "DETAIL:  Failing row contains (****)."),
        (
            "Failing row contains (a (b). Li, 1990).\n\nThe (x).",
            "Failing row contains (****).\n\nThe (x).",
        ),
        ("rows:\n\tbio=Li", "rows:\n\tbio=****"),
        (r"rows:\tbio=Li", r"rows:\tbio=****"),
        (r"DETAIL:  Failing row contains (7, 李).\nx", r"DETAIL:  Failing row contains (****).\nx"),
    ],
)
def test_values_of_private_columns_are_starred_out(text, shown):
    assert mask(text) == shown


def fail_on(name):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_merchant SET credit_code = %s, contact_name = %s", ["x" * 18, name])


@pytest.mark.serial
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_the_database_says_of_a_row_is_kept_without_its_values():
    MerchantFactory.create_batch(2)
    # Put together here: the lines of code that an error shows are no secret.
    kind, name = "tests.fails", "".join(("欧阳", "小娜"))
    try:
        handles(kind)(lambda run: fail_on(name))
        job = enqueue(kind=kind, key="x", args={})
        run_job(job.pk)
    finally:
        _handlers.pop(kind)
    error = Job.objects.get(pk=job.pk).error
    assert "IntegrityError" in error and "x" * 18 not in error and name not in error

    user = UserFactory.create()
    with pytest.raises(IntegrityError) as refusal:
        User.objects.create(phone=user.phone, name="double")
    assert str(user.phone) not in mask(str(refusal.value))
