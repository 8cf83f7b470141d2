"""`manage.py seed`: fill an empty database with a demo town."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from accounts.models import Anchor, Merchant, Stall, User
from seeds.demo import load_demo, seeding_staff
from seeds.generate import make_town
from seeds.load import load_town


class Command(BaseCommand):
    """Generates a town from a seed and loads it through the services."""

    help = "Loads an invented town of merchants, stalls, anchors and their history into an empty database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--stalls", type=int, default=300, help="How many stalls (default 300).")
        parser.add_argument("--anchors", type=int, default=3000, help="How many anchors (default 3000).")
        parser.add_argument("--seed", type=int, default=5, help="The same seed gives the same town.")
        parser.add_argument("--add", action="store_true", help="Also into a database that holds a town.")
        parser.add_argument("--progress", choices=("bar", "none"), default="bar")

    def handle(self, *_args: Any, **options: Any) -> None:
        if min(options["stalls"], options["anchors"], options["seed"]) < 0:
            raise CommandError("--stalls, --anchors and --seed are not below 0.")
        is_empty = not (User.objects.exists() or Merchant.objects.exists() or Anchor.objects.exists())
        if not is_empty and not options["add"]:
            raise CommandError("The database is not empty. --add loads a further town beside what is there.")
        self._load(is_demo=settings.EMBEDDED and is_empty, **options)

    def _load(self, *, is_demo: bool, **options: Any) -> None:
        with tqdm(desc="generate", unit="rows", disable=options["progress"] == "none") as bar:
            town = make_town(
                stalls=options["stalls"],
                anchors=options["anchors"],
                seed=options["seed"],
                now=timezone.now(),
                offset=max(_last_id(model) for model in (Merchant, Stall, Anchor, User)),
            )
            bar.total = town.row_count

            def advance(what: str, count: int) -> None:
                bar.set_description(what, refresh=False)
                bar.update(count)

            with seeding_staff() as actor:
                if is_demo:
                    load_demo(actor=actor)
                load_town(actor=actor, town=town, progress=advance)


def _last_id(model: Any) -> int:
    last = model.objects.order_by("-pk").values_list("pk", flat=True).first()
    return last or 0
