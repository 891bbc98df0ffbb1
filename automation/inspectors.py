"""What the certificate takes of the inspectors' sensitivity, and how far references bring it: fragments of their pages."""

from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from automation import policies
from automation.evidence import needed
from automation.gates import (
    Facts,
    Gate,
    Limits,
    certified_limit,
    percent,
    sensitivity_at_least,
    sensitivity_delta,
    sensitivity_gate,
)
from automation.seeds import seeds_of
from inspection.actions.intake import find_line
from inspection.models import Line, Truth
from inspection.roles import May, caller, needs
from scoring.novelty import is_out_of_distribution
from shadow.gauges import Wanted, looks
from shadow.models import ModelVersion, Prediction
from shadow.reference_pool import answers_to, counted_once, references_of

WORTH = 0.90  # a sensitivity that is worth knowing: the limit to certify at is cut by a tenth


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
    """How many of the seeded scratches inspectors find, whatever a version says of them: the first answer to each part,
    of somebody who had not judged it before, an unsure one as not found."""

    seeds: int
    found: int
    limits: Limits
    taken: Taken | None

    @property
    def bound(self) -> float:
        """Time-uniform, with the certificate's own confidence; 0 without seeds."""
        return sensitivity_at_least(self.seeds, self.found, self.limits)

    @property
    def confidence(self) -> str:
        return percent(1 - sensitivity_delta(self.limits))


def sensitivity_of(line: Line) -> Sensitivity:
    once = counted_once(looks(Wanted(line)))
    return Sensitivity(len(once), sum(once.values()), limits_of(line), taken_of(line))


def limits_of(line: Line) -> Limits:
    return Limits.from_json(policies.in_force(line).limits)


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


@dataclass(frozen=True)
class Reach:
    """How much the scratched references in use can tell: each counts once, and for the certificate only those that the
    version passes, so what can be known is bounded by their number and not by the days."""

    scratched: int
    answered: int
    limits: Limits
    version: ModelVersion | None = None
    pass_below: float = 0.0
    passed: int = 0

    @property
    def enough(self) -> int:
        """References that let the bound at every look reach 90 % if every scratch is found; each miss takes more."""
        return needed(1 - WORTH, sensitivity_delta(self.limits))

    @property
    def confidence(self) -> str:
        return percent(1 - sensitivity_delta(self.limits))

    @property
    def missing(self) -> int:
        return max(0, self.enough - (self.passed if self.version else self.scratched))


def reach_of(line: Line) -> Reach:
    rows = references_of(line).filter(retired_at=None, truth=Truth.SCRATCHED)
    parts = list(rows.values_list("inspection_id", flat=True))
    reach = Reach(len(parts), len(answers_to(line, parts)), limits_of(line))
    taken = taken_of(line)
    if taken is None:
        return reach
    passed = _passed(taken.version, parts, taken.pass_below)
    return replace(reach, version=taken.version, pass_below=taken.pass_below, passed=passed)


def _passed(version: ModelVersion, parts: list[int], below: float) -> int:
    answers = Prediction.objects.filter(version=version, inspection__in=parts, score__lt=below)
    return sum(not is_out_of_distribution(novelty) for novelty in answers.values_list("novelty", flat=True))


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


@needs(May.READ_EVIDENCE)
@require_safe
def reference_reach(request: HttpRequest, line: str) -> HttpResponse:
    """How many references the certificate can count, and how many more it takes to know enough."""
    found = find_line(line, caller(request))
    return render(request, "automation/_reach.html", {"reach": reach_of(found), "line": found})
