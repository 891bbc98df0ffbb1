"""What the desk shows of one discrepancy: the part, who said what, what it may be used for, and how far the list is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection.models import Containment, Disposition, Inspection, User, Verdict
from inspection.models.judgement import Occasion
from inspection.shown_again import SecondLook, second_looks
from shadow import discrepancies as listing
from shadow import uses
from shadow.adjudicating import passing
from shadow.exhibits import View, exhibits
from shadow.history import Told, history
from shadow.models import Adjudication, Finding, ModelVersion
from shadow.pairs import Pair
from shadow.reasons import AMBIGUOUS, Reasons, reasons_for
from shadow.truth import truth_of

LATELY = timedelta(hours=12)  # so far back "the last one" is still this sitting


@dataclass(frozen=True)
class Choice:
    """One finding: what it makes of the part (ok, scratched, or ambiguous) and the reasons that are offered for it."""

    value: str
    label: str
    meaning: str
    reasons: Reasons


@dataclass(frozen=True)
class Use:
    """One thing to do with the part: what its button says, what holds now, and why it cannot be done (empty: it can)."""

    action: str
    url: str
    words: str
    state: str = ""
    refusal: str = ""
    label: str | None = None  # sent along, where the action takes one
    asks_why: bool = False


@dataclass(frozen=True)
class Progress:
    """How many of the list are open. More than can be counted stand as `listing.MOST_COUNTED` + 1."""

    open: int
    total: int

    @property
    def settled(self) -> int:
        return max(0, self.total - self.open)


class Desk:
    """One pair on the desk of a reader, within the list that they walk through; each figure is read when it is shown."""

    def __init__(self, pair: Pair, sought: listing.Sought, reader: User, params: Mapping[str, str]):
        self.pair, self.sought, self.reader, self.params = pair, sought, reader, params
        [self.exhibit] = exhibits([pair])
        self.line = self.exhibit.line
        self.part = Inspection.objects.select_related("line").get(pk=pair.inspection_id)
        self.following = listing.next_open(sought, after=pair.prediction_id)

    @cached_property
    def view(self) -> View | None:
        """The photo that is looked at first: the one asked for, or the one that is marked."""
        asked = self.params.get("photo", "")
        return self.exhibit.view(int(asked) - 1 if asked in set("12345678") else None)

    @cached_property
    def version(self) -> ModelVersion:
        return ModelVersion.objects.defer("card").get(name=self.pair.model)

    @property
    def score_at(self) -> str:
        """Where the score stands on its line, as SVG takes it."""
        return _along(self.pair.score or 0.0)

    @property
    def threshold_at(self) -> str:
        return _along(self.version.threshold)

    @cached_property
    def choices(self) -> list[Choice]:
        reasons = reasons_for(self.line, self.reader)
        found = []
        for finding in Finding:
            meaning = truth_of(finding, self.pair.outcome, self.pair.predicted) or AMBIGUOUS
            found.append(Choice(finding.value, str(finding.label), meaning, reasons[meaning]))
        return found

    @cached_property
    def settled(self) -> Adjudication | None:
        """The finding that holds."""
        return Adjudication.objects.filter(prediction=self.pair.prediction_id).select_related("by").last()

    @cached_property
    def progress(self) -> Progress:
        in_list = replace(listing.open_ones(self.sought), adjudicated=None)
        return Progress(listing.count(listing.open_ones(self.sought)), listing.count(in_list))

    @cached_property
    def verdict(self) -> Verdict | None:
        """The verdict that a correction would change: that of the disposition, or the last one."""
        holds = self.part.disposition
        given = self.part.verdicts.exclude(occasion=Occasion.ADVISED)
        return holds.verdict if holds and holds.verdict else given.order_by("-pk").first()

    @cached_property
    def containment(self) -> Containment | None:
        return Containment.objects.filter(inspection=self.part).first()

    @cached_property
    def passed(self) -> Disposition | None:
        return passing(self.part)

    @cached_property
    def told(self) -> list[Told]:
        return history(self.pair, self.reader)[::-1]

    @cached_property
    def uses(self) -> list[Use]:
        return uses_shown(self.part, self.pair.prediction_id, self.view)

    @cached_property
    def last(self) -> Adjudication | None:
        """What this reader settled last, if it was today; not the part that they look at."""
        return last_settled(self.reader, unlike=self.pair.prediction_id)


def _along(share: float) -> str:
    return f"{2 + 96 * share:.2f}%"


def last_settled(reader: User, *, unlike: int = 0, now: datetime | None = None) -> Adjudication | None:
    since = (now or timezone.now()) - LATELY
    rows = Adjudication.objects.filter(by=reader, at__gt=since).exclude(prediction=unlike)
    return rows.select_related("prediction__inspection").last()


def uses_shown(part: Inspection, prediction: int, view: View | None) -> list[Use]:
    """The buttons beside a part, each with what holds now and what stands against it."""
    now = uses.uses_of(part)
    looks = second_looks(part)
    return [
        Use(
            "second_look", _url("second_look", prediction), _("Ask for a second look"), _look_words(looks),
            _first(uses.against_looking(now)) or (_("Somebody is asked already.") if _waiting(looks) else ""),
        ),
        _teaching(now, _url("teach", prediction)),
        Use(
            "sample", _url("sample", prediction), _("Add to the limit samples"),
            _("A photo of it is among the limit samples.") if now.shown else "",
            _first(uses.against_showing(now, view.photo)) if view else _("There is no photo."),
        ),
        _measuring(now, _url("reference", prediction)),
    ]  # fmt: skip


def _url(action: str, prediction: int) -> str:
    return reverse(f"discrepancy_{action}", args=[prediction])


def _teaching(now: uses.Uses, url: str) -> Use:
    taught = {None: "", "": _("Left out of the training.")}.get(now.taught, "")
    if now.taught:
        words = _("In the training set as {label}.")
        taught = words.format(label=uses.word_of(now.taught))
        return Use("teach", url, _("Leave it out of the training"), taught, label="", asks_why=True)
    words = _("Teach it as {truth}").format(truth=uses.word_of(now.found.truth)) if now.found.truth else _("Teach it")
    label = now.found.truth or None
    return Use("teach", url, words, taught, _first(uses.against_teaching(now, now.found.truth or "ok")), label)


def _measuring(now: uses.Uses, url: str) -> Use:
    words, refusal = _("Keep it as a seeded part"), _first(uses.against_measuring(now))
    if not now.reference:
        return Use("reference", url, words, "", refusal)
    state = _("A seeded part, known to be {truth}.").format(truth=uses.word_of(now.reference))
    return Use("reference", url, words, state, refusal or _("It is kept already."))


def _look_words(looks: list[SecondLook]) -> str:
    """What came of the last second look."""
    if not looks:
        return ""
    last = looks[-1]
    if last.outcome:
        words = _("Second person, blind: {outcome}")
        return words.format(outcome=str(Verdict(outcome=last.outcome).get_outcome_display()).lower())
    return _("A second person is to judge it, blind.") if last.waiting else _("The second look found nobody.")


def _waiting(looks: list[SecondLook]) -> bool:
    return bool(looks) and looks[-1].waiting


def _first(reasons: list[str]) -> str:
    return reasons[0] if reasons else ""
