"""How a line is watched, and events after which it is learned anew: rows with a reason, refused where they are nonsense."""

import pytest

from inspection.models import AuditEvent
from inspection.refusals import BadInput, NotAllowed
from monitoring.actions import policy_of, relearn, write_watch_policy
from monitoring.models import Relearning, WatchPolicy


def test_without_a_policy_the_defaults_hold(line):
    policy = policy_of(line)
    assert (policy.number, policy.warn_every, policy.alarm_every) == (0, 10_000, 1_000_000)
    assert policy.critical == ["score.null", "judge.disagreement"]
    assert not WatchPolicy.objects.exists()


def test_what_a_policy_does_not_name_stays(line, ada):
    write_watch_policy(line=line, by=ada, reason="quieter", warn_every=50_000)
    second = write_watch_policy(line=line, by="replay", reason="taught", factors={"quality.cast": 3})
    assert (second.number, second.warn_every, second.factors) == (2, 50_000, {"quality.cast": 3})
    assert policy_of(line) == second
    event = AuditEvent.objects.get(subject=f"watchpolicy {second.pk}")
    assert (event.by, event.data) == ("replay", {"reason": "taught", "factors": {"quality.cast": 3}})


@pytest.mark.parametrize(
    "fields",
    [
        {"warn_every": 0},
        {"alarm_every": 3_000_000_000},
        {"warn_every": 5_000, "alarm_every": 4_000},
        {"unwatched": ["quality.smell"]},
        {"factors": {"quality.cast": 0}},
        {"factors": {"quality.cast": float("nan")}},
        {"factors": {"quality.cast@nowhere": 2}},
        {"limits": {"quality.cast": 4}},
        {"limits": {"server.disk": 0}},
        {"limits": {"server.disk": 101}},
        {"limits": {"server.queue_age": float("nan")}},
        {"limits": {"server.queue_age": True}},
        {"colour": "red"},
        {"reason": " "},
    ],
)
def test_what_cannot_be_meant_is_refused(line, ada, fields):
    with pytest.raises(BadInput):
        write_watch_policy(**{"line": line, "by": ada, "reason": "because"} | fields)
    assert not WatchPolicy.objects.exists()


def test_a_factor_may_be_of_one_station(line, station, ada):
    assert write_watch_policy(line=line, by=ada, reason="lamp", factors={"quality.cast@cam-1": 2}).number == 1


def test_an_event_is_a_row_with_its_reason(line, station, sam):
    event = relearn(line=line, station=station, figures=["quality.cast"], reason="new lamp", by=sam)
    assert (event.station, event.figures, event.reason, event.by) == (station, ["quality.cast"], "new lamp", sam)
    assert AuditEvent.objects.get(action="figures_relearned").data["station"] == "cam-1"


@pytest.mark.parametrize("fields", [{"reason": ""}, {"figures": ["quality.smell"]}])
def test_an_event_without_sense_is_refused(line, sam, fields):
    with pytest.raises(BadInput):
        relearn(**{"line": line, "reason": "new lamp", "by": sam} | fields)


def test_an_event_is_of_the_lines_own_station_and_people(line, sam, db):
    other = type(line).objects.create(slug="line-b", name="Line B")
    with pytest.raises(BadInput):
        relearn(line=line, station=other.stations.create(slug="x", name="X"), reason="new lamp", by=sam)
    sam.lines.add(other)
    with pytest.raises(NotAllowed):
        relearn(line=line, reason="new lamp", by=sam)
    assert not Relearning.objects.exists()
