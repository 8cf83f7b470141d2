"""Events and terms are only ever added: the database itself refuses anything else."""

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models.deletion import ProtectedError
from django.utils import timezone

from accounts.models import Category, User
from matching.checks import check_append_only
from matching.models import (
    Booking,
    EngineModel,
    EngineModelEvent,
    Match,
    MatchDayEvent,
    MatchEvent,
    Note,
    Outcome,
    OutcomeEvent,
    Terms,
)
from matching.selectors.chains import ALL_CHECKS, violations
from matching.selectors.triggers import missing_triggers
from matching.services.matchdays.moving import Settings, begin_match_day, next_week
from matching.services.matches import accept_match, approve_match, propose_match
from matching.services.notes import erase_note
from matching.services.roots import close_day
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, make_user, member_of, terms
from tests.matching.tampering import PlainEditor, allow_changes, forbid_changes, raw, unlocked

MODELS = (MatchEvent, Terms, OutcomeEvent, EngineModelEvent, MatchDayEvent)
TABLES = {model._meta.db_table: model for model in MODELS}
FIELDS = dict.fromkeys(TABLES, "action") | {"matching_terms": "digest"}


def one_of_each():
    """An event of every kind; inserting them works."""
    agreed(make_stall(), make_anchor())
    figures = {"gmv_cents": 0, "orders": 0, "buyers": 0, "views": 0, "viewers": 0, "duration_seconds": 60}
    outcome = Outcome.objects.create(booking=Booking.objects.get(), **figures)
    shared = {"seq": 1, "actor_role": "staff", "at": timezone.now()}
    model = EngineModel.objects.create(weights=b"", digest="0" * 64)
    EngineModelEvent.objects.create(model=model, action="train", to_status="challenger", **shared)
    begin_match_day(actor=make_staff(), settings=Settings(next_week()))
    return OutcomeEvent.objects.create(outcome=outcome, action="record", to_status="recorded", **shared)


@pytest.mark.django_db
@pytest.mark.parametrize("table", TABLES)
def test_the_database_refuses_what_is_no_insert(table):
    one_of_each()
    model, field = TABLES[table], FIELDS[table]
    before = list(model.objects.order_by("pk").values())
    assert before
    row = model.objects.first()
    setattr(row, field, "forged")
    tries = {
        "save": row.save,
        "update": lambda: model.objects.update(**{field: "forged"}),
        "same value": lambda: model.objects.update(**{field: models.F(field)}),
        "delete of the ORM": lambda: model.objects.all()._raw_delete(using="default"),
        "delete of one": row.delete,
        "UPDATE": lambda: raw(f"UPDATE {table} SET {field} = 'forged'"),  # noqa: S608
        "UPDATE of the key": lambda: raw(f"UPDATE {table} SET id = id + 1000"),  # noqa: S608
        "DELETE": lambda: raw(f"DELETE FROM {table}"),  # noqa: S608
    }
    for name, attempt in tries.items():
        with pytest.raises((IntegrityError, ProtectedError)), transaction.atomic():
            attempt()
        assert list(model.objects.order_by("pk").values()) == before, name


@pytest.mark.django_db
def test_a_note_that_an_event_points_to_is_not_deleted_and_a_user_is():
    match = propose_match(
        actor=(author := make_user()),
        side="stall",
        stall=make_stall(author),
        anchor=make_anchor(),
        terms=terms(),
        note="For the autumn",
    )
    note = Note.objects.get()
    with pytest.raises(ProtectedError):
        note.delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        raw("DELETE FROM matching_note")
        connection.check_constraints()
    author.memberships.all().delete()
    author.delete()
    note.refresh_from_db()
    assert note.author is None and MatchEvent.objects.get().note == note
    assert not list(violations(Match.objects.filter(pk=match.pk), *ALL_CHECKS))


@pytest.mark.django_db
def test_no_trigger_is_missing_and_each_missing_one_is_named():
    assert missing_triggers() == [] == check_append_only(databases=["default"])
    with unlocked():
        names = missing_triggers()
        assert {name.split(".")[0] for name in names} == set(TABLES)
        warnings = check_append_only(databases=["default"])
        assert [message.id for message in warnings] == ["matching.W001"] * len(names)
        assert all(name in str(warnings) for name in names)
    assert missing_triggers() == []


@pytest.mark.django_db
def test_a_trigger_that_is_switched_off_counts_as_missing():
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL switches triggers off")
    raw("ALTER TABLE matching_terms DISABLE TRIGGER matching_terms_append_only")
    assert missing_triggers() == ["matching_terms.matching_terms_append_only"]
    raw("ALTER TABLE matching_terms ENABLE TRIGGER matching_terms_append_only")
    assert missing_triggers() == []


def test_the_check_asks_no_database_that_it_was_not_told_of():
    assert check_append_only() == [] == check_append_only(databases=[])


# --- the schema moves on ---------------------------------------------------------------------------

committed = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.serial]


def with_marks(test):
    for mark in committed:
        test = mark(test)
    return test


@with_marks
def test_a_table_that_is_made_anew_loses_its_triggers_and_the_check_says_so():
    """What a careless migration would do; on PostgreSQL tables are altered in place and keep them."""
    old = MatchEvent._meta.get_field("reason_code")
    new = models.CharField(max_length=49, blank=True)
    new.set_attributes_from_name("reason_code")
    new.model = MatchEvent
    with connection.schema_editor() as editor:
        editor.alter_field(MatchEvent, old, new, strict=True)
    lost = missing_triggers()
    with connection.schema_editor() as editor:
        editor.alter_field(MatchEvent, new, old, strict=True)
        allow_changes(editor)
        forbid_changes(editor)
    assert missing_triggers() == []
    if connection.vendor == "sqlite":
        assert lost == [f"matching_matchevent.matching_matchevent_no_{verb}" for verb in ("UPDATE", "DELETE")]
    else:
        assert lost == []


@with_marks
def test_migrations_go_back_and_forth():
    agreed(make_stall(), make_anchor())
    try:
        call_command("migrate", "matching", "0004", verbosity=0)
        assert len(missing_triggers()) == (10 if connection.vendor == "sqlite" else 5)
        assert check_append_only(databases=["default"]) == [], "not there yet is not lost"
        assert MatchEvent.objects.update(reason_code="") == 2
    finally:
        call_command("migrate", verbosity=0)
    assert missing_triggers() == []
    with pytest.raises(IntegrityError):
        MatchEvent.objects.update(reason_code="")


@with_marks
def test_tests_may_flush():
    agreed(make_stall(), make_anchor())
    call_command("flush", interactive=False, verbosity=0)
    assert not MatchEvent.objects.exists() and not Terms.objects.exists() and not Category.objects.exists()
    assert missing_triggers() == []


# --- an owner who is no superuser ------------------------------------------------------------------


@pytest.fixture
def plain_owner(db):
    """This test's connection as a role that owns all tables and is no superuser; ends with the test."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no roles")
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if not cursor.fetchone()[0]:
            pytest.skip("the server's user may not make roles")
        cursor.execute("CREATE ROLE town_owner NOLOGIN")
        cursor.execute("CREATE ROLE town_reader NOLOGIN")
        cursor.execute("GRANT USAGE, CREATE ON SCHEMA public TO town_owner")
        cursor.execute("ALTER FUNCTION matching_append_only() OWNER TO town_owner")
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'ALTER TABLE "{table}" OWNER TO town_owner')
        cursor.execute("SET LOCAL ROLE town_owner")
        # As a migration run by that role does it, once back and once forth.
        allow_changes(PlainEditor())
        cursor.execute("GRANT ALL ON matching_matchevent, matching_terms TO town_reader")
        forbid_changes(PlainEditor())
        yield
        cursor.execute("RESET ROLE")


def refused(sql):
    """Whether PostgreSQL says that the right to it is missing."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        raw(sql)
    return "permission denied" in str(caught.value)


@pytest.mark.parametrize("table", TABLES)
def test_the_owner_has_lost_the_right_to_change(plain_owner, table):
    assert refused(f"UPDATE {table} SET {FIELDS[table]} = 'forged'")  # noqa: S608
    assert refused(f"DELETE FROM {table}")  # noqa: S608
    assert refused(f"TRUNCATE {table}")
    one_of_each()
    # The one column that the checks of foreign keys need is the trigger's to guard.
    with pytest.raises(IntegrityError), transaction.atomic():
        raw(f"UPDATE {table} SET id = id + 1000")  # noqa: S608


def test_nobody_else_may_change_either(plain_owner):
    raw("SET LOCAL ROLE town_reader")
    assert raw("SELECT 1 FROM matching_terms") == 0
    for table in ("matching_matchevent", "matching_terms"):
        assert refused(f"UPDATE {table} SET id = 1")  # noqa: S608
        assert refused(f"DELETE FROM {table}") and refused(f"TRUNCATE {table}")  # noqa: S608
    raw("SET LOCAL ROLE town_owner")


def test_ordinary_life_goes_on_for_an_owner_who_is_no_superuser(plain_owner):
    assert missing_triggers() == []
    author = make_user()
    stall, anchor = make_stall(author), make_anchor()
    match = propose_match(
        actor=author, side="stall", stall=stall, anchor=anchor, terms=terms(), note="For the autumn"
    )
    match = accept_match(actor=member_of(anchor), match=match)
    match = approve_match(actor=make_staff(), match=match)
    connection.check_constraints()  # foreign keys in the owner's name, as at the end of a transaction
    erase_note(actor=author, note=Note.objects.get())
    author.memberships.all().delete()
    author.delete()
    Note.objects.create(text="Of a decision to come").delete()
    assert len(close_day()) == 1
    connection.check_constraints()
    assert MatchEvent.objects.filter(match=match).count() == 3 and not User.objects.filter(pk=author.pk)
    assert not list(violations(Match.objects.all(), *ALL_CHECKS))
