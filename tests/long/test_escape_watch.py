"""The watch over audited passes: each is fed once, in order, whoever restarts; an alarm lowers the line in the same sweep."""

from datetime import timedelta

import pytest
from django.utils import timezone

from automation import policies
from automation.actions import apply_fallbacks, escapes, watch_escapes
from automation.audits import Audits, audits_of, told_after
from automation.evidence import BurstDetector, EscapeDetector, e_harm, smallest_burst
from automation.facts import facts_of
from automation.models import EscapeWatch, Policy, Void
from automation.tasks import sweep
from inspection import actions as floor
from inspection.models import Correction, Inspection, Line, ModelOutputShown, Verdict
from monitoring.actions import close_alarm
from monitoring.models import Alarm

BARS = {"pass_below": 0.1, "reject_from": 0.5}
FEW = {"alpha": 0.2, "sensitivity_from_seeds": False}  # so that few parts are enough
BURST = smallest_burst(0.005)


@pytest.fixture
def partial(line, version, set_level):
    """Line A at partial; every decision of the machine is audited."""
    set_level(line, "partial", version, **BARS, audit_share=1.0)
    return line


@pytest.fixture
def watch(later):
    """A look when nothing that was judged until now can be undone any more."""
    return lambda seconds=31: watch_escapes(now=later(seconds))


def row() -> EscapeWatch:
    return EscapeWatch.objects.get()


def counters() -> tuple[int, int, int]:
    return row().judged, row().passes, row().escapes


def fed(alpha, outcomes) -> tuple[dict, dict]:
    """The state of two detectors that were fed by hand."""
    slow, burst = EscapeDetector(alpha), BurstDetector(alpha)
    for escaped in outcomes:
        slow.update(escaped)
        burst.update(escaped)
    return slow.to_json(), burst.to_json()


def states() -> tuple[dict, dict]:
    return row().state["escapes"], row().state["burst"]


# ---- what is fed


@pytest.mark.parametrize("level", ["human_only", "shadow", "assist"])
def test_nothing_is_watched_where_people_decide(line, version, set_level, audited, watch, level):
    set_level(line, level, version)
    audited(line, BURST, outcome="scratched")
    assert watch() == 0
    assert not EscapeWatch.objects.exists()


def test_judged_passes_are_fed_in_the_order_of_their_verdicts(partial, audited, watch):
    for outcome in ("ok", "scratched", "ok", "ok"):
        audited(partial, 1, outcome=outcome)
    watch()
    assert states() == fed(0.005, [False, True, False, False])
    assert counters() == (4, 4, 1)


def test_audited_rejects_are_judged_and_not_fed(partial, audited, watch):
    audited(partial, 5, decision="reject", score=0.9, outcome="scratched")
    watch()
    assert counters() == (5, 0, 0)
    assert states() == fed(0.005, [])


@pytest.mark.parametrize("outcome", [None, "unsure"])
def test_what_nobody_could_tell_never_enters(partial, audited, watch, outcome):
    audited(partial, 5, outcome=outcome, at=timezone.now())
    watch()
    watch(48 * 3600)  # overdue by then
    assert counters() == (0, 0, 0)
    assert states() == fed(0.005, [])


def test_a_part_whose_judge_was_served_the_answer_is_judged_and_not_fed(partial, audited, watch, ivy):
    [part] = audited(partial, 1, outcome="scratched", at=timezone.now() + timedelta(seconds=1))
    ModelOutputShown.objects.create(inspection=part, user=ivy, where="a leak")
    watch()
    assert counters() == (1, 0, 0)


def test_the_same_serial_is_fed_once(partial, audited, watch):
    """A sender that tries again, or a part that comes round, is no second piece of evidence."""
    audited(partial, 40)
    for _ in range(BURST):
        audited(partial, 1, outcome="scratched", serial="SN1")
    assert watch() == 0
    assert counters() == (40 + BURST, 41, 1)


def test_parts_of_other_lines_and_versions_are_not_fed(partial, version, other_version, set_level, audited, watch):
    other = Line.objects.create(slug="line-b", name="Line B")
    set_level(other, "partial", other_version, **BARS)
    audited(other, 3, model=other_version)
    audited(partial, 2)
    watch()
    assert {(one.line_id, one.version_id): one.passes for one in EscapeWatch.objects.all()} == {
        (partial.pk, version.pk): 2,
        (other.pk, other_version.pk): 3,
    }


def test_verdicts_that_are_not_of_audits_are_passed_over(partial, version, make_evidence, audited, watch, ivy):
    make_evidence(partial, version, 40, 0.9, "scratched", by=ivy, moments=[timezone.now()] * 40)
    audited(partial, 2)
    assert watch() == 0
    assert counters() == (2, 2, 0)


def test_real_parts_come_through(partial, version, make_part, answer, judge, ivy, watch):
    for outcome in ("ok", "scratched"):
        answer(part := make_part(), version, 0.05)
        assert part.state == "audit_due"
        judge(part, ivy, outcome)
    watch()
    assert counters() == (2, 2, 1)


# ---- second thoughts


def test_a_verdict_counts_when_it_can_be_undone_no_more(partial, version, make_part, answer, judge, ivy, watch):
    answer(part := make_part(), version, 0.05)
    verdict = judge(part, ivy, "scratched")
    watch(0)
    assert counters() == (0, 0, 0)
    floor.correct_verdict(verdict=verdict, outcome="ok", reason="", by=ivy)
    watch()
    assert counters() == (1, 1, 0)


def test_what_is_found_later_does_not_feed_it_again(partial, version, make_part, answer, judge, ivy, ian, sam, watch):
    answer(part := make_part(), version, 0.05)
    verdict = judge(part, ivy, "ok")
    watch()
    soon = timezone.now() + timedelta(seconds=60)
    floor.correct_verdict(verdict=verdict, outcome="unsure", reason="hard to see", by=sam, now=soon)
    part.refresh_from_db()
    judge(part, ian, "scratched")
    watch(120)
    assert counters() == (1, 1, 0)


def test_the_second_opinion_counts_when_it_comes(partial, version, make_part, answer, judge, ivy, ian, watch):
    answer(part := make_part(), version, 0.05)
    judge(part, ivy, "unsure")
    watch()
    assert counters() == (0, 0, 0)
    judge(part, ian, "scratched")
    watch()
    assert counters() == (1, 1, 1)
    watch(62)
    assert counters() == (1, 1, 1)


def test_a_supervisors_word_on_an_unsure_audit_is_heard(partial, version, make_part, answer, judge, ivy, sam, watch):
    """It closes the part, so that no second verdict comes."""
    answer(part := make_part(), version, 0.05)
    verdict = judge(part, ivy, "unsure")
    watch()
    soon = timezone.now() + timedelta(seconds=600)
    floor.correct_verdict(verdict=verdict, outcome="scratched", reason="seen it", by=sam, now=soon)
    assert audits_of(partial, version) == Audits(1, 1), "at once"
    watch(610)
    assert counters() == (0, 0, 0), "it may be corrected for a while, too"
    for seconds in (640, 700, 24 * 3600):
        watch(seconds)
        assert counters() == (1, 1, 1)
    assert states() == fed(0.005, [True])
    assert (row().state["corrected"], audits_of(partial, version)) == ([], Audits(1, 1))


def test_corrections_of_unsure_audits_are_a_burst_as_verdicts_are(partial, audited, watch, sam):
    audited(partial, 40)
    watch()
    for part in audited(partial, BURST, outcome="unsure"):
        verdict = Verdict.objects.get(inspection=part)
        floor.correct_verdict(
            verdict=verdict, outcome="scratched", reason="seen it", by=sam, now=verdict.at + timedelta(seconds=600)
        )
    assert watch(700) == 1
    assert row().state["burst"]["alarm"]


def test_a_correction_by_somebody_who_saw_the_answer_is_not_heard(
    partial, version, make_part, answer, judge, ivy, sam, watch
):
    answer(part := make_part(), version, 0.05)
    verdict = judge(part, ivy, "unsure")
    ModelOutputShown.objects.create(inspection=part, user=sam, where="the desk")
    soon = timezone.now() + timedelta(seconds=600)
    floor.correct_verdict(verdict=verdict, outcome="scratched", reason="seen it", by=sam, now=soon)
    watch(700)
    assert counters() == (0, 0, 0)


def test_of_a_second_verdict_and_a_later_correction_of_the_first_the_verdict_counts(
    partial, version, make_part, answer, judge, ivy, ian, sam, watch
):
    answer(part := make_part(), version, 0.05)
    first = judge(part, ivy, "unsure")
    judge(part, ian, "ok")
    watch()
    soon = timezone.now() + timedelta(seconds=600)
    floor.correct_verdict(verdict=first, outcome="scratched", reason="seen it", by=sam, now=soon)
    watch(700)
    assert counters() == (1, 1, 0)


def test_corrections_of_before_the_version_first_decided_are_not_looked_at(
    line, version, set_level, audited, watch, sam
):
    set_level(line, "shadow", version)
    verdict = Verdict.objects.get(inspection=audited(line, 1, outcome="unsure")[0])
    soon = timezone.now() - timedelta(seconds=5)
    Correction.objects.create(verdict=verdict, outcome="scratched", reason="x", by=sam, at=soon)
    set_level(line, "partial", version, **BARS)
    watch()
    assert row().corrected_to == Correction.objects.get().pk


def test_an_undo_to_unsure_leaves_it_to_the_second_opinion(partial, version, make_part, answer, judge, ivy, ian, watch):
    answer(part := make_part(), version, 0.05)
    verdict = judge(part, ivy, "ok")
    floor.correct_verdict(verdict=verdict, outcome="unsure", reason="", by=ivy)
    watch()
    assert counters() == (0, 0, 0)
    part.refresh_from_db()
    judge(part, ian, "scratched")
    watch()
    assert counters() == (1, 1, 1)


# ---- once, and in any rhythm


def test_looking_after_each_part_comes_to_the_same_as_looking_once(partial, audited, watch):
    outcomes = ["ok", "ok", "scratched", "ok", "ok", "scratched", "ok"] * 3
    for outcome in outcomes:
        audited(partial, 1, outcome=outcome)
        watch()
        watch()
    in_steps, counted = states(), counters()
    EscapeWatch.objects.all().delete()  # a restart that has lost everything
    watch()
    assert (states(), counters()) == (in_steps, counted)
    assert in_steps == fed(0.005, [outcome == "scratched" for outcome in outcomes])


def test_a_verdict_that_commits_late_is_not_passed_over(partial, audited, watch, ivy):
    """Two people judge at once: the one whose key is smaller may commit after the other."""
    late, early = audited(partial, 2, outcome=None)
    for key, part in ((2000, early), (1000, late)):
        Verdict.objects.create(pk=key, inspection=part, inspector=ivy, occasion="audit", outcome="ok")
        watch()
    assert counters() == (2, 2, 0)


def test_long_history_is_gone_through_in_stretches(partial, audited, watch, monkeypatch):
    audited(partial, 30)
    monkeypatch.setattr(escapes, "AT_ONCE", 10)
    for _ in range(4):
        watch(24 * 3600)
    assert counters() == (30, 30, 0)
    assert row().seen_to == Verdict.objects.latest("pk").pk


def test_a_gap_in_the_keys_stops_nothing(partial, audited, watch, monkeypatch, ivy):
    """Verdicts that were purged, or numbers that the database gave to nobody."""
    [part] = audited(partial, 1, outcome=None)
    Verdict.objects.create(pk=10**6, inspection=part, inspector=ivy, occasion="audit", outcome="ok")
    monkeypatch.setattr(escapes, "AT_ONCE", 10)
    watch()
    assert counters() == (1, 1, 0)


def test_each_counts_once_while_young_and_when_it_is_old(partial, audited, watch):
    audited(partial, 3)
    for seconds in (31, 60, 3600, 24 * 3600):
        watch(seconds)
    assert counters() == (3, 3, 0)
    assert (row().seen_to, row().state["recent"]) == (Verdict.objects.latest("pk").pk, [])


def test_where_nothing_is_new_nothing_is_written(partial, audited, later):
    audited(partial, 3)
    now = later(31)
    watch_escapes(now=now)
    before = EscapeWatch.objects.values().get()
    watch_escapes(now=now + timedelta(seconds=2))
    assert EscapeWatch.objects.values().get() == before


def test_a_clock_that_was_set_back_holds_nothing_up(partial, audited, watch):
    audited(partial, 2, at=timezone.now() + timedelta(hours=5))
    watch()
    assert counters() == (2, 2, 0)


def test_two_watchers_at_once_count_once_and_open_one_alarm(at_once, line, version, set_level, audited, later):
    set_level(line, "partial", version, **BARS)
    audited(line, BURST, outcome="scratched")
    now = later(31)
    results = at_once(*[lambda: watch_escapes(now=now)] * 3)
    assert sorted(results) == [0, 0, 1]
    assert counters() == (BURST, BURST, BURST)
    assert Alarm.objects.count() == 1


def test_two_watchers_share_what_comes_while_they_look(at_once, line, version, set_level, audited, later):
    set_level(line, "partial", version, **BARS)
    for outcome in ("ok", "scratched") * 5:
        audited(line, 2, outcome=outcome)
        now = later(31)
        at_once(*[lambda now=now: watch_escapes(now=now)] * 2)
    assert counters() == (20, 20, 10)
    assert row().state["passes"] == 20


# ---- the alarm


def test_a_burst_lowers_the_line_and_voids_the_evidence_in_one_sweep(partial, version, audited, sweep_later):
    audited(partial, 40)
    sweep_later()
    assert policies.in_force(partial).level == "partial"
    audited(partial, BURST, outcome="scratched")
    sweep_later()
    policy, alarm = policies.in_force(partial), Alarm.objects.get()
    assert (policy.level, policy.by, Void.objects.get().version) == ("assist", "system", version)
    assert (alarm.rule, alarm.severity, alarm.line) == ("escapes", "critical", partial)
    assert alarm.message == f"{BURST} of the last 20 audited parts that v1 passed were scratched; the limit is 0.5 %."
    assert "close this alarm with what was found" in alarm.suggestion
    assert facts_of(partial, version).evidence.parts == 0
    sweep_later()
    assert Alarm.objects.count() == Void.objects.count() == 1


@pytest.fixture
def sweep_later(later, monkeypatch):
    """The worker's sweep when nothing that was judged until now can be undone any more."""

    def run(seconds=31):
        moment = later(seconds)
        with monkeypatch.context() as patched:
            patched.setattr("automation.tasks.timezone.now", lambda: moment)
            sweep()

    return run


def test_a_slow_rise_is_seen_by_the_sum_of_ratios(partial, audited, watch, set_level):
    """One escape in 25 audits, which is no burst: the watch alarms at the very audit at which the detector does."""
    outcomes, detector = [], EscapeDetector(0.005)
    while not detector.alarm:
        outcomes.append("scratched" if len(outcomes) % 25 == 24 else "ok")
        detector.update(outcomes[-1] == "scratched")
    for outcome in outcomes[:-1]:
        audited(partial, 1, outcome=outcome)
    assert watch() == 0
    audited(partial, 1, outcome=outcomes[-1])
    assert watch() == 1
    found = outcomes.count("scratched")
    message = f"{found} of {len(outcomes)} audited parts that v1 passed were scratched (4 %), and more often of late"
    assert Alarm.objects.get().message.startswith(message)


def test_what_the_evidence_refutes_is_an_alarm_even_where_no_detector_heard_of_it(
    line, version, set_level, audited, later
):
    """Audits that nobody judges in time count as escapes: a line whose audits are left lying does not stay up."""
    set_level(line, "partial", version, **BARS, limits=FEW | {"audit_hours": 1})
    audited(line, 4, outcome=None)
    assert watch_escapes(now=later(60)) == 0
    assert e_harm(4, 4, 0.2) > 3
    assert watch_escapes(now=later(3700)) == 1
    alarm = Alarm.objects.get()
    assert alarm.severity == "critical"
    assert (
        "Of 4 judged parts that v1 passes, 4 count as escapes: 0 scratched, 4 audits that nobody could" in alarm.message
    )
    assert [policy.level for policy in apply_fallbacks()] == ["assist"]


def test_a_worker_that_is_killed_before_the_line_is_lowered_leaves_the_alarm_that_lowers_it(
    partial, audited, watch, sweep_later
):
    audited(partial, BURST, outcome="scratched")
    assert watch() == 1  # and the worker dies here
    assert policies.in_force(partial).level == "partial"
    sweep_later()
    assert policies.in_force(partial).level == "assist"


def test_a_worker_that_is_killed_while_it_looks_leaves_nothing_behind(partial, audited, watch, monkeypatch):
    audited(partial, BURST, outcome="scratched")
    monkeypatch.setattr(escapes, "open_alarm", lambda **told: 1 / 0)
    assert watch() == 0
    assert not EscapeWatch.objects.exists()
    monkeypatch.undo()
    assert watch() == 1
    assert counters() == (BURST, BURST, BURST)


def test_closing_the_alarm_begins_the_detectors_anew(partial, audited, watch, sam):
    audited(partial, BURST, outcome="scratched")
    watch()
    apply_fallbacks()
    assert watch(60) == 0, "the alarm is open"
    close_alarm(alarm=Alarm.objects.get(), by=sam, comment="A worn nozzle.")
    assert watch(61) == 0
    assert states() == fed(0.005, [])
    assert counters() == (BURST, BURST, BURST), "what was counted stays counted"


def test_an_alarm_that_nobody_has_closed_stands_through_good_audits(partial, audited, watch, sweep_later):
    audited(partial, BURST, outcome="scratched")
    watch()
    audited(partial, 40)
    watch(60)
    assert row().state["burst"]["alarm"]
    sweep_later(60)
    assert policies.in_force(partial).level == "assist"


def test_raising_the_version_again_begins_the_detectors_anew(partial, version, set_level, audited, watch):
    audited(partial, 30)
    watch()
    set_level(partial, "assist", version)
    set_level(partial, "partial", version, **BARS)
    watch(40)
    assert states() == fed(0.005, [])
    assert row().judged == 30


def test_a_step_of_the_ramp_or_another_share_of_audits_does_not(partial, version, set_level, audited, watch):
    audited(partial, 30)
    watch()
    before = states()
    set_level(partial, "partial", version, **BARS, audit_share=0.5, step=1)
    set_level(partial, "full", version, pass_below=0.3, reject_from=0.3)
    watch(120)
    assert states() == before


def test_another_limit_is_another_detector(partial, version, set_level, audited, watch):
    audited(partial, 30)
    watch()
    set_level(partial, "partial", version, **BARS, limits={"alpha": 0.01})
    watch(120)
    assert states() == fed(0.01, [])


# ---- audits of earlier policies


def test_audits_that_trickle_in_after_a_fallback_are_still_watched(partial, version, set_level, audited, watch, ivy):
    [part] = audited(partial, 1, outcome=None)
    watch()
    set_level(partial, "assist", version)
    watch(100)
    assert not row().state["done"]
    Verdict.objects.create(inspection=part, inspector=ivy, occasion="audit", outcome="scratched")
    Inspection.objects.filter(pk=part.pk).update(state="decided")
    watch(200)
    assert counters() == (1, 1, 1)
    assert row().state["done"]


def test_a_watch_that_is_over_costs_nothing_and_goes_on_when_the_version_is_raised_again(
    partial, version, set_level, audited, watch, django_assert_num_queries
):
    audited(partial, 3)
    watch()
    set_level(partial, "assist", version)
    watch(100)
    assert row().state["done"]
    with django_assert_num_queries(3):  # the lines, the policy, the watches
        watch(200)
    set_level(partial, "partial", version, **BARS)
    audited(partial, 4)
    watch(300)
    assert counters() == (7, 7, 0)
    assert row().state["passes"] == 4


def test_escapes_of_a_version_that_was_replaced_warn_and_do_not_lower_the_one_that_decides(
    partial, version, other_version, set_level, audited, watch, ivy
):
    parts = audited(partial, BURST, outcome=None)
    watch()
    set_level(partial, "partial", other_version, **BARS)
    for part in parts:
        Verdict.objects.create(inspection=part, inspector=ivy, occasion="audit", outcome="scratched")
    assert watch(100) == 1
    assert Alarm.objects.get().severity == "warning"
    assert apply_fallbacks() == []
    audited(partial, BURST, model=other_version, outcome="scratched")
    watch(200)
    assert Alarm.objects.get().severity == "critical", "now it is the version that decides"


# ---- one line's fault


def test_one_lines_fault_does_not_stop_the_others(partial, version, set_level, audited, sweep_later):
    other = Line.objects.create(slug="a-first", name="First")
    policy = set_level(other, "partial", version, **BARS)
    audited(other, BURST, outcome="scratched")
    Policy.objects.bulk_create(
        [
            Policy(
                line=other,
                number=policy.number + 1,
                level="partial",
                version=version,
                **BARS,
                limits={"alpha": 7},
                by="x",
            )
        ]
    )
    audited(partial, BURST, outcome="scratched")
    sweep_later()
    assert policies.in_force(partial).level == "assist"
    assert [one.line for one in EscapeWatch.objects.all()] == [partial]


# ---- how many audits are judged, for the gates


def test_the_gates_audits_are_those_of_the_watch_and_what_it_has_not_seen(partial, version, audited, watch):
    audited(partial, 5)
    audited(partial, 2, decision="reject", score=0.9)
    audited(partial, 3, outcome=None)
    audited(partial, 1, outcome="unsure")
    expected = Audits(due=11, judged=7)
    assert audits_of(partial, version) == expected, "before the first look"
    watch(0)
    assert audits_of(partial, version) == expected, "while they can be undone"
    watch()
    assert audits_of(partial, version) == expected
    watch(24 * 3600)
    assert audits_of(partial, version) == expected, "when the watch is past them"
    audited(partial, 1)
    assert audits_of(partial, version) == Audits(due=12, judged=8)


def test_what_the_watch_has_counted_is_not_read_again(partial, version, audited, watch):
    audited(partial, 5)
    watch(24 * 3600)
    assert told_after(partial, version, row().seen_to) == []
    EscapeWatch.objects.update(judged=1_000_000)
    facts = facts_of(partial, version)
    assert (facts.audits_due, facts.audits_judged) == (1_000_000, 1_000_000)


def test_of_a_version_that_never_decided_there_are_no_audits(shadowed, version):
    assert audits_of(shadowed, version) == Audits(0, 0)


def test_a_part_that_was_sent_to_be_cleaned_is_due_no_more(partial, version, make_part, answer, ivy):
    answer(part := make_part(), version, 0.05)
    lease = floor.claim(line=partial, by=ivy)
    assert audits_of(partial, version) == Audits(1, 0)
    floor.send_to_retake(inspection=part, by=ivy, lease=lease.token, reason="oil")
    assert audits_of(partial, version) == Audits(0, 0)
