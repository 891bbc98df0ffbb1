"""What the certificate takes of the inspectors' sensitivity: a fragment of their page, and the numbers in it."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from automation import policies
from automation.evidence import lower_bound
from automation.gates import Facts, Gate, Limits, certified_limit, percent, sensitivity_gate
from automation.seeds import seeds_of
from inspection.actions.intake import find_line
from inspection.models import Line
from inspection.roles import May, caller, needs
from shadow.gauges import Wanted, looks
from shadow.models import ModelVersion

DELTA = 0.01  # of a bound on the sensitivity, at every look


@dataclass(frozen=True)
class Taken:
    """What the certificate takes: of the seeded scratches that a version passes, in the gate's own words, and the limit
    that comes of it (0: none can be certified yet)."""

    version: ModelVersion
    pass_below: float
    gate: Gate
    alpha: float
    certified: float


@dataclass(frozen=True)
class Sensitivity:
    """How many of the seeded scratches inspectors find, whatever a version says of them: each inspector's first answer
    to each part, an unsure one as not found."""

    seeds: int
    found: int
    taken: Taken | None

    @property
    def bound(self) -> float:
        """Time-uniform, with 99 % confidence; 0 without seeds."""
        return lower_bound(self.seeds, self.found, DELTA)


def sensitivity_of(line: Line) -> Sensitivity:
    first: dict[tuple[int, int], bool] = {}
    for look in looks(Wanted(line)):
        if look.truth and look.seeded_id is not None:
            first.setdefault((look.source_id, look.inspector_id), bool(look.answer))
    return Sensitivity(len(first), sum(first.values()), taken_of(line))


def taken_of(line: Line) -> Taken | None:
    """None while the line has no version, or one without thresholds."""
    policy = policies.in_force(line)
    version = policy.version
    if version is None or not version.thresholds:
        return None
    below = version.thresholds[0] if policy.pass_below is None else policy.pass_below
    limits, facts = Limits.from_json(policy.limits), Facts(seeds=seeds_of(line, version))
    gate = sensitivity_gate(facts, limits, below)
    return Taken(version, below, gate, limits.alpha, certified_limit(facts, limits, below)[0])


@needs(May.READ_EVIDENCE)
@require_safe
def sensitivity(request: HttpRequest, line: str) -> HttpResponse:
    """The bound at every look, and what the line's certificate takes of it."""
    found = find_line(line, caller(request))
    told = sensitivity_of(found)
    shares = {"bound": percent(told.bound)}
    if told.taken:
        shares |= {"alpha": percent(told.taken.alpha), "certified": percent(told.taken.certified)}
    return render(request, "automation/_sensitivity.html", {"told": told, "line": found, **shares})
