"""`python -m tests.authorization`: how many cells (route × method × role) are declared and run."""

import os

import django

import tests.isolation  # noqa: F401 (a database of its own, though nothing is asked of it)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matchmaker.settings")
django.setup()


def main() -> None:
    """Print the counts."""
    from tests.api.test_routes import CASES, OTHER_CASES, ROLES
    from tests.authorization import test_pages
    from tests.authorization.table import ACTIONS, ANY_STAFF, MODELS, PAGES, SUPERUSER

    # Three outsiders, staff with nothing, staff with all the rest, a superuser; and each opener alone.
    openers = [page.get or () for page in PAGES.values()] + [page.post or () for page in PAGES.values()]
    pages = sum(6 + len(set(some) - SUPERUSER - ANY_STAFF) for some in openers)
    named = [{"delete_selected": ()} | ACTIONS[model] for model in MODELS]
    actions = sum(6 + len(some) for ways in named for some in ways.values())
    others = sum(len(methods) for methods in test_pages.TABLE.values()) * len(test_pages.ROLES)
    counts = {
        "API": len(CASES) * len(ROLES), "API, methods that are not declared": len(OTHER_CASES) * len(ROLES),
        "admin pages": pages, "admin actions": actions, "other pages": others,
    }  # fmt: skip
    for name, count in counts.items():
        print(f"{count:6} {name}")
    print(f"{sum(counts.values()):6} cells")


if __name__ == "__main__":
    main()
