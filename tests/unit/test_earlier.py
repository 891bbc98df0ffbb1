"""An earlier inspection system as a version: its declaration, its answers, and what they may and may not speak for."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from automation import actions as automation
from automation.facts import facts_of
from automation.gates import Facts, Limits, gates_to
from automation.levels import Level
from automation.models import Routing
from inspection.models import AuditEvent, Draw, Origin
from inspection.refusals import BadInput, Conflict, NotAllowed
from shadow import jobs
from shadow.actions import assign, load_scorer, record_answers, register_earlier, start_training
from shadow.comparisons import against
from shadow.earlier import (
    NO_ANSWER,
    Declaration,
    Sent,
    Standing,
    against_answer,
    against_declaration,
    fate_of,
    milliseconds,
)
from shadow.models import Assignment, AwaitedAnswer, Comparison, Prediction, Role, ScoringJob
from shadow.rollups import catch_up

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORDER = (0.1, 0.3, 0.5)


def seconds(n):
    return timedelta(seconds=n)


@pytest.fixture
def earlier(db):
    """A system of scores that answers within ten seconds."""
    told = Declaration("old-cell", threshold=0.5, thresholds=ORDER, within=10, about="the cell of 2019")
    return register_earlier(declaration=told, by="test")[0]


@pytest.fixture
def live(line, earlier, set_level):
    set_level(line, "shadow", earlier)
    return earlier


@pytest.fixture
def bound(cam, line):
    """A station that is bound to line A."""
    cam.lines.add(line)
    return cam


def send(version, part, score, **fields):
    return record_answers(version=version, answers=[Sent(inspection=part.pk, score=score)], by="test", **fields)


def fates(recorded):
    return [taken.fate.status for taken in recorded.rows]


# ---- what it is declared to be


@pytest.mark.parametrize(("change", "word"), [
    ({"says": "mood"}, "score"), ({"threshold": 1.5}, "0 to 1"), ({"threshold": float("nan")}, "0 to 1"),
    ({"thresholds": ()}, "rise"), ({"thresholds": (0.3, 0.1)}, "rise"), ({"thresholds": (0.1, 0.1)}, "rise"),
    ({"within": 0}, "within"), ({"within": 3601}, "within"), ({"says": "outcome"}, "0 and 1"), ({"about": "x" * 501}, "500"),
])  # fmt: skip
def test_a_declaration_that_makes_no_sense_is_refused_with_the_reason(change, word):
    sound = {"name": "old", "threshold": 0.5, "thresholds": ORDER, "within": 10}
    assert against_declaration(Declaration(**sound)) == []
    [reason] = against_declaration(Declaration(**sound | change))
    assert word in reason


def test_two_declarations_that_differ_in_anything_have_two_digests():
    told = [
        Declaration("a"),
        Declaration("b"),
        Declaration("a", threshold=0.4),
        Declaration("a", thresholds=(0.4, 0.5)),
    ]
    told += [Declaration("a", within=19), Declaration("a", says="outcome"), Declaration("a", about="x")]
    assert len({each.sha256 for each in told}) == len(told)


def test_it_is_registered_once_with_its_trail_and_without_weights(ada, ivy):
    told = Declaration("old", says="outcome")
    version, new = register_earlier(declaration=told, by=ada)
    assert (version.is_imported, version.weights_sha256, version.thresholds, new) == (True, told.sha256, [0.5], True)
    assert "not calibrated" in version.card["not_known"]
    assert AuditEvent.objects.filter(action="earlier_system_registered", by="ada").count() == 1
    assert register_earlier(declaration=told, by=ada) == (version, False)
    with pytest.raises(Conflict):
        register_earlier(declaration=Declaration("old", says="outcome", within=5), by=ada)
    with pytest.raises(NotAllowed):
        register_earlier(declaration=Declaration("other"), by=ivy)


# ---- what becomes of an answer


@pytest.mark.parametrize(("sent", "says", "word"), [
    (Sent(score=0.5), "score", ""), (Sent(outcome="ok"), "outcome", ""), (Sent(failure="dark"), "score", ""),
    (Sent(), "score", "one of"), (Sent(score=0.5, outcome="ok"), "score", "one of"), (Sent(score=1.1), "score", "0 to 1"),
    (Sent(score=float("nan")), "score", "0 to 1"), (Sent(outcome="ok"), "score", "declared"),
    (Sent(score=0.0), "outcome", "declared"), (Sent(outcome="fine"), "outcome", "neither"),
])  # fmt: skip
def test_an_answer_is_one_of_what_was_declared(sent, says, word):
    reason = against_answer(sent, says)
    assert word in reason and bool(reason) == bool(word)


STANDINGS = st.builds(
    Standing, received_at=st.just(NOON), live=st.booleans(), judged=st.booleans(),
    known=st.none() | st.tuples(st.sampled_from([0.2, 0.8]), st.just("")) | st.just((None, NO_ANSWER)),
)  # fmt: skip


@given(standing=STANDINGS, score=st.sampled_from([0.2, 0.8]), after=st.integers(0, 30), history=st.booleans())
def test_only_what_is_recorded_in_time_and_before_any_verdict_can_speak_for_its_version(
    standing, score, after, history
):
    sent = Sent(score=score)
    fate = fate_of(sent, standing, within=10, history=history, now=NOON + seconds(after))
    if fate.status == "recorded":
        assert standing.known is None
        assert fate.retrospective == (history or not standing.live)
        assert fate.late == standing.judged
        assert fate.retrospective or after <= 10
    elif fate.status == "known":
        assert standing.known == (score, "")
    else:
        assert fate.reason


@pytest.mark.parametrize(("captured", "at", "taken"), [
    (0, 2, {"earlier system": 2000.0}), (0, None, {}), (2, 0, {}), (0, 4000, {}),
])  # fmt: skip
def test_how_long_it_took_is_told_unless_that_is_nonsense(captured, at, taken):
    assert milliseconds(NOON + seconds(captured), None if at is None else NOON + seconds(at)) == taken


def test_the_same_again_is_known_and_another_answer_refused(live, make_part):
    part = make_part()
    assert fates(send(live, part, 0.2)) == ["recorded"]
    assert fates(send(live, part, 0.2)) == ["known"]
    refused = send(live, part, 0.3)
    assert fates(refused) == ["refused"] and "written once" in refused.rows[0].fate.reason
    assert Prediction.objects.get().score == 0.2


def test_one_refused_answer_holds_up_no_other(live, make_part):
    part, other = make_part("SN1"), make_part("SN2")
    batch = [
        Sent(serial="SN1", line="line-a", score=0.2), Sent(serial="SN9", line="line-a", score=0.2),
        Sent(inspection=other.pk, score=0.9), Sent(inspection=other.pk, score=0.9), Sent(inspection=part.pk, score=0.7),
    ]  # fmt: skip
    recorded = record_answers(version=live, answers=batch, by="test")
    assert fates(recorded) == ["recorded", "refused", "recorded", "known", "refused"]
    assert "has not arrived" in recorded.rows[1].fate.reason
    event = AuditEvent.objects.get(action="earlier_answers_recorded")
    assert (event.line, event.data["answers"], event.subject) == ("line-a", 2, "version old-cell")


def test_no_inspection_is_guessed_where_a_serial_had_several(live, make_part):
    make_part("SN1", captured_at=NOON)
    second = make_part("SN1", captured_at=NOON + seconds(60))
    told = Sent(serial="SN1", line="line-a", score=0.2)
    assert "2 times" in record_answers(version=live, answers=[told], by="test").rows[0].fate.reason
    told = Sent(serial="SN1", line="line-a", score=0.2, captured_at=NOON + seconds(60))
    assert record_answers(version=live, answers=[told], by="test").rows[0].part == second.pk


def test_a_part_from_before_its_assignment_is_answered_in_retrospect(line, earlier, make_part, set_level):
    part = make_part()
    set_level(line, "shadow", earlier)
    send(earlier, part, 0.2, now=part.received_at + seconds(500))
    assert Prediction.objects.get().retrospective
    imported = make_part(origin=Origin.IMPORTED)
    send(earlier, imported, 0.2)
    assert Prediction.objects.latest("pk").retrospective


def test_who_may_answer(live, make_part, ada, ivy, sam, cam, bound, line):
    part = make_part()
    answers = [Sent(inspection=part.pk, score=0.2)]
    for person in (ivy, sam):
        with pytest.raises(NotAllowed):
            record_answers(version=live, answers=answers, by=person)
    assert fates(record_answers(version=live, answers=answers, by=bound)) == ["recorded"]
    assert fates(record_answers(version=live, answers=answers, by=ada)) == ["known"]
    bound.lines.set([type(line).objects.create(slug="line-b", name="Line B")])
    assert "on your lines" in record_answers(version=live, answers=answers, by=bound).rows[0].fate.reason
    bound.lines.clear()
    with pytest.raises(NotAllowed, match="bound to none"):
        record_answers(version=live, answers=answers, by=bound)


def test_nobody_answers_for_a_trained_version(version, make_part):
    with pytest.raises(Conflict, match="by itself"):
        send(version, make_part(), 0.2)


def test_a_batch_has_one_to_a_thousand(live):
    for batch in ([], [Sent(score=0.2)] * 1001):
        with pytest.raises(BadInput):
            record_answers(version=live, answers=batch, by="test")


# ---- awaited instead of scored


def test_no_worker_is_given_its_parts_and_they_are_awaited(live, make_part, later):
    part, _seeded = make_part(), make_part(origin=Origin.SEEDED)
    jobs.make_missing_jobs(now=later(1))
    assert not ScoringJob.objects.exists()
    assert AwaitedAnswer.objects.get().inspection_id == part.pk
    assert jobs.make_missing_jobs(now=later(2)) == 0
    send(live, part, 0.2)
    assert not AwaitedAnswer.objects.exists()
    assert jobs.make_missing_jobs(now=later(3)) == 0


def test_where_nothing_is_new_an_earlier_systems_parts_are_only_read(live, make_part, later):
    make_part()
    jobs.make_missing_jobs(now=later(1))
    with CaptureQueriesContext(connection) as asked:
        assert jobs.make_missing_jobs(now=later(2)) == 0
    assert {query["sql"].split()[0] for query in asked.captured_queries} == {"SELECT"}


def test_the_search_for_parts_to_await_does_not_grow_with_history(live, make_part, later, monkeypatch):
    monkeypatch.setattr(jobs, "UNDER_WAY", 0)
    part = make_part()
    jobs.make_missing_jobs(now=later(600))
    assert Assignment.objects.get().scanned_to == part.pk


def test_when_its_time_is_over_there_is_no_answer_and_none_is_taken(live, make_part, later):
    part, answered = make_part(), make_part()
    jobs.make_missing_jobs(now=later(1))
    send(live, answered, 0.2)
    assert automation.end_waiting(now=later(9)) == 0
    assert automation.end_waiting(now=later(11)) == 1
    null = Prediction.objects.get(inspection=part)
    assert (null.score, null.null_reason, null.retrospective) == (None, NO_ANSWER, False)
    assert not AwaitedAnswer.objects.exists()
    assert automation.end_waiting(now=later(12)) == 0
    assert "time was over" in send(live, part, 0.2, now=later(13)).rows[0].fate.reason


def test_an_answer_out_of_time_is_refused_although_nobody_has_written_that_none_came(live, make_part, later):
    assert fates(send(live, make_part(), 0.2, now=later(11))) == ["refused"]


# ---- who decides


def test_it_decides_in_time_and_a_person_otherwise(line, live, make_part, set_level, later):
    set_level(line, "partial", live, pass_below=0.1, reject_from=0.5, audit_share=1e-6)
    passed, unsure, silent = make_part(), make_part(), make_part()
    batch = [Sent(inspection=passed.pk, score=0.05), Sent(inspection=unsure.pk, score=0.3)]
    automation.take_answers(version=live, answers=batch, by="test")
    jobs.make_missing_jobs(now=later(1))
    automation.end_waiting(now=later(11))
    for part, state in ((passed, "decided"), (unsure, "waiting"), (silent, "waiting")):
        part.refresh_from_db()
        assert part.state == state
    assert passed.disposition.outcome == "pass" and passed.disposition.by_machine
    assert Routing.objects.get(inspection=silent).reason == f"no answer of the model: {NO_ANSWER}"


def test_a_failure_that_it_tells_is_a_persons(line, live, make_part, set_level):
    set_level(line, "partial", live, pass_below=0.1, reject_from=0.5)
    part = make_part()
    automation.take_answers(version=live, answers=[Sent(inspection=part.pk, failure="lamp out")], by="test")
    part.refresh_from_db()
    assert part.state == "waiting" and Prediction.objects.get().null_reason == "lamp out"


# ---- what a late answer may speak for


@given(
    word=st.sampled_from(["ok", "scratched", "served", "unsure", "pending", "due"]),
    slot=st.none() | st.integers(0, 3), bars=st.just(3),
)  # fmt: skip
def test_a_late_answer_is_wrong_at_every_bar_or_nothing(word, slot, bars):
    evidence, place = against(word, slot, bars)
    if evidence == "ok":
        assert (place, slot > 0) == (bars, True)  # a good part that every bar rejects
    elif evidence:
        assert (evidence, place) == (word, 0) and slot < bars  # a part that every bar passes
    else:
        assert place is None


def counted(part):
    catch_up()
    row = Comparison.objects.get(inspection=part)
    return row.kind, row.evidence, row.slot


def test_an_answer_before_the_verdict_is_evidence_and_one_after_it_only_against(live, make_part, judge, ivy):
    before, missed, found, good = (make_part() for _ in range(4))
    automation.take_answers(version=live, answers=[Sent(inspection=before.pk, score=0.05)], by="test")
    for part, outcome in ((before, "ok"), (missed, "scratched"), (found, "scratched"), (good, "ok")):
        judge(part, ivy, outcome)
    afterwards = [
        Sent(inspection=missed.pk, score=0.2),
        Sent(inspection=found.pk, score=0.9),
        Sent(inspection=good.pk, score=0.05),
    ]
    automation.take_answers(version=live, answers=afterwards, by="test")
    assert Draw.objects.filter(blind=True).count() == 4
    assert counted(before) == ("blind", "ok", 0)
    assert counted(missed) == ("assisted", "scratched", 0)  # passed at every bar, though it scored above one
    assert counted(found) == counted(good) == ("assisted", "", None)


def test_a_verdict_on_the_serials_next_inspection_makes_the_answer_late_too(line, live, make_part, judge, ivy):
    """A part that was sent to be cleaned is answered for by its next inspection."""
    from inspection import actions as floor

    sent = make_part("SN1")
    lease = floor.claim(line=line, by=ivy)
    floor.send_to_retake(inspection=sent, by=ivy, lease=lease.token, reason="dust")
    judge(make_part("SN1"), ivy, "scratched")
    assert send(live, sent, 0.9).rows[0].fate.late


# ---- what asks for weights


def test_nothing_that_asks_for_weights_is_done_with_it(line, earlier, make_part, sam):
    for refused in (
        lambda: load_scorer(earlier),
        lambda: jobs.make_replay_jobs(version=earlier, parts=[make_part().pk], now=NOON),
        lambda: start_training(line=line, by=sam, reason="why not", start="old-cell"),
    ):
        with pytest.raises(Conflict, match="earlier inspection system"):
            refused()


# ---- the gates


def test_it_decides_only_where_people_accept_what_it_cannot_tell(line, live):
    facts = facts_of(line, live)
    assert facts.imported
    for limits, met in ((Limits(), False), (Limits(without_novelty=True), True)):
        [gate] = [g for g in gates_to(Level.PARTIAL, facts, limits, 0.1, 0.5) if g.name == "strange parts"]
        assert gate.met == met
    names = {gate.name for gate in gates_to(Level.ASSIST, facts, Limits(), None, None)}
    assert "strange parts" not in names
    assert "strange parts" not in {g.name for g in gates_to(Level.PARTIAL, Facts(version="v1"), Limits(), 0.1, 0.5)}


def test_without_any_answer_the_null_gate_asks_for_an_import():
    [gate] = [
        g
        for g in gates_to(Level.SHADOW, Facts(version="old", imported=True), Limits(), None, None)
        if g.name == "null rate"
    ]
    assert "Import past answers" in gate.reason


def test_as_a_candidate_it_is_awaited_and_holds_up_nobody(line, version, earlier, set_level, make_part, answer, later):
    set_level(line, "shadow", version)
    assign(line=line, version=earlier, role=Role.CANDIDATE, by="test")
    part = make_part()
    jobs.make_missing_jobs(now=later(1))
    assert ScoringJob.objects.get().version_id == version.pk
    assert AwaitedAnswer.objects.get().version_id == earlier.pk
    answer(part, version, 0.2)
    automation.take_answers(version=earlier, answers=[Sent(inspection=part.pk, score=0.9)], by="test")
    assert Routing.objects.get().prediction.version_id == version.pk
