"""What the report shows of the scores: histogram, risk and coverage, reliability, each with its numbers in a table."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from shadow.agreement import Rate
from shadow.cards import Table
from shadow.charts import percent
from shadow.plots import Bar, Place, curve, reliability, scores
from shadow.reports import CONFIDENCE, AgreementReport
from shadow.scores import (
    RiskPoint,
    ScoreCounts,
    expected_calibration_error,
    histogram,
    risk_coverage,
)  # fmt: skip
from shadow.scores import reliability as calibration
from shadow.studies import Plot


def why_no_scores(report: AgreementReport) -> str:
    """Why no scores are drawn; empty where they are."""
    if report.asked.version:
        return "" if report.scores.n else _("No counted part has a score.")
    return _(
        "The scores of several models stand on different scales, so they are drawn for one model: choose it above."
    )


def score_plots(report: AgreementReport) -> list[Plot]:
    """The three charts of one version's scores; none where the report is of several versions or counts no part."""
    version = report.asked.version
    if not version or not report.scores.n:
        return []
    counts = report.scores
    return [
        _histogram(counts, version.threshold),
        _risk(counts, version.threshold),
        _reliability(counts, calibrated=not version.is_imported),
    ]


def _histogram(counts: ScoreCounts, threshold: float) -> Plot:
    bars = histogram(counts)
    edges = [bars[0].low, *(bar.high for bar in bars)]
    svg = scores(edges, [bar.ok for bar in bars], [bar.scratched for bar in bars], threshold)
    reading = _(
        "Good parts upwards, scratched ones downwards, each as shares of its kind. The dashed line is the operating "
        "threshold {threshold:.4g}: from it on the model says scratched."
    )
    rows = tuple((f"{bar.low:g} - {bar.high:g}", bar.ok, bar.scratched) for bar in bars if bar.ok or bar.scratched)
    table = Table((_("score"), _("judged ok"), _("judged scratched")), rows)
    return Plot(_("Histogram"), reading.format(threshold=threshold), svg, table)


def _risk(counts: ScoreCounts, threshold: float) -> Plot:
    points = risk_coverage(counts)
    known = [point for point in points if point.risk.value is not None]
    line = [(point.coverage.value or 0.0, point.risk.value or 0.0) for point in known]
    band = [(point.coverage.value or 0.0, *point.risk.interval(CONFIDENCE)) for point in known]
    svg = curve(
        _("Risk over coverage"), line, _("passed, of all parts"), _("of these scratched"), _at(known, threshold), band
    )
    reading = _(
        "If all parts below a score were passed: how many that is, and how many of them are scratched. The ring is the "
        "operating threshold, or the counted score next below it."
    )
    head = (_("passed below"), _("passed, of all"), _("scratched, of passed"), _("missed, of scratched"))
    rows = tuple(
        (f"{point.threshold:g}", *(_share(rate) for rate in (point.coverage, point.risk, point.miss)))
        for point in points
    )
    return Plot(_("Risk and coverage"), reading, svg, Table(head, rows))


def _at(points: Sequence[RiskPoint], threshold: float) -> list[Place]:
    """The ring: the last point at or below the operating threshold, which is exact where the threshold is an edge."""
    below = [point for point in points if point.threshold <= threshold]
    if not below:
        return []
    words = _("below {threshold:g}: {coverage} of all parts pass, {risk} of them scratched")
    point = below[-1]
    said = words.format(
        threshold=point.threshold, coverage=percent(point.coverage.value), risk=percent(point.risk.value)
    )
    return [Place(point.coverage.value or 0.0, point.risk.value or 0.0, said)]


def _reliability(counts: ScoreCounts, *, calibrated: bool) -> Plot:
    bins = calibration(counts)
    bars = [Bar(group.low, group.high, group.n, group.mean_score, group.scratched.value or 0.0) for group in bins]
    error = expected_calibration_error(counts)
    reading = _(
        "The share that people called scratched over the mean score; honest scores lie on the diagonal. Expected "
        "calibration error {error:.3f}."
    )
    if not calibrated:
        reading = (
            _("An earlier system's scores need not be probabilities, so the diagonal is no promise of it.")
            + " "
            + reading
        )
    rows = tuple(
        (f"{group.low:g} - {group.high:g}", f"{group.mean_score:.3f}", _share(group.scratched)) for group in bins
    )
    table = Table((_("score"), _("mean score"), _("scratched")), rows)
    return Plot(_("Reliability"), reading.format(error=error or 0.0), reliability(bars), table)


def _share(rate: Rate) -> str:
    """A rate with its counts and interval in one cell."""
    if rate.value is None:
        return "-"
    low, high = rate.interval(CONFIDENCE)
    words = _("{share} ({k:,} of {n:,}; {low} to {high})")
    return words.format(share=percent(rate.value), k=rate.k, n=rate.n, low=percent(low), high=percent(high))
