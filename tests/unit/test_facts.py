"""What the gates are told of a line: which parts are evidence, what each counts as, and how the line is doing."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from automation.actions.changing import write_policy
from automation.facts import evidence_pairs, facts_of, scratched_of
from automation.models import Policy, Routing
from automation.policies import in_force
from inspection import actions as floor
from inspection.models import Draw, Line, Origin, Shift
from monitoring.actions import close_alarm, open_alarm
from shadow.models import Prediction

BARS = {"pass_below": 0.1, "reject_from": 0.5}


@pytest.fixture
def known(shadowed, version):
    """The facts of line A now."""
    return lambda **fields: facts_of(shadowed, version, **fields)


def serials(line, version):
    return [pair.serial for pair in evidence_pairs(line, version)]


# ---- which parts are evidence


def test_blind_live_parts_are_evidence_in_arrival_order(shadowed, version, make_part, answer, judge, ivy, known):
    for serial, score, outcome in (("SN1", 0.05, "ok"), ("SN2", 0.9, "scratched"), ("SN3", 0.2, "ok")):
        answer(part := make_part(serial), version, score)
        judge(part, ivy, outcome)
    assert serials(shadowed, version) == ["SN1", "SN2", "SN3"]
    assert (known().scores, known().scratched) == ([0.05, 0.9, 0.2], [False, True, False])


def test_a_part_is_pending_until_it_is_judged(version, make_part, answer, known):
    answer(make_part(), version, 0.05)
    assert known().scratched == [None]


def test_parts_of_people_with_advice_are_none(line, version, set_level, make_part, answer, judge, ivy):
    """Trap 1: not drawn blind never counts, served or not."""
    set_level(line, "assist", version, blind_share=1e-9)
    answer(part := make_part(), version, 0.05)
    judge(part, ivy, "ok")
    assert evidence_pairs(line, version) == []


def test_a_part_drawn_blind_and_served_all_the_same_is_an_escape(version, make_part, answer, judge, ivy, known):
    """Trap 1: whatever the person then said."""
    answer(part := make_part(), version, 0.05)
    floor.claim(line=part.line, by=ivy)
    floor.note_model_output_shown(inspection=part, user=ivy, where="a leak")
    floor.record_verdict(inspection=part, by=ivy, lease=part.lease.token, outcome="ok")
    assert (known().scratched, known().served) == ([True], [True])


def test_a_serial_counts_once_by_its_first_live_inspection(shadowed, version, make_part, answer, judge, ivy, known):
    """Trap 5."""
    for score, outcome in ((0.3, "scratched"), (0.05, "ok"), (0.05, "ok")):
        answer(part := make_part("SN1"), version, score)
        judge(part, ivy, outcome)
    assert (known().scores, known().scratched) == ([0.3], [True])


def test_a_part_that_was_there_before_the_version_is_no_first(line, version, set_level, make_part, answer, judge, ivy):
    """Trap 5: a serial that people judged earlier cannot be sent again to be counted."""
    judge(make_part("SN1"), ivy, "ok")
    set_level(line, "shadow", version)
    answer(part := make_part("SN1"), version, 0.05)
    judge(part, ivy, "ok")
    assert evidence_pairs(line, version) == []


def test_an_imported_inspection_does_not_make_the_live_one_a_second(shadowed, version, make_part, answer):
    make_part("SN1", origin=Origin.IMPORTED)
    answer(make_part("SN1"), version, 0.05)
    assert serials(shadowed, version) == ["SN1"]


@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.SEEDED, Origin.REPLAY])
def test_other_origins_are_never_evidence(shadowed, version, make_part, answer, origin):
    """Trap 6."""
    answer(make_part(origin=origin), version, 0.05)
    assert evidence_pairs(shadowed, version) == []


def test_simulated_parts_are_evidence_on_a_demo_line_only(shadowed, version, make_part, answer):
    shadowed.demo = True
    shadowed.save()
    answer(make_part(origin=Origin.SIMULATED), version, 0.05)
    assert len(evidence_pairs(shadowed, version)) == 1
    Line.objects.update(demo=False)
    assert evidence_pairs(shadowed, version) == []


def test_retrospective_answers_are_never_evidence(shadowed, version, make_part, answer, judge, ivy):
    """Trap 6."""
    answer(part := make_part(), version, 0.05, retrospective=True)
    judge(part, ivy, "ok")
    assert evidence_pairs(shadowed, version) == []


def test_another_version_starts_from_zero(shadowed, version, other_version, make_part, answer):
    """Trap 8."""
    answer(make_part(), version, 0.05)
    assert evidence_pairs(shadowed, other_version) == []


def test_an_alarm_that_lowers_voids_the_evidence_and_it_starts_again(shadowed, version, make_part, answer):
    """Trap 8. A serial from before does not become a first one again."""
    answer(make_part("SN1"), version, 0.05)
    fields = {"level": "shadow", "version_id": version.pk}
    write_policy(
        line=shadowed, fields=fields, by="system", reason="an alarm", action="fell_back", now=timezone.now(),
        voids_evidence=True,
    )  # fmt: skip
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


def test_the_second_opinion_answers_for_an_unsure_one(version, make_part, answer, judge, ivy, ian, known):
    answer(part := make_part(), version, 0.05)
    judge(part, ivy, "unsure")
    assert known().scratched == [None]
    judge(part, ian, "scratched")
    assert known().scratched == [True]


def test_a_correction_before_anything_was_shown_counts(version, make_part, answer, judge, ivy, known):
    """Trap 10."""
    answer(part := make_part(), version, 0.05)
    floor.correct_verdict(verdict=judge(part, ivy, "scratched"), outcome="ok", reason="", by=ivy)
    assert known().scratched == [False]


@pytest.mark.parametrize("first", ["scratched", "unsure"])
def test_a_correction_after_model_output_was_shown_never_lowers_the_escapes(
    version, make_part, answer, judge, sam, ivy, known, first
):
    """Trap 10: from scratched to ok it changes nothing, and an unsure one stays pending."""
    answer(part := make_part(), version, 0.05)
    verdict = judge(part, ivy, first)
    floor.note_model_output_shown(inspection=part, user=sam, where="discrepancies")
    floor.correct_verdict(verdict=verdict, outcome="ok", reason="the model saw it rightly", by=sam)
    assert known().scratched == [True if first == "scratched" else None]


def test_a_part_sent_to_be_cleaned_is_answered_by_its_next_blind_inspection(
    shadowed, version, make_part, answer, judge, ivy, known
):
    answer(part := make_part("SN1"), version, 0.05)
    floor.claim(line=shadowed, by=ivy)
    floor.send_to_retake(inspection=part, by=ivy, lease=part.lease.token, reason="oil")
    assert known().scratched == [None]
    answer(again := make_part("SN1"), version, 0.7)
    judge(again, ivy, "scratched")
    assert (known().scores, known().scratched) == ([0.05], [True])


def test_a_pair_says_what_it_counts_as(shadowed, version, make_part, answer):
    answer(make_part(), version, 0.05)
    [pair] = evidence_pairs(shadowed, version)
    for outcome, counts_as in {"ok": False, "scratched": True, "unsure": None, None: None}.items():
        assert scratched_of(pair._replace(evidence_outcome=outcome)) is counts_as


# ---- how the line is doing


def test_without_a_version_nothing_is_known(line):
    assert facts_of(line, None).version is None
    assert facts_of(line, None).scores == ()


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
    answer(part := make_part(), version, 0.1, retrospective=True)
    assert (known().recent, known().latency) == (1, 0.0)
    answer(make_part(), version, 0.1, at=part.received_at + timedelta(seconds=7))
    assert known().latency == pytest.approx(7, abs=0.5)


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
    assert known().strata == [("cam-1", "p1"), ("", "")]


def test_the_facts_of_many_parts_take_few_queries(shadowed, version, make_evidence, ivy, django_assert_max_num_queries):
    make_evidence(shadowed, version, 300, 0.05, "ok", by=ivy)
    with django_assert_max_num_queries(20):
        assert len(facts_of(shadowed, version).scores) == 300
    assert in_force(shadowed) == Policy.objects.get()
    assert Draw.objects.count() == Prediction.objects.count() == 300
