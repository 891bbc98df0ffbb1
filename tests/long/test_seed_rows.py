"""What is said to be found of the seeded scratches is what a plain walk over the verdicts finds, then and now."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automation.evidence_rows import seeds_by_rows
from automation.seeds import seeds_of
from inspection.models import Correction, Inspection, ModelOutputShown, Reference, SeededPart, Verdict
from shadow.as_of import AsOf
from shadow.models import ModelVersion, Prediction, TrainingPart

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def gauged(line, ivy, ian, sam):
    """A line with three references of two truths, and a version that may have learned from the line."""
    version = ModelVersion.objects.create(
        name="v1", weights_sha256="1" * 64, threshold=0.5, thresholds=[0.5], by="ada", at=NOON + timedelta(minutes=20),
        card={"sources": ["line line-a, split train"]},
    )  # fmt: skip
    sources = []
    for number, truth in enumerate(("scratched", "scratched", "ok")):
        at = NOON + timedelta(minutes=20 * number - 10)  # the second was no reference yet when the version was trained
        source = Inspection.objects.create(
            line=line, serial=f"R{number}", captured_at=NOON, received_at=NOON, hold_until=NOON, state="decided"
        )
        Reference.objects.create(inspection=source, truth=truth, reason="measured", by=sam, at=at)
        sources.append(source)
    return {"line": line, "version": version, "sources": sources, "people": [ivy, ian, sam]}


class Sitting:
    """Writes rows as they come; an event that makes no sense does nothing."""

    def __init__(self, gauged):
        self.world, self.shown, self.clock = gauged, [], NOON + timedelta(hours=1)

    def tell(self, event):
        self.clock += timedelta(minutes=event["minutes"])
        getattr(self, event["what"])(event)

    def source_of(self, event):
        return self.world["sources"][event["source"]]

    def person_of(self, event):
        return self.world["people"][event["who"]]

    def part_of(self, event):
        return self.shown[event["part"] % len(self.shown)] if self.shown else None

    def seed(self, event):
        source = self.source_of(event)
        part = Inspection.objects.create(
            line=source.line, serial=f"S{len(self.shown)}", origin="seeded", captured_at=self.clock,
            received_at=self.clock, hold_until=self.clock,
        )  # fmt: skip
        truth = "" if event["purpose"] == "repeat" else source.reference.truth
        SeededPart.objects.create(
            inspection=part, source=source, purpose=event["purpose"], truth=truth, by="x", at=self.clock
        )
        self.shown.append(part)

    def judge(self, event):
        part = self.source_of(event) if event["odd"] else self.part_of(event)
        if part and not Verdict.objects.filter(inspection=part, inspector=self.person_of(event)).exists():
            Verdict.objects.create(
                inspection=part, inspector=self.person_of(event), outcome=event["outcome"], at=self.clock,
                advice_shown_at=self.clock if event["advised"] else None,
            )  # fmt: skip

    def correct(self, event):
        verdict = Verdict.objects.filter(inspection=self.part_of(event)).order_by("pk").last() if self.shown else None
        if verdict:
            by = verdict.inspector if event["odd"] else self.person_of(event)
            Correction.objects.create(verdict=verdict, outcome=event["outcome"], reason="x", by=by, at=self.clock)

    def show(self, event):
        if part := self.source_of(event) if event["odd"] else self.part_of(event):
            ModelOutputShown.objects.create(inspection=part, user=self.person_of(event), where="t", at=self.clock)

    def answer(self, event):
        part = self.source_of(event) if event["odd"] else self.part_of(event)
        if part and not Prediction.objects.filter(inspection=part).exists():
            score = event["score"]
            outcome = "" if score is None else "scratched" if score >= 0.5 else "ok"
            Prediction.objects.create(
                inspection=part, version=self.world["version"], score=score, outcome=outcome,
                null_reason="" if outcome else "blank", novelty=event["novelty"],
            )  # fmt: skip

    def teach(self, event):
        TrainingPart.objects.create(
            inspection=self.source_of(event), label="scratched" if event["odd"] else "", reason="x",
            by=self.person_of(event), at=NOON if event["part"] else self.clock,
        )  # fmt: skip

    def said(self, as_of=None):
        line, version = self.world["line"], self.world["version"]
        return seeds_by_rows(line, version, as_of), seeds_of(line, version)


EVENTS = ("seed", "seed", "judge", "judge", "judge", "answer", "answer", "correct", "show", "teach")
events = st.lists(
    st.fixed_dictionaries({
        "what": st.sampled_from(EVENTS),
        "source": st.integers(0, 2),
        "part": st.integers(0, 4),
        "who": st.integers(0, 2),
        "odd": st.sampled_from([False, False, True]),
        "minutes": st.sampled_from([0, 1, 30]),
        "purpose": st.sampled_from(["reference", "reference", "repeat", "second_look"]),
        "score": st.sampled_from([None, 0.05, 0.3, 0.7]),
        "novelty": st.sampled_from([None, None, 1.0]),
        "advised": st.sampled_from([False, False, False, True]),
        "outcome": st.sampled_from(["ok", "scratched", "unsure"]),
    }),
    min_size=15,
    max_size=40,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=events, after=events)
def test_the_seeds_are_those_of_the_rows_then_and_now(before, after, gauged):
    with transaction.atomic():
        sitting = Sitting(gauged)
        for event in before:
            sitting.tell(event)
        by_rows, frozen = sitting.said()
        assert by_rows == frozen
        as_of = AsOf.now(sitting.clock)
        for event in after:
            sitting.tell(event)
        then, now = sitting.said(as_of)
        assert then == frozen
        assert sitting.said()[0] == now
        transaction.set_rollback(True)


def test_a_reference_that_was_kept_anew_since_was_then_what_it_was_shown_as(gauged):
    fields = {"threshold": 0.5, "thresholds": [0.5], "by": "ada"}
    other = ModelVersion.objects.create(name="v2", weights_sha256="2" * 64, **fields)  # trained on other photos
    sitting = Sitting(gauged | {"version": other})
    plain = {
        "source": 0, "part": 0, "who": 0, "odd": False, "minutes": 1, "purpose": "reference", "score": 0.05,
        "novelty": None, "advised": False, "outcome": "scratched",
    }  # fmt: skip
    for word in ("seed", "answer", "judge"):
        sitting.tell(plain | {"what": word})
    as_of = AsOf.now(sitting.clock)
    assert sitting.said() == ([(0.05, True)], [(0.05, True)])
    Reference.objects.filter(inspection=gauged["sources"][0]).update(truth="ok", at=sitting.clock + timedelta(hours=1))
    assert sitting.said(as_of) == ([(0.05, True)], [])


@pytest.mark.parametrize("known", [{"late": True}, {"retrospective": True}])
def test_what_an_earlier_system_said_when_the_truth_was_known_chooses_no_seeds(known, gauged):
    """It could pass on paper those that everybody finds."""
    gauged["version"] = ModelVersion.objects.create(
        name="old",
        kind="imported",
        answers_within=10,
        weights_sha256="2" * 64,
        threshold=0.5,
        thresholds=[0.5],
        by="ada",
    )
    sitting = Sitting(gauged)
    plain = {"minutes": 1, "who": 0, "odd": False, "advised": False, "outcome": "scratched", "purpose": "reference"}
    for number, fields in enumerate(({}, known)):
        source = gauged["sources"][number]
        Prediction.objects.create(inspection=source, version=gauged["version"], score=0.1, outcome="ok", **fields)
        sitting.tell(plain | {"what": "seed", "source": number})
        sitting.tell(plain | {"what": "judge", "part": number})
    assert sitting.said() == ([(0.1, True)], [(0.1, True)])
