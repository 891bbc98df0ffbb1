"""The inspectors as gauges as others read them: JSON of every figure, and CSV with a row for each answer."""

from collections.abc import Iterator, Sequence
from typing import Any

from inspection.models import Inspection, Study
from inspection.people import usernames_for
from inspection.sheets import harmless
from inspection.shown_again import progress_of
from shadow.agreement import AttributeStudy, Confusion, Graded, InspectorStudy, Kappa, Rate
from shadow.days import Calendar
from shadow.gauge_page import BOTH_ENDS, CONFIDENCE
from shadow.gauge_report import GaugeReport
from shadow.gauges import measuring

TRIALS = ("part", "purpose", "study", "round", "inspector", "truth", "answer", "day")
WORDS = {True: "scratched", False: "ok", None: ""}
ANSWERS = {**WORDS, None: "unsure"}


def report_json(report: GaugeReport) -> dict[str, Any]:
    """Every figure of the page. `low` and `high` are exact bounds, each at 95 % on its own side."""
    study, hours = report.study, report.hours
    found, trend = report.consensus, report.trend
    return {
        "filters": report.wanted.echo(),
        "confidence": CONFIDENCE,
        "sensitivity": rate_json(report.sensitivity),
        **study_json(study),
        "consensus": {
            "parts": [
                {
                    "inspection": int(row.part.part), "serial": row.serial, "p_scratched": row.part.p_scratched,
                    "people": row.part.people, "answers": row.part.answers, "scratched": row.scratched,
                    "recorded": WORDS[row.recorded] or None, "truth_known": row.known, "differs": row.differs,
                }
                for row in report.agreed
            ],
            "converged": found.converged,
        },
        "hours": [
            {"hour": hour.hour + 1, "misses": hour.misses and rate_json(hour.misses), "withheld": hour.withheld}
            for hour in hours
        ],
        "hours_withheld": report.hours_withheld,
        "trend": trend and {"z": trend.z, "p_value": trend.p_value},
    }  # fmt: skip


def study_json(study: AttributeStudy) -> dict[str, Any]:
    table = study.confusion
    return {
        "team": {
            "effectiveness": rate_json(table.agreement), "miss_rate": rate_json(table.miss_rate),
            "false_alarm_rate": rate_json(table.false_alarm_rate), "kappa": kappa_json(table.kappa),
            "always_right": rate_json(study.against_reference), "between": rate_json(study.between),
            "fleiss_kappa": kappa_json(study.fleiss_between), "confusion": counts(table),
            "verdict": study.verdict, "proven": study.proven(CONFIDENCE),
        },
        "inspectors": [_inspector(one) for one in study.inspectors],
        "pairs": [
            {"one": pair.one, "other": pair.other, "agreement": rate_json(pair.agreement), "kappa": kappa_json(pair.kappa)}
            for pair in study.pairs
        ],
        "unsure": study.unsure,
    }  # fmt: skip


def _inspector(one: InspectorStudy) -> dict[str, Any]:
    return {
        "inspector": one.inspector,
        "unsure": rate_json(one.unsure),
        "within": rate_json(one.within),
        "kappa_within": kappa_json(one.kappa_within),
        "kappa": kappa_json(one.kappa),
        "confusion": counts(one.confusion),
        **{grade.figure: _graded(grade) for grade in one.graded(CONFIDENCE)},
        "verdict": one.verdict,
        "proven": one.proven(CONFIDENCE),
    }


def rate_json(rate: Rate) -> dict[str, Any]:
    low, high = rate.exact(BOTH_ENDS)
    return {"value": rate.value, "low": low, "high": high, "k": rate.k, "n": rate.n}


def _graded(one: Graded) -> dict[str, Any]:
    return {**rate_json(one.rate), "grade": one.grade, "bound": one.bound, "grade_of_bound": one.grade_of_bound}


def kappa_json(kappa: Kappa) -> dict[str, Any]:
    low, high = kappa.interval(BOTH_ENDS)
    return {"value": kappa.value, "low": low, "high": high, "n": kappa.n}


def counts(table: Confusion) -> dict[str, int]:
    """Answers beside the truth."""
    return {
        "passed": table.both_ok, "false_alarms": table.overkill, "missed": table.escape, "found": table.both_scratched,
    }  # fmt: skip


def trial_rows(report: GaugeReport) -> Iterator[Sequence[Any]]:
    """A heading, then each answer, oldest first. The day stands there and not the hour: nobody's curve over a shift can
    be drawn from it."""
    yield TRIALS
    found = measuring(report.found)
    serials = dict(Inspection.objects.filter(pk__in={look.source_id for look in found}).values_list("pk", "serial"))
    calendar = Calendar(report.wanted.line)
    for look in found:
        yield (
            harmless(serials[look.source_id]), look.purpose if look.seeded_id else "first verdict", look.study_id or "",
            look.round or "", harmless(report.called[look.inspector_id]), WORDS[look.truth], ANSWERS[look.answer],
            calendar.day_of(look.at).isoformat(),
        )  # fmt: skip


def progress_json(study: Study, reader: Any) -> list[dict[str, Any]]:
    """How far each inspector is in each round."""
    rows = progress_of(study)
    called = usernames_for(reader, {row.inspector_id for row in rows})
    return [
        {
            "inspector": called[row.inspector_id], "round": row.round, "judged": row.judged,
            "unanswered": row.unanswered, "total": row.total,
        }
        for row in rows
    ]  # fmt: skip
