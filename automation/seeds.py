"""What people found of the seeded scratches: how much inspectors see, measured on parts of known truth."""

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from inspection.models import Correction, Line, ModelOutputShown, Origin, Outcome, Purpose, Reference, Truth, Verdict
from inspection.models.judgement import Occasion
from shadow.models import ModelVersion, Prediction, TrainingPart
from shadow.vision.novelty import is_out_of_distribution

KNOWN = (Purpose.REFERENCE, Purpose.STUDY)
SCRATCHED = Q(
    inspection__seeded__purpose__in=KNOWN,
    inspection__seeded__truth=Truth.SCRATCHED,
    inspection__seeded__source__reference__truth=Truth.SCRATCHED,  # as it is known now
)


def seeds_of(line: Line, version: ModelVersion) -> list[tuple[float, bool]]:
    """(score, found) of the seeded scratched parts of a line, as its inspectors judged them and this version scores them.

    A source counts once, with the first verdict on it, as its judge corrected it: what one person cannot see others will
    hardly see either, so two answers to one scratch are not two pieces of evidence; and whoever takes the next part from
    the queue is first as often as they judge. (A supervisor's correction tells what the supervisor sees.) Unsure is not
    found; a part that was sent to be cleaned has no verdict. Left out are verdicts of people who had judged the source
    or been served the model's answer, and sources that the version cannot score or may have learned from.
    """
    first: dict[int, tuple[int, str]] = {}
    for part, source, said in _blind_verdicts(line):
        first.setdefault(source, (part, said))
    scores = _scores(line, version)
    learned = _taught(line) | _trained_on(line, version)
    known = [
        (scores.get(part, scores.get(source)), said) for source, (part, said) in first.items() if source not in learned
    ]
    return [(score, said == Outcome.SCRATCHED) for score, said in known if score is not None]


def _blind_verdicts(line: Line) -> list[tuple[int, int, str]]:
    """What people said of seeded scratches who had been served nothing of the model and had not judged the part behind
    it, in the order in which they said it: (seeded part, the part behind it, outcome)."""
    own = Correction.objects.filter(verdict=OuterRef("pk"), by=OuterRef("inspector"))
    own = own.exclude(Exists(_served("verdict__inspection", "by"))).order_by("-pk")
    given = Verdict.objects.filter(SCRATCHED, inspection__line=line, inspection__origin=Origin.SEEDED)
    given = given.filter(inspector__isnull=False, advice_shown_at=None).exclude(occasion=Occasion.ADVISED)
    before = Verdict.objects.filter(inspection=OuterRef("inspection__seeded__source"), inspector=OuterRef("inspector"))
    given = given.exclude(Exists(_served("inspection", "inspector"))).exclude(Exists(before))
    said = given.annotate(said=Coalesce(own.values("outcome")[:1], "outcome")).order_by("pk")
    return list(said.values_list("inspection_id", "inspection__seeded__source", "said"))


def _served(part: str, person: str) -> QuerySet[ModelOutputShown]:
    """What had been served of the seeded part or of the one behind it to this person by then."""
    either = Q(inspection=OuterRef(part)) | Q(inspection=OuterRef(f"{part}__seeded__source"))
    return ModelOutputShown.objects.filter(either, user=OuterRef(person), at__lte=OuterRef("at"))


def _scores(line: Line, version: ModelVersion) -> dict[int, float]:
    """The version's scores of seeded parts and of those behind them, by inspection; none where it is out of its depth."""
    shown = Q(inspection__origin=Origin.SEEDED) | Q(inspection__reference__isnull=False)
    answers = Prediction.objects.filter(shown, version=version, inspection__line=line)
    rows = answers.values_list("inspection_id", "score", "novelty")
    return {part: score for part, score, novelty in rows if score is not None and not is_out_of_distribution(novelty)}


def _taught(line: Line) -> set[int]:
    """The parts in the training set: each by its last row."""
    rows = TrainingPart.objects.filter(inspection__line=line).order_by("pk")
    return {part for part, label in dict(rows.values_list("inspection_id", "label")).items() if label}


def _trained_on(line: Line, version: ModelVersion) -> set[int]:
    """The references that a version trained on the line's verdicts may have learned from: all that were no references at
    the time. A reference is never trained on; before it was one, and after it was retired, the part is any other."""
    if not any(source.split(",")[0] == f"line {line.slug}" for source in version.card.get("sources", ())):
        return set()
    kept = Q(at__lte=version.at) & (Q(retired_at=None) | Q(retired_at__gt=version.at))
    known = Reference.objects.filter(inspection__line=line, inspection__received_at__lte=version.at)
    return set(known.exclude(kept).values_list("inspection_id", flat=True))
