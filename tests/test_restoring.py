"""Rows put back a table at a time are those that Django's own way would put back."""

import pytest
from django.db import connection
from django.test import TransactionTestCase

from tests.restoring import read_rows


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_is_put_back_is_what_was_there():
    data = connection._test_serialized_contents
    assert len(read_rows(data)) > 100
    flushing = TransactionTestCase("run")
    flushing.serialized_rollback = True  # else content types are made anew, with other ids
    flushing._fixture_teardown()
    assert connection.creation.serialize_db_to_string() != data
    connection.creation.deserialize_db_from_string(data)
    assert connection.creation.serialize_db_to_string() == data
