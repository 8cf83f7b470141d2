"""Every page and action of the admin, and the permissions of which any single one opens it.

Pages of the API stand in tests/api/test_routes.py. What is in neither fails a test.
"""

from dataclasses import dataclass

NOBODY: frozenset[str] = frozenset()
# Only who is a superuser, whatever permissions others hold.
SUPERUSER = frozenset({"superuser"})
# Anybody who may enter the admin at all.
ANY_STAFF = frozenset({"staff"})
DECIDE, PROPOSE = "matching.decide_match", "matching.propose_match"
SETTLE = "matching.change_outcome"

READ_ONLY = (
    "accounts/apitoken", "accounts/devicetoken", "accounts/importedfile", "accounts/merchant",
    "accounts/anchor", "accounts/stall", "jobs/job", "jobs/deadletter", "matching/block", "matching/booking",
    "matching/dailyroot", "matching/enginemodel", "matching/enginerun", "matching/impression",
    "matching/invariantcheck", "matching/match", "matching/matchday", "matching/outcome",
    "matching/reaction", "matching/recommendationlist", "notifications/notice",
)  # fmt: skip
REFERENCE = tuple(
    f"accounts/{name}" for name in ("category", "language", "reasoncode", "region", "style", "zone")
)
# Added and ended through services, never edited.
RULES = ("matching/exclusivity", "matching/pairrule")
# Django's and allauth's own.
PLAIN = ("auth/group", "accounts/holiday")


@dataclass(frozen=True)
class Page:
    """Who gets an answer to GET and to POST; `None`: nobody, for there is no such method."""

    get: frozenset[str] | None
    post: frozenset[str] | None = None


def codes(model: str, *verbs: str) -> frozenset[str]:
    app, name = model.split("/")
    return frozenset(f"{app}.{verb}_{name}" for verb in verbs)


def looking_at(model: str) -> frozenset[str]:
    """The permissions of which any one lets somebody look."""
    # What was given up are jobs; who may see those sees these.
    return codes("jobs/job", "view") if model == "jobs/deadletter" else codes(model, "view", "change")


def standard(model: str) -> dict[str, Page]:
    """The six pages that Django gives every model, as the kind of the model has them."""
    look = looking_at(model)
    add, change, delete = (codes(model, verb) for verb in ("add", "change", "delete"))
    if model in READ_ONLY or model in RULES:
        change = delete = NOBODY
    if model in READ_ONLY:
        add = NOBODY
    if model in REFERENCE:
        delete = NOBODY
    return {
        f"{model}/": Page(look, look),
        f"{model}/add/": Page(add, add),
        f"{model}/<path:object_id>/history/": Page(look, look),
        f"{model}/<path:object_id>/delete/": Page(delete, delete),
        f"{model}/<path:object_id>/change/": Page(look, change),
        # Leads to the page above, which asks for itself.
        f"{model}/<path:object_id>/": Page(ANY_STAFF, ANY_STAFF),
    }


def own_pages() -> dict[str, Page]:
    """The pages that a model has beside those, and those that differ from its kind."""
    look = {name: codes(name, "view", "change") for name in READ_ONLY}
    days, models, lists = "matching/matchday", "matching/enginemodel", "matching/recommendationlist"
    checks, outcomes = "matching/invariantcheck", "matching/outcome"
    propose, settle = frozenset({PROPOSE}), frozenset({SETTLE})
    exports = ("accounts/merchant", "accounts/anchor", "accounts/stall", "matching/dailyroot",
               "matching/match", "matching/outcome", "matching/reaction")  # fmt: skip
    kept = exports[:3]
    users = codes("accounts/user", "view", "change")
    return {
        **{f"{name}/export/": Page(look[name], look[name]) for name in exports},
        # A former version is looked at and never brought back.
        **{f"{name}/^([^/]+)/history/([^/]+)/$": Page(look[name], NOBODY) for name in kept},
        "accounts/merchant/<int:pk>/licence-photo/": Page(look["accounts/merchant"]),
        "matching/match/add/": Page(propose, propose),
        "matching/match/decisions/<uuid:public_id>/": Page(frozenset({DECIDE}), frozenset({DECIDE})),
        f"{days}/add/": Page(propose, propose),
        **{
            f"{days}/<int:pk>/{name}/": Page(None, propose) for name in ("wish", "solve", "release", "cancel")
        },
        f"{days}/<int:pk>/jobs/<uuid:public_id>/": Page(look[days], look[days]),
        f"{models}/train/": Page(None, frozenset({"matching.train_enginemodel"})),
        f"{models}/train/<uuid:public_id>/": Page(look[models], look[models]),
        f"{models}/roll-back/": Page(None, frozenset({"matching.roll_back_enginemodel"})),
        f"{checks}/check/": Page(None, look[checks]),
        f"{checks}/check/<uuid:public_id>/": Page(look[checks], look[checks]),
        f"{lists}/fairness/": Page(look[lists], look[lists]),
        f"{lists}/fairness/measure/": Page(None, look[lists]),
        f"{lists}/fairness/<uuid:public_id>/": Page(look[lists], look[lists]),
        f"{outcomes}/booking/<int:booking_id>/": Page(settle, settle),
        f"{outcomes}/import/": Page(settle, settle),
        # Staff see and block users; what they may is a superuser's to say.
        "accounts/user/add/": Page(SUPERUSER, SUPERUSER),
        "accounts/user/<path:object_id>/delete/": Page(NOBODY, NOBODY),
        "accounts/user/<path:object_id>/change/": Page(users, SUPERUSER),
        "accounts/user/<int:user_id>/password/": Page(SUPERUSER, SUPERUSER),
    }


MODELS = (*READ_ONLY, *REFERENCE, *RULES, *PLAIN, "accounts/user")
PAGES: dict[str, Page] = {
    route: page for model in MODELS for route, page in standard(model).items()
} | own_pages()

# What one ticks rows for: who holds the permission to look, and any one of these.
ACTIONS: dict[str, dict[str, frozenset[str]]] = {
    **{name: {} for name in READ_ONLY},
    **{name: dict.fromkeys(("retire", "restore"), codes(name, "change")) for name in REFERENCE},
    **{name: {"delete_selected": codes(name, "delete")} for name in PLAIN},
    "accounts/merchant": dict.fromkeys(("verify", "refuse"), codes("accounts/merchant", "change")),
    "accounts/anchor": dict.fromkeys(("verify", "refuse"), codes("accounts/anchor", "change"))
    | {"erase": codes("accounts/user", "change")},
    **{name: {"revoke": codes(name, "change")} for name in ("accounts/apitoken", "accounts/devicetoken")},
    "accounts/user": dict.fromkeys(("block", "unblock", "erase"), codes("accounts/user", "change"))
    | {"reset_second_factor": SUPERUSER},
    **{name: {"try_again": codes("jobs/job", "change")} for name in ("jobs/job", "jobs/deadletter")},
    "matching/match": dict.fromkeys(("approve", "reject", "cancel", "complete", "fail"), frozenset({DECIDE})),
    "matching/outcome": {"settle": frozenset({SETTLE})},
    "matching/exclusivity": {"end": codes("matching/exclusivity", "change")},
    "matching/pairrule": {"lift": codes("matching/pairrule", "change")},
}  # fmt: skip
