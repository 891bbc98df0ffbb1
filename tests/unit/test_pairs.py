"""Pairs: what counts as outcome, as evidence and as blind, row by row."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inspection import actions
from inspection.models import Draw, Line, Origin, Verdict
from inspection.models.judgement import Occasion
from shadow.models import ModelVersion, Prediction
from shadow.pairs import pairs


@pytest.fixture
def version(db):
    return ModelVersion.objects.create(
        name="starter", weights_sha256="0" * 64, threshold=0.5, thresholds=[0.1, 0.2], by="ada"
    )


@pytest.fixture
def answer(version):
    """Writes the version's answer on a part, and whether the part was drawn blind."""

    def write(part, score=0.1, *, blind=True, **fields):
        if blind is not None:
            Draw.objects.create(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=blind)
        outcome = "" if score is None else "scratched" if score >= 0.5 else "ok"
        reason = "blank photo" if score is None else ""
        return Prediction.objects.create(
            inspection=part, version=version, score=score, outcome=outcome, null_reason=reason, **fields
        )

    return write


@pytest.fixture
def only(version):
    """The one pair there is."""

    def pair():
        [found] = pairs(version=version)
        return found

    return pair


def show(part, user, moment=None):
    actions.note_model_output_shown(inspection=part, user=user, where="test", now=moment)


def test_a_prediction_without_a_verdict_is_a_pair_that_waits(make_part, answer, only):
    answer(make_part("SN1"), 0.2)
    pair = only()
    assert (pair.serial, pair.predicted) == ("SN1", "ok")
    assert pair.outcome is pair.evidence_outcome is pair.cell is None


@pytest.mark.parametrize(
    ("verdict", "score", "cell"),
    [
        ("ok", 0.1, "both_ok"), ("ok", 0.9, "overkill"),
        ("scratched", 0.1, "escape"), ("scratched", 0.9, "both_scratched"),
    ],
)  # fmt: skip
def test_the_four_cells(make_part, answer, only, judge, ivy, verdict, score, cell):
    part = make_part()
    answer(part, score)
    judge(part, ivy, verdict)
    pair = only()
    assert pair.cell == cell
    assert pair.differs is (cell in ("overkill", "escape"))
    assert (pair.inspector_id, pair.outcome, pair.evidence_outcome) == (ivy.pk, verdict, verdict)


def test_a_null_prediction_has_a_reason_and_no_cell(make_part, answer, only, judge, ivy):
    part = make_part()
    answer(part, None)
    judge(part, ivy, "ok")
    pair = only()
    assert (pair.score, pair.predicted, pair.null_reason, pair.cell) == (None, None, "blank photo", None)


def test_the_last_correction_holds(make_part, answer, only, judge, ivy, sam):
    part = make_part()
    answer(part)
    verdict = judge(part, ivy, "ok")
    actions.correct_verdict(verdict=verdict, outcome="scratched", reason="", by=ivy)
    actions.correct_verdict(verdict=verdict, outcome="ok", reason="dust", by=sam)
    pair = only()
    assert (pair.outcome, pair.evidence_outcome, pair.inspector_id) == ("ok", "ok", ivy.pk)


def test_undo_before_the_model_was_served_counts_everywhere(make_part, answer, only, judge, ivy):
    part = make_part()
    answer(part)
    actions.correct_verdict(verdict=judge(part, ivy, "scratched"), outcome="ok", reason="", by=ivy)
    assert (only().outcome, only().evidence_outcome) == ("ok", "ok")


def test_a_correction_after_the_model_was_served_changes_the_report_and_not_the_evidence(
    make_part, answer, only, judge, ivy, sam
):
    part = make_part()
    answer(part)
    verdict = judge(part, ivy, "scratched")
    show(part, sam)
    actions.correct_verdict(verdict=verdict, outcome="ok", reason="the model says ok", by=sam)
    pair = only()
    assert (pair.outcome, pair.evidence_outcome, pair.evidence_kind) == ("ok", "scratched", "blind")


def test_a_judge_who_has_seen_the_model_cannot_have_a_colleague_correct_the_evidence(
    make_part, answer, only, judge, ivy, sam
):
    part = make_part()
    answer(part)
    verdict = judge(part, ivy, "scratched")
    show(part, ivy)
    actions.correct_verdict(verdict=verdict, outcome="ok", reason="ivy asked", by=sam)
    assert (only().outcome, only().evidence_outcome) == ("ok", "scratched")


def test_unsure_alone_is_no_outcome(make_part, answer, only, judge, ivy):
    part = make_part()
    answer(part)
    judge(part, ivy, "unsure")
    assert (only().outcome, only().evidence_outcome, only().cell) == ("unsure", "unsure", None)


def test_a_second_opinion_decides_and_is_evidence_while_blind(make_part, answer, only, judge, ivy, ian):
    part = make_part()
    answer(part)
    judge(part, ivy, "unsure")
    judge(part, ian, "scratched")
    pair = only()
    assert (pair.outcome, pair.evidence_outcome, pair.inspector_id) == ("scratched", "scratched", ian.pk)
    assert pair.evidence_kind == "blind"


def test_a_second_judge_who_was_served_is_no_evidence(make_part, answer, only, judge, ivy, ian):
    part = make_part()
    answer(part)
    judge(part, ivy, "unsure")
    lease = actions.claim(line=part.line, by=ian)
    show(part, ian)
    actions.record_verdict(inspection=part, by=ian, lease=lease.token, outcome="ok")
    pair = only()
    assert (pair.outcome, pair.evidence_outcome) == ("ok", "unsure")
    assert (pair.served_before, pair.evidence_kind) == (True, "assisted")


def test_the_first_judge_stays_the_evidence_when_others_follow(make_part, answer, only, judge, ivy, ian):
    part = make_part()
    answer(part)
    verdict = judge(part, ivy, "scratched")
    show(part, ivy)
    actions.correct_verdict(verdict=verdict, outcome="unsure", reason="", by=ivy)
    judge(part, ian, "ok")
    assert (only().outcome, only().evidence_outcome) == ("ok", "scratched")


def test_a_verdict_after_advice_is_nobodys_control(make_part, answer, only, judge, ivy):
    part = make_part()
    answer(part)
    judge(part, ivy, "scratched")
    show(part, ivy)
    Verdict.objects.create(inspection=part, inspector=ivy, outcome="ok", occasion=Occasion.ADVISED)
    assert (only().outcome, only().evidence_outcome, only().evidence_kind) == ("scratched", "scratched", "blind")


def test_served_before_the_verdict_is_assisted(make_part, answer, only, judge, ivy):
    part = make_part()
    answer(part)
    lease = actions.claim(line=part.line, by=ivy)
    show(part, ivy)
    actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="ok")
    assert (only().served_before, only().evidence_kind) == (True, "assisted")


def test_served_at_the_same_moment_counts_as_before(make_part, answer, only, ivy):
    part, now = make_part(), timezone.now()
    answer(part)
    lease = actions.claim(line=part.line, by=ivy)
    show(part, ivy, now)
    actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="ok", now=now)
    assert only().served_before


@pytest.mark.parametrize("who", ["judge afterwards", "somebody else before"])
def test_served_to_another_or_later_stays_blind(make_part, answer, only, judge, ivy, sam, who):
    part = make_part()
    answer(part)
    if who == "somebody else before":
        show(part, sam)
    judge(part, ivy, "ok")
    if who == "judge afterwards":
        show(part, ivy)
    assert (only().served_before, only().evidence_kind) == (False, "blind")


@pytest.mark.parametrize("blind", [False, None])
def test_not_drawn_is_assisted_even_unserved(make_part, answer, only, judge, ivy, blind):
    part = make_part()
    answer(part, blind=blind)
    judge(part, ivy, "ok")
    assert only().evidence_kind == "assisted"


@pytest.mark.parametrize(
    ("origin", "demo", "kind"),
    [
        (Origin.LIVE, False, "blind"), (Origin.SIMULATED, True, "blind"), (Origin.SIMULATED, False, "retrospective"),
        (Origin.IMPORTED, False, "retrospective"), (Origin.REPLAY, True, "retrospective"),
        (Origin.SEEDED, True, "seeded"),
    ],
)  # fmt: skip
def test_only_live_parts_are_blind_evidence(make_part, answer, only, judge, ivy, line, origin, demo, kind):
    line.demo = True  # the intake takes simulated parts there only
    part = make_part(origin=origin)
    Line.objects.filter(pk=line.pk).update(demo=demo)
    answer(part)
    judge(part, ivy, "ok")
    assert (only().evidence_kind, only().live) == (kind, kind == "blind")


def test_a_replayed_prediction_is_retrospective(make_part, answer, only, judge, ivy):
    part = make_part()
    answer(part, retrospective=True)
    judge(part, ivy, "ok")
    assert only().evidence_kind == "retrospective"


def test_an_imported_label_counts_without_an_inspector(make_part, answer, only):
    part = make_part(origin=Origin.IMPORTED)
    actions.import_history(inspection=part, label="scratched", by="ada")
    answer(part, 0.9, blind=None)
    pair = only()
    assert (pair.cell, pair.inspector_id, pair.evidence_kind) == ("both_scratched", None, "retrospective")


def test_pairs_come_by_arrival_and_within_the_span(make_part, answer, version, line):
    now = timezone.now()
    for days, serial in ((3, "old"), (1, "new"), (2, "middle")):
        answer(make_part(serial, now=now - timedelta(days=days)))
    assert [pair.serial for pair in pairs(line=line, version=version)] == ["old", "middle", "new"]
    span = {"start": now - timedelta(days=2), "end": now - timedelta(days=1)}
    assert [pair.serial for pair in pairs(version=version, **span)] == ["middle"]


def test_another_line_or_version_is_another_set(make_part, answer, version, line):
    answer(make_part())
    other_line = Line.objects.create(slug="line-b", name="Line B")
    other = ModelVersion.objects.create(name="other", weights_sha256="1" * 64, threshold=0.5, thresholds=[], by="ada")
    assert len(pairs(line=line, version=version)) == 1
    assert pairs(line=other_line, version=version) == pairs(line=line, version=other) == []


def test_many_pairs_take_as_many_queries_as_one(make_part, answer, version, judge, ivy, django_assert_num_queries):
    for _ in range(4):
        part = make_part()
        answer(part)
        judge(part, ivy, "ok")
        show(part, ivy)
    with django_assert_num_queries(5):
        assert len(pairs(version=version)) == 4
