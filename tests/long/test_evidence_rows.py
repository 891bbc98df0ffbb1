"""The evidence by the tallies is the evidence by the rows, after whatever was written in whatever order; and what was
counted at a moment can be counted again from the rows however much was written since."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automation.actions.voiding import void_evidence
from automation.counts import Tally
from automation.evidence_rows import evidence_by_rows
from automation.facts import evidence_of, evidence_start
from inspection.append_only import audited_purge
from inspection.models import Correction, Draw, Inspection, Line, ModelOutputShown, Origin, Shift, Variant, Verdict
from shadow import rollups
from shadow.as_of import AsOf, Mark
from shadow.models import Adjudication, ModelVersion, Prediction

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOURS = 10  # until an audit is overdue
ORDER = [0.1, 0.3]


@pytest.fixture
def versions(db):
    fields = {"threshold": 0.5, "thresholds": ORDER, "by": "ada"}
    return [ModelVersion.objects.create(name=name, weights_sha256=name * 32, **fields) for name in ("v1", "v2")]


@pytest.fixture
def scene(line, station, versions, ivy, ian, sam):
    """A floor on which `Story` acts. A night shift belongs to the day on which it began."""
    Shift.objects.create(line=line, name="night", starts_at="22:00", ends_at="06:00")
    line.demo = True  # simulated parts count as live
    line.save()
    variant = Variant.objects.create(slug="p1", name="P1")
    return {"line": line, "station": station, "variant": variant, "versions": versions, "people": [ivy, ian, sam]}


class Story:
    """Writes rows as they come, one event at a time; an event that makes no sense on its part does nothing."""

    def __init__(self, scene):
        self.scene, self.parts, self.clock = scene, [], NOON
        self.frozen = []

    def tell(self, event):
        self.clock += timedelta(minutes=event["minutes"])
        getattr(self, event["what"])(event)

    def part_of(self, event):
        return self.parts[event["part"] % len(self.parts)] if self.parts else None

    def person_of(self, event):
        return self.scene["people"][event["who"]]

    def arrive(self, event):
        odd = event["odd"]
        part = Inspection.objects.create(
            line=self.scene["line"], serial=event["serial"], origin=event["origin"], captured_at=self.clock,
            received_at=self.clock, hold_until=self.clock, station=self.scene["station"] if odd else None,
            variant=self.scene["variant"] if odd and event["who"] else None,
        )  # fmt: skip
        self.parts.append(part)
        # Most parts come with what makes them evidence: a story has to get somewhere.
        if event["who"] < 2:
            self.draw(event | {"part": len(self.parts) - 1, "odd": False})
            self.answer(event | {"part": len(self.parts) - 1, "odd": event["who"] == 1})

    def draw(self, event):
        part = self.part_of(event)
        if part and not Draw.objects.filter(inspection=part).exists():
            blind = not event["odd"]
            Draw.objects.create(
                inspection=part, key="k", u_canary=0, u_audit=0, u_blind=0, blind=blind,
                audited=blind and event["audited"],
            )  # fmt: skip

    def answer(self, event):
        part, version = self.part_of(event), self.scene["versions"][event["odd"]]
        if part and not Prediction.objects.filter(inspection=part, version=version).exists():
            score = event["score"]
            outcome = "" if score is None else "scratched" if score >= 0.5 else "ok"
            Prediction.objects.create(
                inspection=part, version=version, score=score, outcome=outcome, null_reason="" if outcome else "blank",
                novelty=event["novelty"], retrospective=event["retrospective"],
                late=event["late"],
            )  # fmt: skip

    def judge(self, event):
        part, person = self.part_of(event), self.person_of(event)
        if part and not Verdict.objects.filter(inspection=part, inspector=person).exists():
            Verdict.objects.create(inspection=part, inspector=person, outcome=event["outcome"], at=self.clock)

    def correct(self, event):
        verdict = Verdict.objects.filter(inspection=self.part_of(event)).order_by("pk").last() if self.parts else None
        if verdict:
            by = verdict.inspector if event["odd"] else self.person_of(event)
            Correction.objects.create(verdict=verdict, outcome=event["outcome"], reason="x", by=by, at=self.clock)

    def show(self, event):
        if part := self.part_of(event):
            person = self.person_of(event)
            ModelOutputShown.objects.create(inspection=part, user=person, where="test", at=self.clock)

    def clean(self, event):
        if part := self.part_of(event):
            Inspection.objects.filter(pk=part.pk).exclude(state="retake").update(state="retake", state_since=self.clock)

    def adjudicate(self, event):
        prediction = Prediction.objects.filter(inspection=self.part_of(event)).first() if self.parts else None
        if prediction:
            Adjudication.objects.create(
                prediction=prediction, finding="model", reason="x", by=self.scene["people"][2], at=self.clock
            )

    def void(self, event):
        version = self.scene["versions"][event["odd"]]
        void_evidence(line=self.scene["line"], version=version, reason="an alarm", now=self.clock)

    def count(self, event):
        rollups.catch_up(most=None if event["odd"] else event["part"] + 1)

    def freeze(self, version):
        """What the tallies say now, and which rows they say it of."""
        start, as_of = evidence_start(self.scene["line"], version), AsOf.now(self.clock)
        self.frozen.append((version, self.clock, start, as_of, self.tallied(version, self.clock)))

    def tallied(self, version, now):
        return evidence_of(self.scene["line"], version, now=now, audit_hours=HOURS)

    def by_rows(self, version, now, since, as_of=None):
        line = self.scene["line"]
        return evidence_by_rows(line, version, now=now, audit_hours=HOURS, since=since, as_of=as_of)


EVENTS = (
    "arrive", "arrive", "arrive", "draw", "answer", "answer", "judge", "judge", "judge", "correct", "show", "clean",
    "clean", "adjudicate", "void", "count", "count",
)  # fmt: skip
events = st.lists(
    st.fixed_dictionaries({
        "what": st.sampled_from(EVENTS),
        "part": st.integers(0, 3),
        "serial": st.sampled_from(["A", "B", "C"]),
        "odd": st.booleans(),
        "who": st.integers(0, 2),
        "minutes": st.sampled_from([0, 0, 1, 30, 400, 1500]),
        "origin": st.sampled_from([Origin.LIVE] * 7 + [Origin.SIMULATED, Origin.SEEDED, Origin.IMPORTED]),
        "score": st.sampled_from([None, 0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0]),
        "novelty": st.sampled_from([None, None, 0.5, 1.0]),
        "retrospective": st.sampled_from([False, False, False, True]),
        "late": st.sampled_from([False, False, False, True]),
        "audited": st.booleans(),
        "outcome": st.sampled_from(["ok", "ok", "scratched", "unsure"]),
    }),
    min_size=20,
    max_size=60,
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=events, at_once=st.booleans(), wait=st.sampled_from([0, 6, 11, 300]))
def test_the_tallies_and_the_rows_say_the_same_whatever_was_written(told, at_once, wait, scene):
    with transaction.atomic():
        story = Story(scene)
        for event in told:
            story.tell(event)
            if at_once:
                rollups.catch_up()
        now = story.clock + timedelta(hours=wait)
        for version in scene["versions"]:
            since = evidence_start(scene["line"], version)
            assert story.tallied(version, now) == story.by_rows(version, now, since)
        transaction.set_rollback(True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=events, after=events)
def test_what_was_counted_is_counted_again_however_much_was_written_since(before, after, scene):
    with transaction.atomic():
        story = Story(scene)
        for event in before:
            story.tell(event)
        for version in scene["versions"]:
            story.freeze(version)
        for event in after:
            story.tell(event | {"minutes": event["minutes"] + 1})
        for version, now, since, as_of, said in story.frozen:
            assert story.by_rows(version, now, since, as_of) == said
            assert story.by_rows(version, now, since, AsOf.from_json(as_of.to_json())) == said
        transaction.set_rollback(True)


@pytest.fixture
def tell(scene):
    """Tells a story in words: `tell("arrive judge", outcome="ok")`; `tell.same()` holds the tallies against the rows."""
    story = Story(scene)
    plain = {
        "part": 0, "serial": "A", "odd": False, "who": 0, "minutes": 1, "origin": Origin.LIVE, "score": 0.05, "late": False,
        "novelty": None, "retrospective": False, "audited": True, "outcome": "ok",
    }  # fmt: skip

    def say(words, **fields):
        for word in words.split():
            story.tell(plain | {"what": word, **fields})

    def same(hours=0):
        now, version = story.clock + timedelta(hours=hours), scene["versions"][0]
        tallied = story.tallied(version, now)
        assert tallied == story.by_rows(version, now, evidence_start(scene["line"], version))
        return tallied

    say.same, say.story = same, story
    return say


def test_a_part_that_is_sent_to_be_cleaned_after_an_unsure_look_is_due_again(tell):
    """No row tells of it: its state does."""
    tell("arrive judge", outcome="unsure")
    assert tell.same().below(0.1) == Tally(unsure=1)
    tell("clean")
    assert tell.same().below(0.1) == Tally(due=1)


def test_a_part_is_cleaned_when_its_next_inspection_was_judged_already(tell):
    tell("arrive arrive")
    tell("judge", part=1, outcome="scratched")
    assert tell.same().below(0.1) == Tally(due=1)
    tell("clean")
    assert tell.same().below(0.1) == Tally(scratched=1)


def test_what_was_shown_to_whoever_corrected_takes_the_correction_back(tell):
    """By another node's clock the model's answer was shown first, though its row was written last."""
    tell("arrive judge", outcome="scratched")
    tell("correct", outcome="ok", who=2)
    assert tell.same().below(0.1) == Tally(ok=1)
    tell("show", who=2, minutes=0)
    assert tell.same().below(0.1) == Tally(scratched=1)


def test_an_overdue_audit_does_not_hold_up_what_came_after_it(tell):
    """It is an escape. Waiting, it would let what came before it stand for ever, whatever came later."""
    tell("arrive judge", serial="A")
    tell("arrive", serial="B")
    tell("arrive judge", serial="C", part=2, outcome="scratched", minutes=30)
    waiting, late = tell.same(), tell.same(hours=HOURS)
    assert (waiting.passed(0.1).settled, waiting.passed(0.1).settled_found) == (1, 0)
    assert (late.passed(0.1).settled, late.passed(0.1).settled_found) == (3, 2)


def test_a_row_that_was_on_its_way_is_not_counted_as_having_been_there(tell, scene):
    """A key may be given out before those after it and commit behind them."""
    tell("arrive judge", outcome="ok")
    as_of = AsOf.now(tell.story.clock)
    marks = dict(as_of.marks)
    marks["verdict"] = Mark(marks["verdict"].to, frozenset({Verdict.objects.get().pk}))
    before = AsOf(as_of.at, marks)
    version = scene["versions"][0]
    assert tell.story.by_rows(version, as_of.at, None, as_of).below(0.1) == Tally(ok=1)
    assert tell.story.by_rows(version, as_of.at, None, before).below(0.1) == Tally(due=1)
    assert not as_of.passed_by(scene["line"])
    assert before.passed_by(scene["line"])


def test_whatever_is_written_of_a_lines_parts_has_passed_a_moment_by(tell, scene, line):
    other = Line.objects.create(slug="line-b", name="Line B")
    tell("arrive")
    for words in ("judge", "correct", "show"):
        as_of = AsOf.now(tell.story.clock)
        tell(words, outcome="scratched")
        assert as_of.passed_by(line)
        assert not as_of.passed_by(other)


def test_a_purged_row_leaves_its_gap(tell):
    for number, serial in enumerate("ABC"):
        tell("arrive judge", serial=serial, part=number)
    keys = list(Verdict.objects.order_by("pk").values_list("pk", flat=True))
    with audited_purge(by="ada", reason="erasure"):
        Verdict.objects.filter(pk=keys[1]).delete()
    mark = Mark.of(Verdict)
    assert (mark.to, mark.without) == (keys[2], frozenset({keys[1]}))
    assert [mark.holds(key) for key in (keys[0], keys[1], keys[2], keys[2] + 1, None)] == [
        True,
        False,
        True,
        False,
        False,
    ]
