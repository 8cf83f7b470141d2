"""Who may import whom, where facts become jobs, and how large a file may grow: the house rules, held."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Lower rooms first; a room may import itself and every room before it.
ROOMS = ("matchmaker.core", "jobs", "accounts", "notifications", "matching", "live", "support")
TOP = ("web", "seeds", "matchmaker")
APPS = ("jobs", "accounts", "notifications", "matching")
# Inside an app, lowest layer first; one module may import its own layer and those before it.
LAYERS = (
    {"errors", "choices", "signals"},
    {"states"},
    {
        "codes",
        "phones",
        "digests",
        "policy",
        "engine",
        "moves",
        "packing",
        "registry",
        "alone",
        "breaker",
        "holders",
        "hours",
        "outcomes",
        "outcome_moves",
        "limits",
        "one_time",
    },
    {"reference", "models"},
    {"snapshot"},
    {
        "validation",
        "privacy",
        "selectors",
        "cards",
        "filters",
        "reasons",
        "terms",
        "terms_in_words",
        "learning_in_words",
        "rules",
        "scores",
        "tags",
        "words_of_fairness",
        "access",
        "notices",
        "queue",
        "acting",
    },
    {"imports"},
    {"services", "throttle", "invariants"},
    {"tasks"},
    {"receivers"},
    {"apps"},
)
MOST_LINES = 400
MOST_TEST_LINES = 500


def modules() -> Iterator[tuple[str, Path]]:
    for top in ("matchmaker", "jobs", "accounts", "notifications", "matching", "web", "seeds"):
        for path in sorted((ROOT / top).rglob("*.py")):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield name.removesuffix(".__init__"), path


MODULES = dict(modules())


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports_of(path: Path) -> list[tuple[str, bool]]:
    """Every imported module of a file, and whether the import stands at the top of the file."""
    return list(_imports(tree_of(path)))


def _imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, id(node) in top


def room_of(module: str) -> str | None:
    for room in ROOMS:
        if module == room or module.startswith(f"{room}."):
            return room
    return next((top for top in TOP if module == top or module.startswith(f"{top}.")), None)


def layer_of(module: str) -> int:
    """The layer of a module inside its app; faces and what is not listed stand on top."""
    parts = module.split(".")
    name = parts[1] if len(parts) > 1 else ""
    return next((number for number, names in enumerate(LAYERS) if name in names), len(LAYERS))


@pytest.mark.parametrize("name", MODULES)
def test_no_room_imports_a_higher_one(name: str) -> None:
    own = room_of(name)
    if own not in ROOMS:
        return
    for imported, at_top in imports_of(MODULES[name]):
        other = room_of(imported)
        if other is None or other == own:
            continue
        if name == "jobs.services" and imported == "matchmaker.celery":
            assert not at_top, "the wiring may only be reached when a message is sent"
            continue
        assert other in ROOMS and ROOMS.index(other) < ROOMS.index(own), f"{name} imports {imported}"


@pytest.mark.parametrize(
    "name", [n for n in MODULES if n.split(".")[0] in ("jobs", "accounts", "notifications", "matching")]
)
def test_no_layer_imports_a_higher_one(name: str) -> None:
    app = name.split(".")[0]
    for imported, _ in imports_of(MODULES[name]):
        if imported.startswith(f"{app}.") and imported != name:
            assert layer_of(imported) <= layer_of(name), f"{name} imports {imported}"


@pytest.mark.parametrize("name", [n for n in MODULES if n.startswith("matching.engine")])
def test_the_engine_knows_neither_django_nor_celery_nor_us(name: str) -> None:
    ours = ("django", "celery", "rest_framework", "matchmaker", "jobs", "accounts", "notifications", "seeds")
    for imported, _ in imports_of(MODULES[name]):
        assert imported.split(".")[0] not in ours, f"{name} imports {imported}"
        assert not imported.startswith("matching.") or imported.startswith("matching.engine")


@pytest.mark.parametrize("name", [n for n in MODULES if ".services" in n or ".selectors" in n])
def test_services_and_selectors_do_not_import_tasks(name: str) -> None:
    assert not [i for i, _ in imports_of(MODULES[name]) if i.endswith(".tasks")]


def test_only_receivers_and_services_of_jobs_connect_signals() -> None:
    for name, path in MODULES.items():
        if "post_save" in path.read_text() and name != "tests.test_architecture":
            pytest.fail(f"{name} names post_save: facts are announced by services")


@pytest.mark.parametrize("name", MODULES)
def test_status_is_changed_only_through_move(name: str) -> None:
    """`match.status = …` anywhere would go round the guard."""
    for node in ast.walk(tree_of(MODULES[name])):
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                is_match = isinstance(target, ast.Attribute) and target.attr == "status"
                assert not (is_match and isinstance(target.value, ast.Name) and target.value.id == "match")


@pytest.mark.parametrize("path", sorted(ROOT.glob("[!.]*/**/*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_outgrows_its_reader(path: Path) -> None:
    if "migrations" in path.parts or "var" in path.relative_to(ROOT).parts[:1]:
        return
    most = MOST_TEST_LINES if "tests" in path.parts else MOST_LINES
    assert path.read_text().count("\n") <= most


def test_no_star_imports_and_no_pickle() -> None:
    for name, path in MODULES.items():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom):
                assert not any(alias.name == "*" for alias in node.names), name
        assert "pickle" not in {i.split(".")[0] for i, _ in imports_of(path)}, name


@pytest.mark.parametrize("name", MODULES)
def test_no_text_to_translate_hides_in_an_f_string(name: str) -> None:
    """The extraction of texts reads no calls inside them: such a text would stay English for ever."""
    for node in ast.walk(tree_of(MODULES[name])):
        if isinstance(node, ast.JoinedStr):
            called = {
                c.func.id for c in ast.walk(node) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)
            }
            assert not called & {"_", "gettext", "gettext_lazy", "ngettext", "pgettext"}, node.lineno
