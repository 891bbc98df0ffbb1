"""Inspectors as gauges: whose answers count, by hand and against statsmodels, and what is withheld."""

from datetime import UTC, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from inspection.models import (
    Correction,
    Disposition,
    Inspection,
    Line,
    ModelOutputShown,
    Purpose,
    Reference,
    SeededPart,
    Study,
    User,
    Verdict,
)
from inspection.models.judgement import Occasion
from inspection.refusals import BadInput, NotAllowed, Unknown
from inspection.roles import Role
from shadow.agreement import Hour, Rate, Trend
from shadow.gauge_hours import hour_chart, hour_rows, shift_words, trend_words
from shadow.gauge_page import between, inspector_rows, one_look, sentence, team_row
from shadow.gauge_report import gauge_report
from shadow.gauge_tables import report_json, trial_rows
from shadow.gauges import Wanted, hours_into_shift, looks, read_wanted, shown_on
from tests.conftest import make_person

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def part(line):
    """A judged part of the line: `part()`."""
    numbers = count()

    def make(*, on: Line = line, at: datetime = NOON, origin: str = "live") -> Inspection:
        return Inspection.objects.create(
            line=on, serial=f"G{next(numbers):05d}", captured_at=at, received_at=at, hold_until=at, state="decided",
            origin=origin,
        )  # fmt: skip

    return make


@pytest.fixture
def reference(part, sam):
    def keep(truth: str, **fields) -> Reference:
        return Reference.objects.create(inspection=part(**fields), truth=truth, reason="measured", by=sam)

    return keep


@pytest.fixture
def shown(part):
    """Shows a part again and lets a person answer: `shown(reference, ivy, "ok")` gives the verdict."""

    def show(what: Reference | Inspection, by: User, answer: str, *, at=NOON, purpose=Purpose.REFERENCE, **fields):
        source = what.inspection if isinstance(what, Reference) else what
        truth = what.truth if isinstance(what, Reference) else ""
        again = part(on=source.line, at=at, origin="seeded")
        SeededPart.objects.create(
            inspection=again, source=source, purpose=purpose, truth=truth, by="system", at=at, **fields
        )
        return Verdict.objects.create(inspection=again, inspector=by, outcome=answer, at=at)

    return show


def answers(line, **fields) -> list[tuple[str, bool | None, bool | None]]:
    rows = looks(Wanted(line), **fields)
    names = dict(User.objects.values_list("pk", "username"))
    return [(names[row.inspector_id], row.truth, row.answer) for row in rows]


# ---- Whose answer counts


def test_a_look_is_what_the_person_said_beside_the_truth(line, reference, shown, ivy, ian):
    scratched, good = reference("scratched"), reference("ok")
    shown(scratched, ivy, "ok")
    shown(good, ian, "ok", at=NOON + MINUTE)
    shown(good, ivy, "unsure", at=NOON + 2 * MINUTE)
    assert answers(line) == [("ivy", True, False), ("ian", False, False), ("ivy", False, None)]


def test_ones_own_correction_counts_and_a_supervisors_does_not(line, reference, shown, ivy, sam):
    scratched = reference("scratched")
    own, corrected = shown(scratched, ivy, "ok"), shown(scratched, ivy, "ok", at=NOON + MINUTE)
    Correction.objects.create(verdict=own, outcome="scratched", reason="undo", by=ivy, at=NOON + MINUTE)
    Correction.objects.create(verdict=corrected, outcome="scratched", reason="look again", by=sam, at=NOON + MINUTE)
    assert answers(line) == [("ivy", True, True), ("ivy", True, False)]


@pytest.mark.parametrize("behind", [True, False])
def test_nobody_counts_who_had_been_served_the_models_answer(line, reference, shown, ivy, behind):
    """To the seeded part or to the part behind it; a correction after that leaves the answer as it was."""
    scratched = reference("scratched")
    before, after = shown(scratched, ivy, "ok", at=NOON), shown(scratched, ivy, "scratched", at=NOON + 5 * MINUTE)
    for verdict in (before, after):
        served = scratched.inspection if behind else verdict.inspection
        ModelOutputShown.objects.create(inspection=served, user=ivy, at=NOON + MINUTE, where="test")
        Correction.objects.create(verdict=before, outcome="scratched", reason="undo", by=ivy, at=NOON + 2 * MINUTE)
    assert answers(line) == [("ivy", True, False)]


def test_an_answer_after_advice_and_an_imported_label_are_nobodys(line, reference, shown, ivy):
    verdict = shown(reference("scratched"), ivy, "ok")
    Verdict.objects.create(inspection=verdict.inspection, inspector=ivy, outcome="scratched", occasion=Occasion.ADVISED)
    Verdict.objects.create(inspection=verdict.inspection, outcome="scratched", occasion=Occasion.HISTORY)
    assert answers(line) == [("ivy", True, False)]


def test_beside_a_repeat_stands_the_first_verdict_on_the_part_itself(line, part, shown, ivy, ian):
    source = part()
    Verdict.objects.create(inspection=source, inspector=ivy, outcome="ok", at=NOON - MINUTE)
    Verdict.objects.create(inspection=source, inspector=ian, outcome="scratched", at=NOON, occasion=Occasion.SECOND)
    shown(source, ivy, "scratched", purpose=Purpose.REPEAT)
    shown(source, ian, "scratched", purpose=Purpose.REPEAT, at=NOON + MINUTE)
    assert answers(line) == [("ivy", None, False), ("ivy", None, True), ("ian", None, True)]


def test_a_first_verdict_of_somebody_who_had_seen_the_answer_is_left_out(line, part, shown, ivy, ian):
    source = part()
    Verdict.objects.create(inspection=source, inspector=ivy, outcome="ok", at=NOON - MINUTE)
    ModelOutputShown.objects.create(inspection=source, user=ivy, at=NOON - 2 * MINUTE, where="advice")
    shown(source, ian, "scratched", purpose=Purpose.REPEAT)
    assert answers(line) == [("ian", None, True)]


def test_second_looks_enter_the_consensus_alone(line, part, shown, ivy, ian, sam):
    source = part()
    Verdict.objects.create(inspection=source, inspector=ivy, outcome="ok", at=NOON - MINUTE)
    shown(source, ian, "scratched", purpose=Purpose.SECOND_LOOK)
    assert answers(line) == []
    assert answers(line, second_looks=True) == [("ivy", None, False), ("ian", None, True)]
    report = gauge_report(Wanted(line), sam)
    assert report.study.inspectors == ()
    assert len(report.consensus.parts) == 1


def test_a_truth_that_is_known_otherwise_now_counts_for_no_rate(line, reference, shown, ivy):
    kept = reference("scratched")
    shown(kept, ivy, "ok")
    Reference.objects.filter(pk=kept.pk).update(truth="ok")
    assert answers(line) == [("ivy", None, False)]


def test_lines_spans_purposes_and_studies_are_told_apart(line, reference, shown, ivy, sam):
    other = Line.objects.create(slug="line-b", name="Line B")
    kept, foreign = reference("scratched"), reference("scratched", on=other)
    study = Study.objects.create(line=line, name="S", rounds=1, by=sam)
    shown(foreign, ivy, "ok")
    shown(kept, ivy, "scratched", at=NOON - timedelta(days=1))
    shown(kept, ivy, "ok", purpose=Purpose.STUDY, study=study, round=1, reserved_for=ivy)

    def asked(**params) -> list[bool | None]:
        return [look.answer for look in looks(read_wanted({"line": "line-a", **params}, sam))]

    assert asked() == [True, False]
    assert asked(purpose="mixed") == [True]
    assert asked(purpose="study") == asked(study=str(study.pk)) == [False]
    assert asked(**{"from": "2026-03-02"}) == [False]
    assert asked(to="2026-03-01") == [True]


def test_what_cannot_be_asked_is_refused_with_what_can(line, sam):
    with pytest.raises(BadInput, match="Allowed: mixed, study"):
        read_wanted({"line": "line-a", "purpose": "all"}, sam)
    with pytest.raises(Unknown, match="There is no study 7 on your lines"):
        read_wanted({"line": "line-a", "study": "7"}, sam)
    with pytest.raises(BadInput):
        read_wanted({"line": "line-a", "study": "x" * 30}, sam)
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    with pytest.raises(NotAllowed):
        read_wanted({"line": "line-a"}, sam)


def test_it_costs_as_many_queries_however_much_was_shown(line, reference, shown, ivy, ian, sam):
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            report_json(gauge_report(Wanted(line), sam))
        return len(asked)

    kept = [reference("scratched"), reference("ok")]
    shown(kept[0], ivy, "ok")
    few = cost()
    for number in range(20):
        shown(kept[number % 2], ian, "ok", at=NOON + number * MINUTE)
    assert cost() == few <= 12


def test_the_lines_history_is_not_read(line):
    """The parts shown again lead to their inspections, never the line to all of its own."""
    if connection.vendor == "sqlite":
        assert "inspection_by_line" not in shown_on(line).explain()


# ---- Figures


ANSWERS = {  # per inspector: (truth, answers in three rounds), s scratched, o ok
    "ivy": [("s", "sss"), ("s", "sos"), ("o", "ooo"), ("o", "ooo"), ("s", "sss"), ("o", "oso")],
    "ian": [("s", "sss"), ("s", "ooo"), ("o", "ooo"), ("o", "sso"), ("s", "sss"), ("o", "ooo")],
    "ida": [("s", "sss"), ("s", "sss"), ("o", "ooo"), ("o", "ooo"), ("s", "oss"), ("o", "ooo")],
}
WORD = {"s": "scratched", "o": "ok"}


@pytest.fixture
def studied(line, reference, shown, ivy, ian, sam):
    """A study of 6 parts by 3 inspectors in 3 rounds with the answers above."""
    people = {"ivy": ivy, "ian": ian, "ida": make_person("ida", Role.INSPECTOR)}
    kept = [reference(WORD[truth]) for truth, _said in ANSWERS["ivy"]]
    study = Study.objects.create(line=line, name="March", rounds=3, by=sam)
    study.references.set(kept)
    study.inspectors.set(people.values())
    for name, person in people.items():
        for one, (_truth, said) in zip(kept, ANSWERS[name], strict=True):
            for number, sign in enumerate(said, 1):
                at = NOON + timedelta(days=number, seconds=one.pk)
                trial = {"study": study, "round": number, "reserved_for": person, "purpose": Purpose.STUDY}
                shown(one, person, WORD[sign], at=at, **trial)
    return study


def flat(name: str) -> list[tuple[int, int]]:
    """(truth, answer) of every answer, 1 scratched."""
    return [(int(truth == "s"), int(sign == "s")) for truth, said in ANSWERS[name] for sign in said]


def table(pairs) -> list[list[int]]:
    pairs = list(pairs)
    return [[pairs.count((row, column)) for column in (0, 1)] for row in (0, 1)]


def test_the_figures_are_those_of_statsmodels(studied, sam):
    report = gauge_report(Wanted(studied.line, study=studied), sam)
    by_name = {report.called[person.pk]: person.username for person in studied.inspectors.all()}
    for one in report.study.inspectors:
        said = flat(by_name[one.inspector])
        missed = [answer == 0 for truth, answer in said if truth]
        assert (one.miss_rate.k, one.miss_rate.n) == (sum(missed), len(missed))
        assert one.miss_rate.exact(0.9) == pytest.approx(
            proportion_confint(sum(missed), len(missed), alpha=0.1, method="beta")
        )
        assert one.effectiveness.k == sum(truth == answer for truth, answer in said)
        assert one.kappa.value == pytest.approx(cohens_kappa(table(said)).kappa)
        alike = sum(len(set(answers)) == 1 for _truth, answers in ANSWERS[by_name[one.inspector]])
        assert (one.within.k, one.within.n) == (alike, 6)
    counts = [[sum(ANSWERS[name][place][1].count(sign) for name in ANSWERS) for sign in "os"] for place in range(6)]
    assert report.study.kappa_between == pytest.approx(fleiss_kappa(counts))
    for pair in report.study.pairs:
        one, other = (flat(by_name[name]) for name in (pair.one, pair.other))
        beside = [(a[1], b[1]) for a, b in zip(one, other, strict=True)]
        assert pair.kappa.value == pytest.approx(cohens_kappa(table(beside)).kappa)
    found = [answer for name in ANSWERS for truth, answer in flat(name) if truth]
    assert (report.sensitivity.k, report.sensitivity.n) == (sum(found), len(found)) == (22, 27)


def test_the_page_says_the_same_in_words(studied, ivy, sam):
    report = gauge_report(Wanted(studied.line, study=studied), sam)
    assert sentence(report) == (
        "In this study, inspectors of Line A find 81.5\u00a0% (22\u00a0of\u00a027) of the scratched parts; "
        "they call 11.1\u00a0% (3\u00a0of\u00a027) of the good ones scratched."
    )
    low = proportion_confint(22, 27, alpha=0.1, method="beta")[0]
    assert one_look(report).startswith(f"At least {100 * low:.1f}\u00a0% with 95 % confidence, for one planned look")
    [row] = [row for row in inspector_rows(report) if row.name == ivy.pseudonym]
    words = {cell.name: (cell.words, cell.counts, cell.grade) for cell in row.cells}
    assert words["Misses"] == ("11.1\u00a0%", "1 of 9", "unacceptable")
    assert words["Effectiveness"] == ("88.9\u00a0%", "16 of 18", "marginal")
    assert (row.verdict, row.proven) == ("unacceptable", "unacceptable")
    team = team_row(report.study)
    assert [cell.counts for cell in team.cells] == ["14 of 18", "2 of 6", "46 of 54", "5 of 27", "3 of 27", "n 54"]
    crossed = between(report.study)
    assert (crossed.alike.counts, len(crossed.rows)) == ("2 of 6", 3)


def test_without_answers_nothing_is_said_to_be_known(line, sam):
    report = gauge_report(Wanted(line), sam)
    assert sentence(report) == "Nobody has judged a part of known truth on Line A yet."
    assert (one_look(report), inspector_rows(report), between(report.study)) == ("", [], None)
    assert trend_words(report.hours, report.trend) == "No scratched part of known truth was judged within a shift yet."
    assert report_json(report)["sensitivity"]["value"] is None


@pytest.mark.parametrize(
    ("truth", "words"),
    [("ok", "No scratched part of known truth was judged on Line A yet"), ("scratched", "No good part was shown yet.")],
)
def test_of_one_kind_alone_the_other_is_not_known(line, reference, shown, ivy, sam, truth, words):
    shown(reference(truth), ivy, truth)
    assert words in sentence(gauge_report(Wanted(line), sam))


def test_a_consensus_against_the_record_is_found(line, part, reference, shown, ivy, ian, sam):
    people = [ivy, ian, make_person("ida", Role.INSPECTOR)]
    sure, wrong, passed = reference("scratched"), reference("ok"), part()
    Disposition.objects.create(inspection=passed, outcome="pass", by_machine=True, reason="r")
    for number, person in enumerate(people):
        shown(sure, person, "scratched", at=NOON + number * MINUTE)
        shown(wrong, person, "scratched", at=NOON + number * MINUTE)
        shown(passed, person, "ok", at=NOON + number * MINUTE, purpose=Purpose.REPEAT)
    shown(reference("ok"), ivy, "ok")
    rows = {row.serial: row for row in gauge_report(Wanted(line), sam).agreed}
    assert {serial: row.differs for serial, row in rows.items()} == {
        sure.inspection.serial: False, wrong.inspection.serial: True, passed.serial: False,
    }  # fmt: skip
    assert rows[passed.serial].known is False
    assert rows[wrong.inspection.serial].scratched == 3


def test_unsure_answers_stand_beside_the_figures_and_the_grade(line, reference, shown, ivy, sam):
    for number in range(30):
        kept = reference(("scratched", "ok")[number % 2])
        shown(kept, ivy, "unsure" if number < 2 else kept.truth, at=NOON + number * MINUTE)
    report = gauge_report(Wanted(line), sam)
    [row] = inspector_rows(report)
    team = team_row(report.study)
    for one in (row, team):
        assert (one.answers, one.unsure) == (28, 2)
        assert (one.verdict, one.verdict_words) == ("too many unsure", "too many unsure answers to grade")
        assert {cell.grade for cell in one.cells} == {None, "too many unsure"}
    [told] = report_json(report)["inspectors"]
    assert (told["unsure"]["k"], told["unsure"]["n"], told["verdict"]) == (2, 30, "too many unsure")
    assert [line[6] for line in trial_rows(report)].count("unsure") == 2


def test_who_was_never_sure_is_listed(line, reference, shown, ivy, sam):
    shown(reference("scratched"), ivy, "unsure")
    [row] = inspector_rows(gauge_report(Wanted(line), sam))
    assert (row.answers, row.unsure, row.verdict) == (0, 1, "too many unsure")


# ---- Hours


def test_hours_are_counted_from_the_start_of_the_shift_across_midnight(line):
    Line.objects.update(time_zone="Asia/Shanghai")
    line.refresh_from_db()
    line.shifts.create(name="night", starts_at=time(22), ends_at=time(6))
    line.shifts.create(name="day", starts_at=time(6), ends_at=time(14))
    shifts = list(line.shifts.all())

    def hours(clock: str) -> float | None:
        return hours_into_shift(datetime.fromisoformat(f"2026-03-02T{clock}").replace(tzinfo=line.zone), shifts)

    assert (hours("23:30"), hours("01:00"), hours("05:59")) == (1.5, 3.0, pytest.approx(7.983, abs=0.001))
    assert (hours("06:00"), hours("18:00")) == (0.0, None)


def test_of_shifts_that_overlap_the_later_one_counts_and_the_clock_may_be_put_back(line):
    Line.objects.update(time_zone="Europe/Berlin")
    line.refresh_from_db()
    line.shifts.create(name="early", starts_at=time(20), ends_at=time(4))
    line.shifts.create(name="late", starts_at=time(22), ends_at=time(6))
    shifts = list(line.shifts.all())
    berlin = ZoneInfo("Europe/Berlin")
    assert hours_into_shift(datetime(2026, 3, 2, 23, tzinfo=berlin), shifts) == 1.0
    # On 25 October 2026 the clock is put back at 3:00: five hours pass from 22:00 to 2:00 wintertime.
    assert hours_into_shift(datetime(2026, 10, 25, 2, tzinfo=berlin, fold=1), shifts) == 5.0


def shift_answers(line, reference, shown, people, *, hour: int, misses: int, n: int, days: int = 7):
    kept = Reference.objects.filter(truth="scratched").first() or reference("scratched")
    for number in range(n):
        at = NOON + timedelta(days=number % days, hours=hour, seconds=number)
        shown(kept, people[number % len(people)], "ok" if number < misses else "scratched", at=at)


def test_an_hour_that_could_point_at_somebody_is_withheld(line, reference, shown, ivy, ian, sam):
    line.shifts.create(name="day", starts_at=time(12), ends_at=time(20))
    people = [ivy, ian, make_person("ida", Role.INSPECTOR)]
    shift_answers(line, reference, shown, people, hour=0, misses=1, n=30)
    shift_answers(line, reference, shown, people[:2], hour=1, misses=5, n=30)
    shift_answers(line, reference, shown, people, hour=2, misses=5, n=19)
    report = gauge_report(Wanted(line), sam)
    rows = hour_rows(report.hours)
    assert [row.withheld for row in rows] == [
        "", "withheld: fewer than 3 people", "withheld: fewer than 20 scratched parts",
    ]  # fmt: skip
    assert rows[0].cell.counts == "1 of 30"
    assert [hour["misses"] for hour in report_json(report)["hours"][1:]] == [None, None]
    assert hour_chart(report.hours) == ""
    assert "Too little to tell" in trend_words(report.hours, report.trend)


@pytest.mark.parametrize(("days", "withheld"), [(6, "too few days"), (7, None)])
def test_hours_of_few_days_are_withheld(line, reference, shown, ivy, ian, sam, days, withheld):
    line.shifts.create(name="day", starts_at=time(12), ends_at=time(20))
    people = [ivy, ian, make_person("ida", Role.INSPECTOR)]
    for hour in range(2):
        shift_answers(line, reference, shown, people, hour=hour, misses=5, n=30, days=days)
    report = gauge_report(Wanted(line), sam)
    told = report_json(report)
    assert (len(told["hours"]), told["hours_withheld"]) == (0 if withheld else 2, withheld)
    assert shift_words(report).startswith("Withheld: the answers come from fewer than 7 days") == bool(withheld)
    assert (told["trend"] is None) == bool(withheld)


def test_figures_of_persons_take_whole_days(line, page, api, sam):
    """Hour by hour, moments would draw the curve of a person over the shift."""
    hour = {"line": "line-a", "from": "2026-03-02T06:00", "to": "2026-03-02T07:00"}
    for name, edge in (("from", hour["from"]), ("to", hour["to"])):
        with pytest.raises(BadInput, match=f"whole days. Write '{name}' as a day"):
            read_wanted({"line": "line-a", name: edge}, sam)
    assert page(sam).get(reverse("inspectors"), hour).status_code == 400
    for form in ("json", "csv"):
        assert api(sam).get("/api/v1/inspectors/", hour | {"format": form}).status_code == 400


@pytest.mark.parametrize(
    ("p", "z", "words"),
    [
        (0.0000001, 5.3, "Misses rise over the shift (Cochran-Armitage trend, p < 0.001)."),
        (0.0000001, -5.3, "Misses fall over the shift (Cochran-Armitage trend, p < 0.001)."),
        (0.001, 3.3, "Misses rise over the shift (Cochran-Armitage trend, p = 0.001)."),
        (0.06, 1.9, "No trend over the shift can be told (Cochran-Armitage, p = 0.06)."),
    ],
)
def test_what_a_trend_test_tells(p, z, words):
    hours = [Hour(number, Rate(5 + number, 40)) for number in range(3)]
    assert trend_words(hours, Trend(z, p)) == words


def test_a_rise_over_the_shift_is_named_with_its_test(line, reference, shown, ivy, ian, sam):
    line.shifts.create(name="day", starts_at=time(12), ends_at=time(20))
    people = [ivy, ian, make_person("ida", Role.INSPECTOR)]
    for hour in range(4):
        shift_answers(line, reference, shown, people, hour=hour, misses=1 + 4 * hour, n=30)
    report = gauge_report(Wanted(line), sam)
    assert trend_words(report.hours, report.trend).startswith(
        "Misses rise over the shift (Cochran-Armitage trend, p < 0.001)"
    )
    assert "hour 4" in hour_chart(report.hours)


# ---- Privacy


def test_others_go_by_pseudonyms_and_one_self_by_name(studied, ivy, ian, sam):
    mine = {row.name: row.own for row in inspector_rows(gauge_report(Wanted(studied.line), ivy))}
    assert mine["ivy"] is True
    assert mine[ian.pseudonym] is False
    assert not {"ivy", "ian"} & {row.name for row in inspector_rows(gauge_report(Wanted(studied.line), sam))}


def test_the_rows_tell_the_day_and_never_the_hour(studied, sam):
    head, *rows = trial_rows(gauge_report(Wanted(studied.line, study=studied), sam))
    assert head == ("part", "purpose", "study", "round", "inspector", "truth", "answer", "day")
    assert len(rows) == 54
    assert rows[0][1:4] == ("study", studied.pk, 1)
    assert {row[-1] for row in rows} == {"2026-03-03", "2026-03-04", "2026-03-05"}
