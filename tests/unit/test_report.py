"""The agreement report: exact counts, one kind of evidence at a time, who may read it and what it refuses."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.models import (
    Correction,
    Draw,
    Inspection,
    Line,
    ModelOutputShown,
    Origin,
    Shift,
    User,
    Variant,
    Verdict,
)  # fmt: skip
from inspection.roles import Role, give_role
from shadow.agreement import Confusion
from shadow.asked import read_asked
from shadow.days import Calendar, read_span
from shadow.models import Assignment, ModelVersion, Prediction
from shadow.reports import agreement_report, sentence

URL = "/api/v1/reports/agreement/"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def version(db):
    return ModelVersion.objects.create(
        name="starter", weights_sha256="0" * 64, threshold=0.5, thresholds=[0.1], by="ada"
    )


@pytest.fixture
def pair(line, version, ivy):
    """Writes one compared part: `pair("ok", 0.9)` is an overkill judged blind by ivy."""
    numbers = iter(range(10_000))

    def write(verdict, score, *, at=NOON, by=ivy, blind=True, on=line, model=version, **fields):
        part = Inspection.objects.create(
            line=on, serial=f"SN{next(numbers)}", captured_at=at, received_at=at, hold_until=at, **fields
        )
        Draw.objects.create(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=blind)
        outcome = "" if score is None else "scratched" if score >= 0.5 else "ok"
        reason = "blank photo" if score is None else ""
        Prediction.objects.create(inspection=part, version=model, score=score, outcome=outcome, null_reason=reason)
        if verdict:
            Verdict.objects.create(inspection=part, inspector=by, outcome=verdict, at=at + timedelta(seconds=30))
        return part

    return write


def report(by, **params):
    return agreement_report(read_asked({name.rstrip("_"): value for name, value in params.items()}, by))


def test_every_prediction_is_counted_or_left_out_for_one_reason(pair, sam):
    for verdict, score in [("ok", 0.1)] * 5 + [("ok", 0.9), ("scratched", 0.1), ("scratched", 0.9), ("scratched", 0.8)]:
        pair(verdict, score)
    pair("unsure", 0.2)
    pair("ok", None)
    pair(None, 0.2)
    pair(None, None)
    pair("ok", 0.1, blind=False)
    pair("scratched", 0.1, origin=Origin.IMPORTED)
    found = report(sam)
    assert found.confusion == Confusion(5, 1, 1, 2)
    assert found.excluded == {"unsure": 1, "null": 2, "unjudged": 1, "assisted": 1, "retrospective": 1, "seeded": 0}
    assert found.evidence_counts == {"blind": 9, "assisted": 1, "retrospective": 1}
    assert report(sam, evidence="assisted").confusion == Confusion(both_ok=1)
    assert report(sam, evidence="retrospective").confusion == Confusion(escape=1)


@pytest.mark.parametrize(
    ("group_by", "keys"),
    [
        ("day", ["2026-03-02", "2026-03-03"]), ("week", ["2026-W10"]), ("line", ["line-a"]), ("station", ["", "cam-1"]),
        ("inspector", ["ian", "ivy"]), ("model", ["starter"]), ("variant", ["", "slab"]),
    ],
)  # fmt: skip
def test_groups_sum_to_the_whole(pair, sam, ian, station, group_by, keys, settings):
    settings.SUPERVISORS_SEE_NAMES = True
    slab = Variant.objects.create(slug="slab", name="Slab")
    pair("ok", 0.1, station=station)
    pair("ok", 0.9, by=ian, variant=slab)
    pair("scratched", 0.1, at=NOON + timedelta(days=1), station=station)
    found = report(sam, group_by=group_by)
    assert [group.key for group in found.groups] == keys
    assert sum((group.confusion for group in found.groups), Confusion()) == found.confusion == Confusion(1, 1, 1, 0)


def test_grouped_by_line_or_model_what_is_left_open_is_compared(pair, sam, version):
    second = Line.objects.create(slug="line-b", name="Line B")
    other = ModelVersion.objects.create(name="other", weights_sha256="1" * 64, threshold=0.5, thresholds=[], by="ada")
    pair("ok", 0.1)
    pair("ok", 0.9, on=second)
    pair("scratched", 0.9, model=other)
    assert report(sam, group_by="day", model="starter").confusion == Confusion(1)
    by_line = report(sam, group_by="line", model="starter")
    assert [(group.key, group.name) for group in by_line.groups] == [("line-a", "Line A"), ("line-b", "Line B")]
    by_model = report(sam, group_by="model")
    assert [group.key for group in by_model.groups] == ["other", "starter"]


def test_the_default_model_is_the_live_one_else_the_newest_with_predictions(pair, sam, line, version):
    newer = ModelVersion.objects.create(name="newer", weights_sha256="1" * 64, threshold=0.5, thresholds=[], by="ada")
    assert report(sam).asked.version is None
    pair("ok", 0.1)
    assert report(sam).asked.version == version
    Assignment.objects.create(line=line, version=newer, role="live")
    assert report(sam).asked.version == newer


def test_the_days_are_the_lines_own(pair, sam, line):
    line.time_zone = "Asia/Shanghai"
    line.save()
    pair("ok", 0.1, at=datetime(2026, 3, 2, 17, tzinfo=UTC))  # 01:00 on the 3rd in Shanghai
    assert [group.key for group in report(sam).groups] == ["2026-03-03"]
    assert report(sam, from_="2026-03-03", to="2026-03-03").confusion.n == 1
    assert report(sam, to="2026-03-02").confusion.n == 0


def test_a_night_shift_belongs_to_the_day_it_started(pair, sam, line):
    Shift.objects.create(line=line, name="night", starts_at=time(22), ends_at=time(6))
    for hour in (23, 29, 31):  # before midnight, at 5 in the night shift, at 7 after it
        pair("ok", 0.1, at=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hour))
    assert {group.key: group.confusion.n for group in report(sam).groups} == {"2026-03-02": 2, "2026-03-03": 1}
    assert report(sam, from_="2026-03-02", to="2026-03-02").confusion.n == 2
    assert report(sam, from_="2026-03-03").confusion.n == 1


def test_a_moment_counts_from_it_and_up_to_before_it(pair, sam):
    pair("ok", 0.1)
    assert report(sam, from_="2026-03-02T12:00:00+00:00").confusion.n == 1
    assert report(sam, to="2026-03-02T12:00:00 00:00").confusion.n == 0
    assert report(sam, from_="2026-03-02T12:00:01").confusion.n == 0


@given(hours=st.floats(0, 8760), days=st.integers(0, 3))
def test_the_moments_of_a_span_enclose_it(hours, days):
    line = Line(slug="l", time_zone="America/New_York")
    calendar = Calendar.__new__(Calendar)
    calendar.zone, calendar.shifts = line.zone, [Shift(line=line, starts_at=time(22), ends_at=time(6))]
    aware = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    first = calendar.day_of(aware) - timedelta(days=days)
    span = read_span(first.isoformat(), calendar.day_of(aware).isoformat(), line)
    start, end = span.moments(line)
    assert span.holds(aware, calendar)
    assert start <= aware < end


def test_json_has_the_contracts_shape(pair, sam, api):
    pair("ok", 0.1)
    body = api(sam).get(URL).json()
    assert body["confusion"] == {"both_ok": 1, "overkill": 0, "escape": 0, "both_scratched": 0}
    assert body["agreement"] == {"value": 1.0, "low": pytest.approx(0.2065, abs=1e-4), "high": 1.0, "n": 1}
    assert body["kappa"] == body["miss_rate"] | {"n": 1} == {"value": None, "low": 0.0, "high": 1.0, "n": 1}
    assert body["filters"] == {"line": "line-a", "model": "starter", "from": None, "to": None, "group_by": "day"}
    assert body["evidence"] == "blind"
    assert body["groups"][0]["key"] == "2026-03-02"
    assert set(body["excluded"]) == {"unsure", "null", "unjudged", "assisted", "retrospective", "seeded"}


@pytest.mark.parametrize(("count", "noted"), [(1, 1), (19, 19), (20, 0)])
def test_a_report_of_few_parts_makes_its_reader_no_blind_judge(pair, sam, api, count, noted):
    for _ in range(count):
        pair("ok", 0.9, lot="L1")
    pair("ok", 0.9, lot="L2")
    assert api(sam).get(URL, {"lot": "L1"}).json()["confusion"]["overkill"] == count
    assert ModelOutputShown.objects.filter(user=sam, inspection__lot="L1").count() == noted
    assert not ModelOutputShown.objects.filter(inspection__lot="L2").exists()


def test_csv_holds_the_whole_and_the_groups(pair, sam, api):
    pair("ok", 0.1)
    pair("scratched", 0.1, at=NOON + timedelta(days=1))
    answer = api(sam).get(URL, {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["day"] for row in rows] == ["all", "2026-03-02", "2026-03-03"]
    assert (rows[0]["miss_rate_value"], rows[0]["miss_rate_n"], rows[1]["miss_rate_value"]) == ("1.0", "1", "")


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"group_by": "moon"}, 400, "Allowed: day, week"), ({"evidence": "all"}, 400, "Allowed: blind, assisted"),
        ({"format": "xml"}, 400, "Allowed: json, csv"), ({"from": "yesterday"}, 400, "2026-01-31"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, 400, "lies after"), ({"to": "9999-12-31"}, 400, "2200"),
        ({"from": "2026-02-02T10:00", "group_by": "inspector"}, 400, "whole days"),
        ({"from": "0001-01-01"}, 400, "1970"), ({"line": "line-x"}, 404, "line-a"),
        ({"model": "nobody"}, 404, "starter"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_answered_with_the_right_ones(line, version, sam, api, params, status, words):
    answer = api(sam).get(URL, params)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_a_line_that_a_reader_is_not_bound_to_is_closed(pair, sam, api, line):
    other = Line.objects.create(slug="line-b", name="Line B")
    pair("ok", 0.1)
    pair("ok", 0.1, on=other)
    sam.lines.add(other)
    assert api(sam).get(URL, {"line": "line-a"}).status_code == 403
    assert api(sam).get(URL).json()["filters"]["line"] == "line-b"
    assert [group["key"] for group in api(sam).get(URL, {"group_by": "line"}).json()["groups"]] == ["line-b"]


@pytest.mark.parametrize(
    ("role", "status"), [("station", 403), ("inspector", 403), ("supervisor", 200), ("admin", 200)]
)
@pytest.mark.parametrize("url", [URL, "/api/v1/models/", "/api/v1/predictions/", "/api/v1/discrepancies/"])
def test_who_may_read(line, version, api, role, status, url):
    user = User.objects.create_user("somebody")
    give_role(user, Role(role))
    assert api(user).get(url).status_code == status


def test_a_stranger_is_asked_who_they_are(line, api):
    assert api(None).get(URL).status_code == 401


def test_the_sentence_says_what_is_missed_with_interval_and_counts(pair, sam):
    for score in [0.9] * 9 + [0.1]:
        pair("scratched", score)
    pair("ok", 0.1)
    words = sentence(report(sam)).replace("\u00a0", " ")
    assert words.startswith("The model misses 10.0 % of scratched parts on Line A, between 1.8 and 40.4 % (1 of 10); ")
    assert words.endswith("it calls 0 % of good parts scratched, between 0 and 79.3 % (0 of 1).")


def test_the_sentence_of_an_undefined_figure_says_so(pair, sam, line):
    assert sentence(report(sam)) == "No part on Line A was judged blind and scored yet."
    pair("ok", 0.1)
    assert "what the model misses is not known" in sentence(report(sam))


# ---- against a recount that knows nothing of the queries -----------------------------------------

judgement = st.fixed_dictionaries({
    "outcome": st.sampled_from(["ok", "scratched", "unsure"]),
    "served_before": st.booleans(),
    "corrected": st.lists(st.sampled_from(["ok", "scratched", "unsure"]), max_size=2),
})  # fmt: skip
histories = st.lists(
    st.fixed_dictionaries({
        "score": st.sampled_from([None, 0.1, 0.9]),
        "blind": st.booleans(),
        "origin": st.sampled_from([Origin.LIVE, Origin.LIVE, Origin.IMPORTED, Origin.SIMULATED]),
        "retrospective": st.sampled_from([False, False, True]),
        "judged": st.lists(judgement, max_size=2),
    }),
    max_size=12,
)  # fmt: skip


def write_history(history, line, version, people):
    part = Inspection.objects.create(
        line=line, serial="SN", captured_at=NOON, received_at=NOON, hold_until=NOON, origin=history["origin"]
    )
    Draw.objects.create(inspection=part, key="k", u_canary=0, u_audit=0, u_blind=0, blind=history["blind"])
    score = history["score"]
    Prediction.objects.create(
        inspection=part, version=version, score=score, retrospective=history["retrospective"],
        outcome="" if score is None else "scratched" if score >= 0.5 else "ok", null_reason="" if score else "blank",
    )  # fmt: skip
    for number, (person, judged) in enumerate(zip(people, history["judged"], strict=False)):
        at = NOON + timedelta(minutes=number)
        if judged["served_before"]:
            ModelOutputShown.objects.create(inspection=part, user=person, where="test", at=at - timedelta(seconds=1))
        verdict = Verdict.objects.create(inspection=part, inspector=person, outcome=judged["outcome"], at=at)
        for outcome in judged["corrected"]:
            Correction.objects.create(verdict=verdict, outcome=outcome, reason="test", by=person, at=at)


def recounted(history):
    """The kind of evidence and the cell (or the reason) of one history, from what was written down."""
    last = [[j["outcome"], *j["corrected"]][-1] for j in history["judged"]]
    sure = [number for number, outcome in enumerate(last) if outcome != "unsure"]
    deciding = sure[-1] if sure else len(last) - 1
    served = bool(last) and (history["judged"][0]["served_before"] or history["judged"][deciding]["served_before"])
    if history["retrospective"] or history["origin"] != Origin.LIVE:
        return "retrospective", None
    if not history["blind"] or served:
        return "assisted", None
    if history["score"] is None:
        return "blind", "null"
    if not sure:
        return "blind", "unsure" if last else "unjudged"
    return "blind", (last[deciding], history["score"] > 0.5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=histories)
def test_the_report_equals_a_naive_recount(found, line, version, ivy, ian, sam):
    with transaction.atomic():
        for history in found:
            write_history(history, line, version, (ivy, ian))
        counted = report(sam, model="starter")
        transaction.set_rollback(True)
    expected = Counter(recounted(history) for history in found)
    cells = [("ok", False), ("ok", True), ("scratched", False), ("scratched", True)]
    assert counted.confusion == Confusion(*(expected["blind", cell] for cell in cells))
    for reason in ("null", "unsure", "unjudged"):
        assert counted.excluded[reason] == expected["blind", reason]
    assert counted.excluded["assisted"] == expected["assisted", None]
    assert counted.excluded["retrospective"] == expected["retrospective", None]
    assert counted.confusion.n + sum(counted.excluded.values()) == len(found)
