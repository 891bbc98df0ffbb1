"""What the gates are told of a line: which parts are evidence, what each counts as, and how the line is doing."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from automation.actions.voiding import void_evidence
from automation.counts import Tally
from automation.evidence import lower_bound
from automation.facts import evidence_start, facts_of
from automation.gates import Limits, certificate_gate, sensitivity_gate
from automation.models import Policy, Routing
from automation.policies import in_force
from inspection import actions as floor
from inspection.actions.disguise import show_again
from inspection.models import Draw, Inspection, Origin, Purpose, Reference, SeededPart, Shift, Study, Verdict
from inspection.roles import Role
from monitoring.actions import close_alarm, open_alarm
from shadow.comparisons import counts_as
from shadow.models import Comparison, ModelVersion, Prediction, TrainingPart
from shadow.rollups import up_to_date
from tests.conftest import make_person

BARS = {"pass_below": 0.1, "reject_from": 0.5}


@pytest.fixture
def known(shadowed, version):
    """The facts of line A now."""
    return lambda **fields: facts_of(shadowed, version, **fields)


def evidence(line, version):
    """(serial, score, what it counts as) of the evidence that holds now, in arrival order."""
    up_to_date([line])
    rows = Comparison.objects.filter(line=line, version=version).exclude(evidence="")
    if start := evidence_start(line, version):
        rows = rows.filter(received_at__gte=start)
    return list(rows.order_by("received_at").values_list("inspection__serial", "score", "evidence"))


def serials(line, version):
    return [serial for serial, _, _ in evidence(line, version)]


@pytest.fixture
def words(shadowed, version):
    """What each part counts as."""
    return lambda: [word for _, _, word in evidence(shadowed, version)]


# ---- which parts are evidence


def test_blind_live_parts_are_evidence_in_arrival_order(shadowed, version, make_part, answer, judge, ivy, known, words):
    for serial, score, outcome in (("SN1", 0.05, "ok"), ("SN2", 0.9, "scratched"), ("SN3", 0.2, "ok")):
        answer(part := make_part(serial), version, score)
        judge(part, ivy, outcome)
    assert serials(shadowed, version) == ["SN1", "SN2", "SN3"]
    assert words() == ["ok", "scratched", "ok"]
    assert known().evidence.below(0.3) == Tally(ok=2)


def test_a_part_is_pending_until_it_is_judged(version, make_part, answer, words):
    answer(make_part(), version, 0.05)
    assert words() == ["pending"]


def test_parts_of_people_with_advice_are_none(line, version, set_level, make_part, answer, judge, ivy):
    """Trap 1: not drawn blind never counts, served or not."""
    set_level(line, "assist", version, blind_share=1e-9)
    answer(part := make_part(), version, 0.05)
    judge(part, ivy, "ok")
    assert evidence(line, version) == []


def test_a_part_drawn_blind_and_served_all_the_same_is_an_escape(version, make_part, answer, judge, ivy, words):
    """Trap 1: whatever the person then said."""
    answer(part := make_part(), version, 0.05)
    floor.claim(line=part.line, by=ivy)
    floor.note_model_output_shown(inspection=part, user=ivy, where="a leak")
    floor.record_verdict(inspection=part, by=ivy, lease=part.lease.token, outcome="ok")
    assert words() == ["served"]


def test_a_serial_counts_once_by_its_first_live_inspection(shadowed, version, make_part, answer, judge, ivy):
    """Trap 5."""
    for score, outcome in ((0.3, "scratched"), (0.05, "ok"), (0.05, "ok")):
        answer(part := make_part("SN1"), version, score)
        judge(part, ivy, outcome)
    assert evidence(shadowed, version) == [("SN1", 0.3, "scratched")]


def test_a_part_that_was_there_before_the_version_is_no_first(line, version, set_level, make_part, answer, judge, ivy):
    """Trap 5: a serial that people judged earlier cannot be sent again to be counted."""
    judge(make_part("SN1"), ivy, "ok")
    set_level(line, "shadow", version)
    answer(part := make_part("SN1"), version, 0.05)
    judge(part, ivy, "ok")
    assert evidence(line, version) == []


def test_an_imported_inspection_does_not_make_the_live_one_a_second(shadowed, version, make_part, answer):
    make_part("SN1", origin=Origin.IMPORTED)
    answer(make_part("SN1"), version, 0.05)
    assert serials(shadowed, version) == ["SN1"]


@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.SEEDED, Origin.REPLAY])
def test_other_origins_are_never_evidence(shadowed, version, make_part, answer, origin):
    """Trap 6."""
    answer(make_part(origin=origin), version, 0.05)
    assert evidence(shadowed, version) == []


def test_simulated_parts_are_evidence_on_a_demo_line_only(shadowed, version, make_part, answer):
    shadowed.demo = True
    shadowed.save()
    answer(make_part(origin=Origin.SIMULATED), version, 0.05)
    assert len(evidence(shadowed, version)) == 1
    shadowed.demo = False
    shadowed.save()
    assert evidence(shadowed, version) == []


def test_retrospective_answers_are_never_evidence(shadowed, version, make_part, answer, judge, ivy):
    """Trap 6."""
    answer(part := make_part(), version, 0.05, retrospective=True)
    judge(part, ivy, "ok")
    assert evidence(shadowed, version) == []


def test_another_version_starts_from_zero(shadowed, version, other_version, make_part, answer):
    """Trap 8."""
    answer(make_part(), version, 0.05)
    assert evidence(shadowed, other_version) == []


def test_an_alarm_that_lowers_voids_the_evidence_and_it_starts_again(shadowed, version, make_part, answer):
    """Trap 8. A serial from before does not become a first one again."""
    answer(make_part("SN1"), version, 0.05)
    void_evidence(line=shadowed, version=version, reason="an alarm", now=timezone.now())
    answer(make_part("SN1"), version, 0.05)
    answer(make_part("SN2"), version, 0.05)
    assert serials(shadowed, version) == ["SN2"]


def test_at_partial_only_the_drawn_share_counts(line, version, set_level, make_part, answer, judge, ivy, monkeypatch):
    """Trap 9: the labels of escalated parts alone would show a model that misses nothing."""
    drawn = {"u": 0.0}
    monkeypatch.setattr("automation.policies.draw", lambda purpose, part: drawn["u"])
    set_level(line, "partial", version, **BARS, audit_share=0.5)
    for serial, score, u in (("A", 0.05, 0.4), ("B", 0.05, 0.6), ("C", 0.3, 0.4), ("D", 0.3, 0.6)):
        drawn["u"] = u
        answer(part := make_part(serial), version, score)
        if part.state != "decided":
            judge(part, ivy, "scratched" if score > 0.1 else "ok")
    assert serials(line, version) == ["A", "C"]  # the audited pass and the drawn escalation; D is judged, and none


# ---- what a judged part counts as


def test_the_second_opinion_answers_for_an_unsure_one(version, make_part, answer, judge, ivy, ian, words):
    answer(part := make_part(), version, 0.05)
    judge(part, ivy, "unsure")
    assert words() == ["pending"]
    judge(part, ian, "scratched")
    assert words() == ["scratched"]


def test_a_correction_before_anything_was_shown_counts(version, make_part, answer, judge, ivy, words):
    """Trap 10."""
    answer(part := make_part(), version, 0.05)
    floor.correct_verdict(verdict=judge(part, ivy, "scratched"), outcome="ok", reason="", by=ivy)
    assert words() == ["ok"]


@pytest.mark.parametrize("first", ["scratched", "unsure"])
def test_a_correction_after_model_output_was_shown_never_lowers_the_escapes(
    version, make_part, answer, judge, sam, ivy, words, first
):
    """Trap 10: from scratched to ok it changes nothing, and an unsure one stays pending."""
    answer(part := make_part(), version, 0.05)
    verdict = judge(part, ivy, first)
    floor.note_model_output_shown(inspection=part, user=sam, where="discrepancies")
    floor.correct_verdict(verdict=verdict, outcome="ok", reason="the model saw it rightly", by=sam)
    assert words() == ["scratched" if first == "scratched" else "pending"]


def test_a_part_sent_to_be_cleaned_is_answered_by_its_next_blind_inspection(
    shadowed, version, make_part, answer, judge, ivy, words
):
    answer(part := make_part("SN1"), version, 0.05)
    floor.claim(line=shadowed, by=ivy)
    floor.send_to_retake(inspection=part, by=ivy, lease=part.lease.token, reason="oil")
    assert words() == ["pending"]
    answer(again := make_part("SN1"), version, 0.7)
    judge(again, ivy, "scratched")
    assert evidence(shadowed, version) == [("SN1", 0.05, "scratched")]


@pytest.mark.parametrize(
    ("said", "served", "audited", "word"),
    [
        ("ok", False, False, "ok"), ("scratched", False, True, "scratched"), ("unsure", False, False, "pending"),
        ("unsure", False, True, "unsure"), (None, False, False, "pending"), (None, False, True, "due"),
        ("ok", True, False, "served"), (None, True, True, "served"),
    ],
)  # fmt: skip
def test_a_blind_part_counts_as(said, served, audited, word):
    assert counts_as(said, served=served, audited=audited) == word


def test_an_audit_that_waits_too_long_is_an_escape(line, version, set_level, make_part, answer):
    set_level(line, "partial", version, **BARS, audit_share=1.0)
    answer(make_part(), version, 0.05)
    assert facts_of(line, version).evidence.below(0.1) == Tally(due=1)
    late = facts_of(line, version, now=timezone.now() + timedelta(hours=25))
    assert late.evidence.below(0.1) == Tally(unsure=1)


# ---- what inspectors find of the seeded scratches


@pytest.fixture
def seed(line, make_part, ian, sam):
    """A reference shown again: `seed("scratched")` is the seeded inspection; `of=` another one shows its source again."""

    def make(truth="scratched", *, of=None, purpose=Purpose.REFERENCE, **fields) -> Inspection:
        source = of.seeded.source if of else make_part()
        if not of:
            lease = floor.claim(line=line, by=ian, serial=source.serial)
            floor.record_verdict(inspection=source, by=ian, lease=lease.token, outcome=truth)
            floor.keep_reference(inspection=source, truth=truth, reason="measured", by=sam)
        known = {"truth": "" if purpose == Purpose.REPEAT else truth} | fields
        return show_again(source=source, purpose=purpose, by="system", now=timezone.now(), **known).inspection

    return make


def test_a_seeded_scratch_counts_as_found_or_not(version, seed, answer, judge, ivy, known):
    for score, outcome in ((0.05, "scratched"), (0.2, "ok"), (0.9, "unsure")):
        answer(part := seed(), version, score)
        judge(part, ivy, outcome)
        floor.withdraw_seeds(now=timezone.now() + timedelta(hours=2))
    assert known().seeds == [(0.05, True), (0.2, False), (0.9, False)]
    assert (known().evidence.parts, known().recent) == (0, 0), "it tells of people, never of the model"


def test_a_good_seed_and_one_of_unknown_truth_tell_nothing_of_scratches(version, seed, answer, judge, ivy, known):
    good, scratch, other = seed("ok"), seed(), seed()
    Inspection.objects.filter(pk__in=[scratch.pk, other.pk]).update(state="closed")  # never judged as references
    repeat, look = seed(of=scratch, purpose=Purpose.REPEAT), seed(of=other, purpose=Purpose.SECOND_LOOK)
    for part in (good, repeat, look):
        answer(part, version, 0.05)
        judge(part, ivy, "scratched")
    assert known().seeds == []


def test_trials_of_a_study_count_too(line, version, seed, answer, judge, ivy, sam, known):
    study = Study.objects.create(line=line, name="May", by=sam)
    part = seed(purpose=Purpose.STUDY, study=study, round=1, reserved_for=ivy)
    answer(part, version, 0.05)
    judge(part, ivy, "scratched")
    assert known().seeds == [(0.05, True)]


def test_a_source_counts_once_with_the_first_verdict_on_it(version, seed, answer, judge, ivy, known):
    """Ten people who miss one hairline are not ten pieces of evidence."""
    answer(first := seed(), version, 0.05)
    judge(first, ivy, "ok")
    for person in (ivy, make_person("una", Role.INSPECTOR)):
        answer(again := seed(of=first), version, 0.07)
        judge(again, person, "scratched")
    assert known().seeds == [(0.05, False)]


def test_whoever_judged_the_part_behind_it_is_not_measured_by_it(version, seed, answer, judge, ian, ivy, known):
    """They found it once: that they find it again says nothing of scratches that nobody finds."""
    answer(part := seed(), version, 0.05)
    judge(part, ian, "scratched")
    assert known().seeds == []
    answer(again := seed(of=part), version, 0.05)
    judge(again, ivy, "ok")
    assert known().seeds == [(0.05, False)]


def test_an_unsure_one_is_not_found_whoever_looks_after(version, seed, answer, judge, ivy, known):
    answer(part := seed(), version, 0.05)
    judge(part, ivy, "unsure")
    judge(part, make_person("una", Role.INSPECTOR), "scratched")
    assert known().seeds == [(0.05, False)]


def test_a_version_trained_on_the_line_is_not_measured_by_what_was_no_reference_then(
    line, seed, answer, judge, ivy, shadowed
):
    later = ModelVersion(
        name="v9", weights_sha256="9" * 64, threshold=0.5, thresholds=[0.5], by="x", card={"sources": ["line line-a, split a"]}
    )  # fmt: skip
    part = seed()  # its part is judged before the version is registered, and kept as a reference after it
    later.at = part.seeded.source.reference.at - timedelta(microseconds=1)
    Inspection.objects.filter(pk=part.seeded.source_id).update(received_at=later.at - timedelta(hours=1))
    later.save()
    answer(part, later, 0.05)
    judge(part, ivy, "scratched")
    assert facts_of(line, later).seeds == []
    other = ModelVersion.objects.create(
        name="v8", weights_sha256="8" * 64, threshold=0.5, thresholds=[0.5], by="x", card={"sources": ["photos.csv"]}
    )
    answer(part, other, 0.05)
    assert facts_of(line, other).seeds == [(0.05, True)]


def test_an_undo_counts_and_a_supervisors_correction_does_not(version, seed, answer, judge, ivy, sam, known):
    """A supervisor knows the truth: their correction tells nothing of what the inspector saw."""
    answer(part := seed(), version, 0.05)
    verdict = judge(part, ivy, "ok")
    floor.correct_verdict(verdict=verdict, outcome="scratched", reason="it is", by=sam)
    assert known().seeds == [(0.05, False)]
    floor.correct_verdict(verdict=verdict, outcome="unsure", reason="", by=ivy)
    assert known().seeds == [(0.05, False)]
    floor.correct_verdict(verdict=verdict, outcome="scratched", reason="", by=ivy)
    assert known().seeds == [(0.05, True)]


@pytest.mark.parametrize("of_source", [True, False])
def test_whoever_was_served_the_models_answer_is_not_measured(version, seed, answer, ivy, known, of_source):
    answer(part := seed(), version, 0.05)
    lease = floor.claim(line=part.line, by=ivy)
    floor.note_model_output_shown(inspection=part.seeded.source if of_source else part, user=ivy, where="a leak")
    floor.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="scratched")
    assert known().seeds == []


def test_a_cleaned_part_is_no_answer(version, seed, answer, ivy, known):
    answer(part := seed(), version, 0.05)
    lease = floor.claim(line=part.line, by=ivy)
    floor.send_to_retake(inspection=part, by=ivy, lease=lease.token, reason="oil")
    assert known().seeds == []


def test_the_score_is_the_versions_own_on_the_seeded_part_or_on_the_one_behind_it(
    version, other_version, seed, answer, judge, ivy, known, shadowed
):
    judge(part := seed(), ivy, "scratched")
    assert known().seeds == []
    answer(part.seeded.source, version, 0.3, retrospective=True)
    assert known().seeds == [(0.3, True)]
    answer(part, version, 0.2)
    assert known().seeds == [(0.2, True)]
    assert facts_of(shadowed, other_version).seeds == []


@pytest.mark.parametrize(("score", "novelty"), [(None, None), (0.05, 1.5)])
def test_a_part_that_the_version_cannot_score_is_left_out(version, seed, answer, judge, ivy, known, score, novelty):
    answer(part := seed(), version, score, novelty=novelty)
    judge(part, ivy, "scratched")
    assert known().seeds == []


def test_a_part_that_the_version_was_taught_is_left_out(version, seed, answer, judge, ivy, sam, known):
    answer(part := seed(), version, 0.05)
    judge(part, ivy, "scratched")
    taught = {"inspection": part.seeded.source, "reason": "why", "by": sam}
    TrainingPart.objects.create(label="scratched", at=version.at - timedelta(hours=2), **taught)
    assert known().seeds == []
    TrainingPart.objects.create(label="", at=version.at - timedelta(hours=1), **taught)
    assert known().seeds == [(0.05, True)]


def test_what_is_taught_to_the_next_version_measures_this_one_still(
    version, seed, answer, judge, ivy, sam, known, shadowed
):
    """Else the hard ones, which people miss, could be taken out once they were missed."""
    answer(part := seed(), version, 0.05)
    judge(part, ivy, "ok")
    TrainingPart.objects.create(inspection=part.seeded.source, label="scratched", reason="a hard one", by=sam)
    assert known().seeds == [(0.05, False)]
    following = ModelVersion.objects.create(
        name="v9", weights_sha256="9" * 64, threshold=0.5, thresholds=[0.5], by="ada"
    )
    answer(part, following, 0.05)
    assert facts_of(shadowed, following).seeds == []


def test_a_part_that_turned_out_to_be_good_is_left_out(version, seed, answer, judge, ivy, ada, known):
    answer(part := seed(), version, 0.05)
    judge(part, ivy, "ok")
    floor.retire_reference(reference=part.seeded.source.reference, by=ada)
    assert known().seeds == [(0.05, False)], "what was judged of it stays"
    floor.keep_reference(inspection=part.seeded.source, truth="ok", reason="measured anew", by=ada)
    assert known().seeds == []


@pytest.fixture
def make_seeds(line, ivy, ian, version):
    """Seeded scratches in one go, so many of them found by ivy: `make_seeds(80, found=40)`."""

    def make(count: int, *, found: int, score: float = 0.05) -> None:
        now = timezone.now()

        def rows(word, **fields):
            return Inspection.objects.bulk_create(
                Inspection(line=line, serial=f"{word}{n}", captured_at=now, hold_until=now, state="decided", **fields)
                for n in range(count)
            )

        sources, parts = rows("K", origin=Origin.IMPORTED), rows("S", origin=Origin.SEEDED)
        both = list(zip(sources, parts, strict=True))
        Reference.objects.bulk_create(Reference(inspection=row, truth="scratched", by=ian) for row in sources)
        SeededPart.objects.bulk_create(
            SeededPart(inspection=part, source=source, purpose="reference", truth="scratched", by="system")
            for source, part in both
        )
        Verdict.objects.bulk_create(
            Verdict(inspection=part, inspector=ivy, outcome="scratched" if n < found else "ok")
            for n, part in enumerate(parts)
        )
        Prediction.objects.bulk_create(
            Prediction(inspection=part, version=version, score=score, outcome="ok") for part in parts
        )

    return make


def test_seeds_open_the_sensitivity_gate_with_its_time_uniform_bound(shadowed, version, make_seeds, known):
    assert not sensitivity_gate(known(), Limits(), 0.1).met
    make_seeds(80, found=60)
    make_seeds(500, found=500, score=0.9)  # those that the version rejects are easy, and prove nothing
    gate = sensitivity_gate(known(), Limits(), 0.1)
    assert gate.met
    assert (gate.figures["seeds"], gate.figures["found"]) == (80, 60)
    assert gate.figures["sensitivity_at_least"] == lower_bound(80, 60, 0.01)


def test_a_certificate_of_half_blind_inspectors_is_refused(shadowed, version, make_evidence, make_seeds, ivy, known):
    """Trap 3: what sharp-eyed people would certify does not stand when seeds show that half of the scratches are missed."""
    make_evidence(shadowed, version, 1200, 0.01, "ok", by=ivy)
    assert certificate_gate(known(), Limits(sensitivity_from_seeds=False), 0.1).met
    assert not certificate_gate(known(), Limits(), 0.1).met, "nothing is known of the inspectors yet"
    make_seeds(200, found=100)
    gate = certificate_gate(known(), Limits(), 0.1)
    assert not gate.met
    assert gate.figures["alpha"] == pytest.approx(0.005 * lower_bound(200, 100, 0.01))
    assert gate.figures["alpha"] < 0.0025


def test_a_certificate_of_inspectors_who_see_nearly_all_stands(
    shadowed, version, make_evidence, make_seeds, ivy, known
):
    make_evidence(shadowed, version, 1200, 0.01, "ok", by=ivy)
    make_seeds(200, found=197)
    assert certificate_gate(known(), Limits(), 0.1).met


# ---- how the line is doing


def test_without_a_version_nothing_is_known(line):
    assert facts_of(line, None).version is None
    assert facts_of(line, None).evidence.parts == 0


def test_nulls_are_counted_over_the_last_answers(version, make_part, answer, known):
    assert (known().recent, known().latency) == (0, None)
    for score in (0.1, None, 0.1):
        answer(make_part(), version, score)
    assert (known().recent, known().recent_nulls) == (3, 1)


def test_latency_is_the_95th_percentile_of_live_answers(version, make_part, answer, known):
    for seconds in (1, 1, 9):
        part = make_part()
        answer(part, version, 0.1, at=part.received_at + timedelta(seconds=seconds))
    assert known().latency == pytest.approx(8.2)


def test_replayed_answers_tell_of_nulls_and_not_of_latency(version, make_part, answer, known):
    answer(make_part(), version, 0.1, retrospective=True)
    assert (known().recent, known().latency) == (1, 0.0)
    answer(live := make_part(), version, 0.1, at=live.received_at + timedelta(seconds=7))
    assert known().latency == pytest.approx(7)


def test_days_and_shifts_are_those_of_the_lines_clock(line, version, make_evidence, ivy):
    line.time_zone = "Asia/Shanghai"
    line.save()
    Shift.objects.create(line=line, name="Night", starts_at=time(22), ends_at=time(6))
    Shift.objects.create(line=line, name="Day", starts_at=time(6), ends_at=time(22))
    shanghai = ZoneInfo("Asia/Shanghai")
    moments = [datetime(2026, 3, 2, 23, tzinfo=shanghai), datetime(2026, 3, 3, 1, tzinfo=shanghai)]  # one night
    moments += [datetime(2026, 3, 3, 7, tzinfo=shanghai), datetime(2026, 3, 3, 12, tzinfo=shanghai)]  # one day
    make_evidence(line, version, 4, 0.05, "ok", by=ivy, moments=moments)
    facts = facts_of(line, version)
    assert (facts.shifts, facts.days) == (2, 2)


def test_the_days_held_count_from_when_the_machine_decides_with_this_version(line, version, other_version, set_level):
    now = timezone.now()

    def held(moment, tested=version):
        return facts_of(line, tested, now=moment).held_days

    set_level(line, "assist", version)
    assert held(now + timedelta(days=2)) == 0
    set_level(line, "partial", version, **BARS)
    set_level(line, "partial", version, **BARS, audit_share=0.3)
    assert held(now + timedelta(days=2)) == pytest.approx(2, abs=0.01)
    assert held(now + timedelta(days=2), other_version) == 0
    set_level(line, "assist", version)
    assert held(now + timedelta(days=2)) == 0


def test_escalations_are_counted_among_what_was_left_to_the_score(line, version, set_level, make_part, answer, ada):
    """Parts outside the canary share would hide a wide band."""
    set_level(line, "assist", version, blind_share=1e-9)
    answer(make_part(), version, 0.3)
    set_level(line, "partial", version, **BARS)
    for score in (0.05, 0.9, 0.3, None):
        answer(make_part(), version, score)
    assert Routing.objects.count() == 5
    assert facts_of(line, version).escalated == pytest.approx(1 / 3)


def test_audits_are_judged_when_somebody_could_tell(line, version, set_level, make_part, answer, judge, ivy):
    set_level(line, "partial", version, **BARS, audit_share=1.0)
    parts = [make_part() for _ in range(3)]
    for part in parts:
        answer(part, version, 0.05)
    judge(parts[0], ivy, "ok")
    judge(parts[1], ivy, "unsure")
    facts = facts_of(line, version)
    assert (facts.audits_due, facts.audits_judged) == (3, 1)


def test_open_critical_alarms_are_counted_and_closed_ones_are_not(shadowed, known, sam):
    open_alarm(line=shadowed, rule="dust", severity="warning", message="Dust.")
    alarm = open_alarm(line=shadowed, rule="null rate", severity="critical", message="Nulls.")
    assert known().critical_alarms == 1
    close_alarm(alarm=alarm, by=sam, comment="A cable.")
    assert known().critical_alarms == 0


def test_strata_are_station_and_variant(shadowed, version, station, make_part, answer, known):
    answer(make_part(station="cam-1", variant="P1"), version, 0.05)
    answer(make_part(), version, 0.05)
    assert known().evidence.strata == [("", ""), ("cam-1", "p1")]


def test_the_facts_of_many_parts_take_few_queries(shadowed, version, make_evidence, ivy, django_assert_max_num_queries):
    make_evidence(shadowed, version, 300, 0.05, "ok", by=ivy)
    up_to_date([shadowed])
    with django_assert_max_num_queries(22):
        assert facts_of(shadowed, version).evidence.parts == 300
    assert in_force(shadowed) == Policy.objects.get()
    assert Draw.objects.count() == Prediction.objects.count() == 300
