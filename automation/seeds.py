"""What people found of the seeded scratches: how much inspectors see, measured on parts of known truth."""

from collections.abc import Collection

from django.db import connection
from django.db.models import Exists, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from inspection.models import Correction, Line, ModelOutputShown, Outcome, Purpose, Reference, Truth, Verdict
from inspection.models.judgement import Occasion
from inspection.planning import unindexed
from inspection.prepared import MOMENT, Given, GivenKeys, Prepared
from scoring.novelty import is_out_of_distribution
from shadow.jobs import LATE_COMMITS
from shadow.models import ModelVersion, Prediction, TrainingPart

KNOWN = (Purpose.REFERENCE, Purpose.STUDY)
Said = dict[int, tuple[int, str]]  # source: (the seeded part that showed it, what was said of it)


def seeds_of(line: Line, version: ModelVersion) -> list[tuple[float, bool]]:
    """(score, found) of the seeded scratched parts of a line, as its inspectors judged them and this version scores them.

    A source counts once, with the first verdict on it, as its judge corrected it: what one person cannot see others will
    hardly see either, so two answers to one scratch are not two pieces of evidence; and whoever takes the next part from
    the queue is first as often as they judge. (A supervisor's correction tells what the supervisor sees.) Unsure is not
    found; a part that was sent to be cleaned has no verdict. Left out are verdicts of people who had judged the source
    or been served the model's answer, and sources that the version cannot score or may have learned from.
    """
    said = _first_said(line)
    learned = _taught(line, version) | _trained_on(line, version, said)
    scores = _scores(version, {part for part, _ in said.values()} | {*said})
    known = [
        (scores.get(part, scores.get(source)), found) for source, (part, found) in said.items() if source not in learned
    ]
    return [(score, found == Outcome.SCRATCHED) for score, found in known if score is not None]


def _first_said(line: Line) -> Said:
    """What the first verdict on each source says that counts, in the order in which they were given.

    A source may have been shown a thousand times: only where its very first verdict does not count are the others asked.
    """
    very_first = _very_first(line)
    counted = list(_COUNTING(verdicts=very_first.values()))
    others = very_first.keys() - {source for _, source, _, _ in counted}
    if others:
        counted += _counting(_given(others))
    first: Said = {}
    for _, source, part, found in sorted(counted):
        first.setdefault(source, (part, found))
    return first


def _sources(line: int | Given) -> QuerySet:
    """The parts behind a line's seeded scratches, as the truth is known now."""
    # Asked for the line, SQLite would read all parts of it.
    known = Reference.objects.alias(on_line=unindexed("inspection__line")).filter(on_line=line, truth=Truth.SCRATCHED)
    return known.values("inspection")


def _given(sources: Collection[int] | QuerySet) -> QuerySet[Verdict]:
    """The verdicts of persons on seeded parts that show these as the scratched parts that they are."""
    shown = Q(inspection__seeded__source__in=sources, inspection__seeded__purpose__in=KNOWN)
    given = Verdict.objects.filter(shown, inspection__seeded__truth=Truth.SCRATCHED, inspector__isnull=False)
    return _of_others(given).order_by()


def _of_others(given: QuerySet[Verdict]) -> QuerySet[Verdict]:
    """Those of people who have not judged the part behind the seeded one."""
    before = Verdict.objects.filter(inspection=OuterRef("inspection__seeded__source"), inspector=OuterRef("inspector"))
    return given.exclude(Exists(before))


def _earliest(given: QuerySet[Verdict]) -> QuerySet:
    return given.values_list("inspection__seeded__source").annotate(first=Min("pk"), at=Min("at"))


_SOURCES = Prepared(lambda: _sources(Given("line")).values_list("inspection"))
_VERY_FIRST = Prepared(lambda: _earliest(_given(_sources(Given("line")))))
_remembered: dict[int, dict[int, int]] = {}  # by line: the first verdict on each source, which is so for ever


def _very_first(line: Line) -> dict[int, int]:
    """The first verdict on each source of a line.

    A page asks for it over and over, and a source may have been shown ten thousand times: outside of a transaction what
    was found before is remembered, but for what is so young that an earlier one may still be on its way. Inside of one,
    where changes are judged, all is read.
    """
    if connection.in_atomic_block:
        return {source: verdict for source, verdict, _at in _VERY_FIRST(line=line.pk)}
    known, sources = _remembered.setdefault(line.pk, {}), {source for (source,) in _SOURCES(line=line.pk)}
    missing = sources - known.keys()
    rows = (_earliest(_given(missing)) if known else _VERY_FIRST(line=line.pk)) if missing else []
    settled = timezone.now() - LATE_COMMITS
    young: dict[int, int] = {}
    for source, verdict, at in rows:
        (known if at < settled else young)[source] = verdict
    return {source: verdict for source, verdict in [*known.items(), *young.items()] if source in sources}


def _counting(given: QuerySet[Verdict]) -> QuerySet[Verdict, tuple[int, int, int, str]]:
    """Those of people who had been served nothing of the model: (verdict, the part behind, the seeded part, outcome)."""
    own = Correction.objects.filter(verdict=OuterRef("pk"), by=OuterRef("inspector"))
    own = own.exclude(Exists(_served("verdict__inspection", "by"))).order_by("-pk")
    given = given.filter(advice_shown_at=None).exclude(
        Q(occasion=Occasion.ADVISED) | Exists(_served("inspection", "inspector"))
    )
    said = given.annotate(said=Coalesce(own.values("outcome")[:1], "outcome"))
    return said.values_list("pk", "inspection__seeded__source", "inspection_id", "said")


def _served(part: str, person: str) -> QuerySet[ModelOutputShown]:
    """What had been served of the seeded part or of the one behind it to this person by then."""
    either = Q(inspection=OuterRef(part)) | Q(inspection=OuterRef(f"{part}__seeded__source"))
    shown = ModelOutputShown.objects.filter(either)
    return shown.filter(user=OuterRef(person), at__lte=OuterRef("at"))


_COUNTING = Prepared(lambda: _counting(_of_others(Verdict.objects.filter(pk__in=GivenKeys("verdicts")))).order_by())


def _scores(version: ModelVersion, parts: Collection[int]) -> dict[int, float]:
    """The version's scores of some parts; none where it is out of its depth.

    Weights give the same score whenever they are asked. What an earlier system is said to have answered, when the truth of
    a part was known, may have been made from it, and would choose which seeds count.
    """
    rows = _ANSWERS(version=version.pk, parts=parts)
    return {
        part: score
        for part, score, novelty, late, retrospective in rows
        if score is not None
        and not is_out_of_distribution(novelty)
        and not (version.is_imported and (late or retrospective))
    }


# By their parts: SQLite, asked for the version, would read all its answers.
_ANSWERS = Prepared(
    lambda: (
        Prediction.objects.alias(of=unindexed("version"))
        .filter(of=Given("version"), inspection__in=GivenKeys("parts"))
        .order_by()
        .values_list("inspection_id", "score", "novelty", "late", "retrospective")
    )
)


def _taught(line: Line, version: ModelVersion) -> set[int]:
    """Of the line's seeded scratches those that were in the training set when the version was registered: each by its
    last row until then. What is taught later, it has not learned: else whoever teaches the next version a hard one
    would take it out of what is measured now."""
    return {part for part, label in dict(_LABELS(line=line.pk, at=version.at)).items() if label}


_LABELS = Prepared(
    lambda: (
        TrainingPart.objects.filter(inspection__in=_sources(Given("line")), at__lte=Given("at", MOMENT))
        .order_by("pk")
        .values_list("inspection_id", "label")
    )
)


def _trained_on(line: Line, version: ModelVersion, sources: Collection[int]) -> set[int]:
    """The references that a version trained on the line's verdicts may have learned from: all that were no references at
    the time. A reference is never trained on; before it was one, and after it was retired, the part is any other."""
    if not any(source.split(",")[0] == f"line {line.slug}" for source in version.card.get("sources", ())):
        return set()
    kept = Q(at__lte=version.at) & (Q(retired_at=None) | Q(retired_at__gt=version.at))
    known = Reference.objects.filter(inspection__in=sources, inspection__received_at__lte=version.at)
    return set(known.exclude(kept).values_list("inspection_id", flat=True))
