"""Invariants 3, 4, 5 and 7: what the events say, by the checks of `verify_events` (layer: invariants)."""

from django.db.models import Model

from matching.invariants.finding import Finding
from matching.models import EngineModel, Match, MatchDay, Outcome
from matching.selectors.chain_rows import chains_of
from matching.selectors.chains import CHECKS, check_terms
from matching.selectors.triggers import trigger_violations
from matching.selectors.violations import Violation

# What lives by a table of states, and leaves a chain of events.
CHAINED: tuple[type[Model], ...] = (Match, Outcome, EngineModel, MatchDay)


def find_unagreed_approvals(finding: Finding) -> None:
    """Report what was agreed or approved before both sides had said yes, by the order of events."""
    _walk(finding, 3, Match)


def find_illegal_paths(finding: Finding) -> None:
    """Report rows whose events are no path of their table of states from nothing to the state they are in."""
    _walk(finding, 4, *CHAINED)


def find_broken_chains(finding: Finding) -> None:
    """Report changes without an event of their own, events altered since, and triggers that are missing."""
    _walk(finding, 5, *CHAINED)
    for violation in trigger_violations():
        _report(finding, violation)


def find_altered_terms(finding: Finding) -> None:
    """Report terms that differ from their digest, and events that name other terms than lay on the table."""
    _walk(finding, 7, Match)


def _walk(finding: Finding, number: int, *models: type[Model]) -> None:
    checks = CHECKS[number]
    for model in models:
        for chain in chains_of(model._default_manager.all(), with_terms=check_terms in checks):
            finding.look(len(chain.events) + len(chain.versions))
            for check in checks:
                for violation in check(chain):
                    _report(finding, violation)


def _report(finding: Finding, violation: Violation) -> None:
    ids = {violation.kind: violation.subject}
    seq = {} if violation.seq is None else {"seq": violation.seq}
    finding.report(violation.code, **ids, **seq, **violation.values)
