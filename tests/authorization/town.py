"""One row of everything that the admin shows, and somebody for every way to stand before it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from accounts.models import DeviceToken, Holiday, ImportedFile, Merchant, User
from accounts.services.photos import keep_licence_photo
from jobs.services import enqueue
from matching.models import DailyRoot
from matching.services.decisions import JOB_KIND
from matching.services.fairness import FAIRNESS_KIND
from matching.services.invariants import CHECK_KIND
from matching.services.matchdays.solving import SOLVE_KIND
from matching.services.models import TRAIN_KIND
from tests.admin.conftest import fit_engine
from tests.admin.test_invariants import make_check
from tests.admin.test_matchday import make_day
from tests.admin.test_models import make_model
from tests.admin.test_pages import furnish
from tests.factories import UserFactory, photo
from tests.matching.market import make_staff

Held = User.user_permissions.through


def furnish_everything() -> dict[str, Any]:
    """Make a row of every model that the admin knows; return what its own addresses are about."""
    furnish(0)
    fit_engine()
    user = UserFactory.create()
    model, day = make_model(), make_day(make_staff())
    soon = timezone.now() + timedelta(days=1)
    keep_licence_photo(actor=user, merchant=Merchant.objects.earliest("pk"), content=photo())
    DeviceToken.objects.create(
        user=user, digest="d" * 64, session_key="t", expires_at=soon, last_used_at=soon
    )
    Holiday.objects.create(on=soon.date(), name_zh="节", name_en="Feast")
    ImportedFile.objects.create(kind="stalls", scope="town", digest="d" * 64, imported_by=user)
    DailyRoot.objects.create(on=timezone.now().date() - timedelta(days=1), root="a" * 64)
    Group.objects.get_or_create(name="a group")
    make_check()
    jobs = {
        "matching/match/decisions/": enqueue(kind=JOB_KIND, key=JOB_KIND, args={"match_ids": [1]}),
        "matching/enginemodel/train/": enqueue(kind=TRAIN_KIND, key=TRAIN_KIND, args={}),
        "matching/invariantcheck/check/": enqueue(kind=CHECK_KIND, key=CHECK_KIND, args={}),
        "matching/recommendationlist/fairness/": enqueue(kind=FAIRNESS_KIND, key=FAIRNESS_KIND, args={}),
        f"matching/matchday/{day.pk}/jobs/": enqueue(
            kind=SOLVE_KIND, key=SOLVE_KIND, args={"day_id": day.pk}
        ),
    }
    assert model.pk
    return {prefix: job.public_id for prefix, job in jobs.items()}


def row_of(model: type[Model]) -> Model:
    """The row that the pages of a model are asked for."""
    row = model._default_manager.order_by("pk").first()
    assert row is not None, f"furnish_everything() makes no {model._meta.label}"
    return row


def models_of_the_admin() -> dict[str, type[Model]]:
    """Every registered model by the beginning of its addresses."""
    return {f"{m._meta.app_label}/{m._meta.model_name}": m for m in admin.site._registry}


class People:
    """Who asks: made when first asked for, signed in once."""

    def __init__(self, merchant: User, anchor: User) -> None:
        self._made: dict[Any, Client] = {None: Client()}
        self.merchant, self.anchor = self._signed_in(merchant), self._signed_in(anchor)
        self.nobody = self._made[None]
        self.superuser = self._signed_in(UserFactory.create(is_staff=True, is_superuser=True))
        found = Permission.objects.values_list("content_type__app_label", "codename", "pk")
        self._ids = {f"{app}.{code}": pk for app, code, pk in found}

    def staff_with(self, permissions: Iterable[str]) -> Client:
        """A member of staff who holds exactly these."""
        wanted = frozenset(permissions)
        if wanted not in self._made:
            user = UserFactory.create(is_staff=True)
            rows = [Held(user_id=user.pk, permission_id=self._ids[name]) for name in wanted]
            Held.objects.bulk_create(rows)
            self._made[wanted] = self._signed_in(user)
        return self._made[wanted]

    def staff_without(self, permissions: Iterable[str]) -> Client:
        """A member of staff who holds every permission but these."""
        return self.staff_with(set(self._ids) - set(permissions))

    @staticmethod
    def _signed_in(user: User) -> Client:
        client = Client(headers={"accept-language": "en"})
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client
