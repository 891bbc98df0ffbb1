"""What is counted equals what the rows say, after whatever was written in whatever order."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, time, timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.append_only import audited_purge
from inspection.models import Correction, Draw, Inspection, Line, ModelOutputShown, Origin, Shift, Verdict
from shadow import changes, rollups
from shadow.asked import read_asked
from shadow.models import Adjudication, ChangedPart, Comparison, DayTally, ModelVersion, Prediction
from shadow.pairs import pairs
from shadow.reports import agreement_report
from shadow.scores import EDGES, bin_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def versions(db):
    return [
        ModelVersion.objects.create(name=name, weights_sha256=name * 32, threshold=0.5, thresholds=[], by="ada")
        for name in ("v1", "v2")
    ]


@pytest.fixture
def scene(line, station, versions, ivy, ian, sam):
    """A floor on which `Story` acts."""
    return {"line": line, "station": station, "versions": versions, "people": [ivy, ian], "sam": sam}


class Story:
    """Writes rows as they come, one event at a time; an event that makes no sense on its part does nothing."""

    def __init__(self, scene):
        self.scene, self.parts, self.clock = scene, [], NOON

    def tell(self, event):
        self.clock += timedelta(minutes=event["minutes"])
        getattr(self, event["what"])(event)

    def part_of(self, event):
        return self.parts[event["part"] % len(self.parts)] if self.parts else None

    def arrive(self, event):
        part = Inspection.objects.create(
            line=self.scene["line"], serial=f"SN{len(self.parts)}", origin=event["origin"], captured_at=self.clock,
            received_at=self.clock, hold_until=self.clock, lot="L1" if event["odd"] else "",
            station=self.scene["station"] if event["odd"] else None,
        )  # fmt: skip
        self.parts.append(part)

    def draw(self, event):
        part = self.part_of(event)
        if part and not Draw.objects.filter(inspection=part).exists():
            Draw.objects.create(inspection=part, key="k", u_canary=0, u_audit=0, u_blind=0, blind=not event["odd"])

    def answer(self, event):
        part, version = self.part_of(event), self.scene["versions"][event["odd"]]
        if part and not Prediction.objects.filter(inspection=part, version=version).exists():
            score = event["score"]
            outcome = "" if score is None else "scratched" if score >= 0.5 else "ok"
            Prediction.objects.create(
                inspection=part, version=version, score=score, outcome=outcome, null_reason="" if outcome else "blank"
            )

    def judge(self, event):
        part, person = self.part_of(event), self.scene["people"][event["odd"]]
        if part and not Verdict.objects.filter(inspection=part, inspector=person).exists():
            Verdict.objects.create(inspection=part, inspector=person, outcome=event["outcome"], at=self.clock)

    def correct(self, event):
        verdict = Verdict.objects.filter(inspection=self.part_of(event)).order_by("pk").last() if self.parts else None
        if verdict:
            Correction.objects.create(
                verdict=verdict, outcome=event["outcome"], reason="x", by=verdict.inspector, at=self.clock
            )

    def show(self, event):
        if part := self.part_of(event):
            person = self.scene["people"][event["odd"]]
            ModelOutputShown.objects.create(inspection=part, user=person, where="test", at=self.clock)

    def adjudicate(self, event):
        prediction = Prediction.objects.filter(inspection=self.part_of(event)).first() if self.parts else None
        if prediction:
            Adjudication.objects.create(
                prediction=prediction, finding=event["finding"], reason="x", by=self.scene["sam"], at=self.clock
            )

    def count(self, event):
        rollups.catch_up(most=event["part"] + 1)


EVENTS = ("arrive", "arrive", "draw", "answer", "answer", "judge", "judge", "correct", "show", "adjudicate", "count")
events = st.lists(
    st.fixed_dictionaries({
        "what": st.sampled_from(EVENTS),
        "part": st.integers(0, 5),
        "odd": st.booleans(),
        "minutes": st.sampled_from([0, 1, 400]),
        "origin": st.sampled_from([Origin.LIVE, Origin.LIVE, Origin.LIVE, Origin.SEEDED, Origin.IMPORTED]),
        "score": st.sampled_from([None, 0.0, 0.00013, 0.2, 0.5, 0.97, 1.0]),
        "outcome": st.sampled_from(["ok", "scratched", "unsure"]),
        "finding": st.sampled_from(["person", "model", "ambiguous"]),
    }),
    min_size=5,
    max_size=60,
)  # fmt: skip


def by_the_rows(line):
    """The tallies as a plain walk over the pairs finds them."""
    found = defaultdict(Counter)
    for pair in pairs(line=line):
        standing = "null" if pair.predicted is None else pair.cell or ("unjudged" if pair.outcome is None else "unsure")
        key = (pair.model, pair.received_at.date(), pair.evidence_kind, pair.station, pair.inspector_id)
        found[key][standing] += 1
        if pair.cell:
            found[key]["score", bin_of(pair.score), pair.outcome] += 1
            found[key]["millionths", bin_of(pair.score)] += round(pair.score * 1e6)
            if pair.finding:
                found[key][pair.cell, pair.finding] += 1
    return {key: +counter for key, counter in found.items()}


def as_counted(line):
    found = {}
    for row in DayTally.objects.filter(line=line).select_related("version", "station", "inspector"):
        counter = Counter({name: getattr(row, name) for name in rollups.STANDINGS})
        counter.update({(cell, who): n for cell, whos in row.findings.items() for who, n in whos.items()})
        for place, (ok, scratched, millionths) in row.scores.items():
            counter["score", int(place), "ok"], counter["score", int(place), "scratched"] = ok, scratched
            counter["millionths", int(place)] = millionths
        station, inspector = row.station and row.station.slug, row.inspector_id
        found[row.version.name, row.day, row.kind, station, inspector] = +counter
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=events)
def test_the_tallies_equal_the_rows_whatever_was_written(told, scene):
    with transaction.atomic():
        story = Story(scene)
        for event in told:
            story.tell(event)
        rollups.catch_up()
        counted = as_counted(scene["line"])
        assert counted == by_the_rows(scene["line"])
        assert not ChangedPart.objects.exists()
        assert rollups.recount([scene["line"]]) == (Prediction.objects.count(), 0)
        assert as_counted(scene["line"]) == counted
        transaction.set_rollback(True)


@pytest.fixture
def story(scene):
    story = Story(scene)
    nothing = {"minutes": 0, "part": 0, "odd": False, "origin": Origin.LIVE, "score": 0.2, "outcome": "ok"}

    def tell(*what, **fields):
        for name in what:
            story.tell(nothing | {"what": name, **fields})

    tell.story = story
    return tell


def report(sam, **params):
    return agreement_report(read_asked({name.rstrip("_"): value for name, value in params.items()}, sam))


def test_each_later_word_changes_the_report_as_it_should(story, sam, scene):
    story("arrive", "draw", "answer")
    assert report(sam, model="v1").excluded["unjudged"] == 1
    story("judge", outcome="scratched")
    assert report(sam, model="v1").confusion.escape == 1
    story("adjudicate", finding="model")
    assert report(sam, model="v1").adjudicated["escape"].model == 1
    story("correct", outcome="unsure")
    found = report(sam, model="v1")
    assert (found.confusion.n, found.excluded["unsure"]) == (0, 1)
    story("judge", odd=True, outcome="ok")  # a second person
    assert report(sam, model="v1").confusion.both_ok == 1
    story("show", odd=True, minutes=1)  # after the verdict: it was blind
    assert report(sam, model="v1").evidence_counts["blind"] == 1


def test_a_failure_that_another_version_answers_later_is_its_own_pair(story, sam):
    story("arrive", "draw", "judge")
    story("answer", score=None)
    assert report(sam, model="v1").excluded["null"] == 1
    story("answer", odd=True)
    assert report(sam, model="v2").confusion.both_ok == 1
    assert report(sam, model="v1").excluded["null"] == 1


def test_other_working_days_are_counted_anew(story, sam, line):
    story("arrive", "draw", "answer", "judge")
    assert [group.key for group in report(sam, model="v1").days] == ["2026-03-02"]
    Line.objects.filter(pk=line.pk).update(time_zone="Pacific/Auckland")  # 01:00 of the next day there
    assert [group.key for group in report(sam, model="v1").days] == ["2026-03-03"]
    Shift.objects.create(line=line, name="night", starts_at=time(22), ends_at=time(6))
    assert [group.key for group in report(sam, model="v1").days] == ["2026-03-02"]


def test_a_long_line_is_counted_anew_by_a_worker_alone(story, sam, line, monkeypatch):
    monkeypatch.setattr(rollups, "AT_ONCE", 0)
    story("arrive", "draw", "answer", "judge")
    rollups.catch_up()
    Line.objects.filter(pk=line.pk).update(time_zone="Pacific/Auckland")
    rollups.follow_calendars(Line.objects.all(), at_once=0)
    assert Comparison.objects.get().day.isoformat() == "2026-03-02"
    rollups.follow_calendars(Line.objects.all(), at_once=None)
    assert Comparison.objects.get().day.isoformat() == "2026-03-03"


@pytest.mark.parametrize(
    "span",
    [{"from_": "2026-03-02T20:20:30+00:00"}, {"to": "2026-03-03T18:00:00+00:00"}, {"from_": "2026-03-03"}, {"lot": "L1"},
     {"station": "cam-1"}, {"from_": "2026-03-02T20:20:30", "to": "2026-03-04"}],
)  # fmt: skip
def test_every_filter_finds_what_the_rows_say(story, sam, line, span):
    for number in range(8):
        story("arrive", odd=number % 3 == 0, minutes=500)
        story("draw", "answer", "judge", part=number)
    wanted = [pair for pair in pairs(line=line) if _held(pair, span)]
    assert 0 < len(wanted) < 8
    assert report(sam, model="v1", **span).confusion.both_ok == len(wanted)


def _held(pair, span):
    def edge(text):
        return datetime.fromisoformat(text) if "+" in text else datetime.fromisoformat(text).replace(tzinfo=UTC)

    start, end = span.get("from_"), span.get("to")
    late = not start or pair.received_at >= edge(start)
    early = not end or pair.received_at < edge(end) + timedelta(days=len(end) == 10)
    return (
        late and early and span.get("lot", pair.lot) == pair.lot and span.get("station", pair.station) == pair.station
    )


def test_the_command_mends_what_was_spoilt(story, sam, capsys):
    story("arrive", "draw", "answer", "judge")
    rollups.catch_up()
    DayTally.objects.update(both_ok=7)
    Comparison.objects.update(standing="escape")
    call_command("rebuild_rollups", "--json")
    assert '"pairs": 1' in capsys.readouterr().out
    assert report(sam, model="v1").confusion.both_ok == 1
    call_command("rebuild_rollups", "--json")
    assert '"mended": 0' in capsys.readouterr().out


def test_no_way_of_writing_passes_the_count_by(story, line, versions):
    """The triggers see a bulk insert and raw SQL as they see a save."""
    story("arrive")
    story("arrive")
    parts = list(Inspection.objects.all())
    Prediction.objects.bulk_create(
        Prediction(inspection=p, version=versions[0], score=0.1, outcome="ok") for p in parts
    )
    assert set(ChangedPart.objects.values_list("inspection_id", flat=True)) == {part.pk for part in parts}
    assert changes.missing_triggers() == []


def test_a_lost_trigger_is_told_and_comes_back(db):
    with connection.cursor() as cursor:
        on = " ON inspection_draw" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER inspection_draw_is_counted{on}")
    assert changes.missing_triggers() == ["inspection_draw_is_counted"]
    changes.install_triggers()
    assert changes.missing_triggers() == []


def test_what_is_purged_is_counted_out(story, sam, line):
    for number in range(2):
        story("arrive")
        story("draw", "answer", "judge", part=number)
    assert report(sam, model="v1").confusion.both_ok == 2
    with audited_purge(by="ada", reason="retention"):
        Prediction.objects.order_by("pk").first().delete()
    found = report(sam, model="v1")
    assert (found.confusion.both_ok, Comparison.objects.count()) == (1, 1)
    assert rollups.recount([line]) == (1, 0)


def test_a_reader_counts_no_more_than_they_may_wait_for(story, sam, monkeypatch):
    monkeypatch.setattr(rollups, "FOR_A_READER", 2)
    story("arrive", "draw", "answer", "judge")
    assert rollups.left_to_count() == 3
    assert report(sam, model="v1").uncounted == 1
    rollups.catch_up()
    assert report(sam, model="v1").uncounted == 0


def test_two_that_count_at_once_count_once(at_once, scene):
    story = Story(scene)
    nothing = {"minutes": 0, "odd": False, "origin": Origin.LIVE, "score": 0.2, "outcome": "ok"}
    for number in range(20):
        for what in ("arrive", "draw", "answer", "judge"):
            story.tell(nothing | {"what": what, "part": number})
    assert not [error for error in at_once(*[rollups.catch_up] * 4) if isinstance(error, Exception)]
    assert sum(DayTally.objects.values_list("both_ok", flat=True)) == 20
    assert as_counted(scene["line"]) == by_the_rows(scene["line"])


def test_the_edges_hold_every_score():
    assert (bin_of(0.0), bin_of(1.0)) == (0, len(EDGES) - 2)
