"""What somebody wrote beside an event can be taken back; the event and its chain stay as they were."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission

from accounts.choices import TOWN_STAFF
from jobs.models import IdempotencyKey, Job
from jobs.tasks import run_job
from matching.models import Match, MatchEvent, Note
from matching.selectors.chains import ALL_CHECKS, violations
from matching.services.matches import propose_match
from matching.services.notes import FORGET_ANSWERS_KIND, erase_note
from matchmaker.core.errors import NotAllowed
from tests.matching.market import make_anchor, make_staff, make_stall, make_user, member_of, terms

pytestmark = pytest.mark.django_db
SECRET = "Call me at home: 13800138000"


@pytest.fixture
def author():
    return make_user()


@pytest.fixture
def note(author):
    stall, anchor = make_stall(author), make_anchor()
    propose_match(actor=author, side="stall", stall=stall, anchor=anchor, terms=terms(), note=SECRET)
    return Note.objects.get()


def eraser():
    staff = make_staff()
    staff.user_permissions.add(Permission.objects.get(codename="delete_note"))
    return staff


def test_an_erased_text_is_nowhere_and_the_chain_still_holds(author, note):
    before = MatchEvent.objects.values().get()
    assert before["note_id"] == note.pk
    erased = erase_note(actor=author, note=note)
    assert erased.text == "" and erased.erased_at is not None
    for model in (Note, MatchEvent, Match):
        assert not any(SECRET in str(value) for row in model.objects.values_list() for value in row)
    assert MatchEvent.objects.values().get() == before
    assert list(violations(Match.objects.all(), *ALL_CHECKS)) == []


def test_erasing_twice_keeps_the_first_time(author, note):
    first = erase_note(actor=author, note=note).erased_at
    stale = Note(pk=note.pk, author=author, text=SECRET)
    assert erase_note(actor=author, note=stale).erased_at == first


def test_staff_who_may_erase_for_others(note):
    assert erase_note(actor=eraser(), note=note).text == ""


def test_the_towns_employees_may(note):
    employee = make_user(is_staff=True)
    employee.groups.add(Group.objects.get(name=TOWN_STAFF))
    assert erase_note(actor=employee, note=note).text == ""


def test_nobody_else_erases(author, note):
    other_side = member_of(Match.objects.get().anchor)
    gone = eraser()
    gone.is_active = False
    demoted = make_user()  # the permission alone does not make staff
    demoted.user_permissions.add(Permission.objects.get(codename="delete_note"))
    for actor in (other_side, make_user(), make_staff(), gone, demoted):
        with pytest.raises(NotAllowed):
            erase_note(actor=actor, note=note)
    author.is_active = False
    with pytest.raises(NotAllowed):
        erase_note(actor=author, note=note)
    assert Note.objects.get().text == SECRET


def test_a_note_without_author_is_for_staff_alone(author, note):
    Note.objects.update(author=None)
    note.refresh_from_db()
    with pytest.raises(NotAllowed):
        erase_note(actor=author, note=note)
    assert erase_note(actor=eraser(), note=note).erased_at


def test_answers_kept_for_a_repeat_go_with_the_note(author, note):
    match = Match.objects.get()
    for key, about in (("of it", match.public_id), ("of another", uuid4())):
        body = {"id": str(about), "events": [{"note": SECRET}]}
        IdempotencyKey.objects.create(user=author, key=key, digest="0" * 64, status=200, body=body)
    erase_note(actor=author, note=note)
    erase_note(actor=author, note=note)
    [job] = Job.objects.filter(kind=FORGET_ANSWERS_KIND)
    run_job(job.pk)
    bodies = dict(IdempotencyKey.objects.values_list("key", "body"))
    assert bodies["of it"] is None and bodies["of another"]["events"] == [{"note": SECRET}]
