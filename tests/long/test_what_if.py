"""What if: the figures of any thresholds against a direct count, who may ask, what is refused, and who is noted as shown."""

import math
import random
from collections import Counter
from datetime import timedelta
from html import unescape
from statistics import median

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from automation import delay, policies, rerouting
from automation.delay import mean_delay
from automation.evidence import EscapeDetector, clopper_pearson, upper_bound
from automation.levels import Level
from automation.rerouting import Recent, recent_parts, reroute
from automation.routing import Part, Rule, decide
from automation.what_if import as_json, ask, parts_a_day, seconds_to_judge, version_for, what_if
from inspection.models import Draw, Inspection, Line, ModelOutputShown, Origin, Verdict
from scoring.novelty import is_out_of_distribution
from shadow.models import ChangedPart, ModelVersion, Prediction
from shadow.rollups import catch_up

ORDER = [0.05, 0.1, 0.2, 0.3, 0.5]
URL = "/lines/line-a/automation/what-if/"
API = f"/api/v1{URL}"
PERFECT = {"sensitivity_from_seeds": False}


@pytest.fixture
def line_a(line, version, set_level):
    """Line A at shadow, its inspectors taken as perfect."""
    set_level(line, "shadow", version, limits=PERFECT)
    return line


@pytest.fixture
def found(line_a, version, sam):
    """The answer to a policy: `found(pass_below=0.1)`."""

    def answer(*, most=100, now=None, **sent):
        policy = policies.in_force(line_a)
        return what_if(
            line_a, ask(policy, version, **sent), policy, by=sam, now=now or timezone.now(), most=most
        )  # fmt: skip

    return answer


def what_if_of(line, version, reader, **sent):
    policy = policies.in_force(line)
    return what_if(line, ask(policy, version, **sent), policy, by=reader, now=timezone.now(), most=5)


def words(response):
    return unescape(response.content.decode())


# ---- the figures


def write(line, version, ivy, rows):
    """Parts drawn blind, an hour apart: (score, novelty, what was said of it, whether it had been served)."""
    now = timezone.now() - timedelta(hours=len(rows) + 1)
    moments = [now + timedelta(hours=n) for n in range(len(rows))]
    parts = Inspection.objects.bulk_create(
        Inspection(line=line, serial=f"W{n}", captured_at=at, received_at=at, hold_until=at, state="decided")
        for n, at in enumerate(moments)
    )
    Draw.objects.bulk_create(
        Draw(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=True) for part in parts
    )
    for part, (score, novelty, said, served) in zip(parts, rows, strict=True):
        outcome = "" if score is None else "scratched" if score >= version.threshold else "ok"
        Prediction.objects.create(
            inspection=part, version=version, score=score, novelty=novelty, outcome=outcome, at=part.received_at,
            null_reason="" if outcome else "blank",
        )  # fmt: skip
        if served:
            ModelOutputShown.objects.create(inspection=part, user=ivy, where="test", at=part.received_at)
        if said:
            at = part.received_at + timedelta(minutes=1)
            Verdict.objects.create(inspection=part, inspector=ivy, outcome=said, at=at, duration_ms=4000)
    return parts


def counts(rows, bar, *, below):
    """What each part on one side of a bar counts as, by hand."""
    found: Counter[str] = Counter()
    for score, novelty, said, served in rows:
        if score is None or is_out_of_distribution(novelty) or (score < bar) != below:
            continue
        if served and said:
            found["served"] += 1
        else:
            found[said if said in ("ok", "scratched") else "waiting"] += 1
    return found


parts = st.tuples(
    st.one_of(st.none(), st.sampled_from([0.0, 0.04, 0.05, 0.07, 0.15, 0.2, 0.3, 0.45, 0.5, 0.9])),
    st.sampled_from([None, 0.3, 0.3, 1.2]),
    st.sampled_from(["ok", "ok", "ok", "scratched", "unsure", None]),
    st.sampled_from([False, False, False, True]),
)


@given(rows=st.lists(parts, max_size=24), bars=st.tuples(st.sampled_from(ORDER), st.sampled_from(ORDER)))
@example(rows=[], bars=(0.1, 0.5))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_figures_are_those_of_a_direct_count(found, line_a, version, ivy, rows, bars):
    with transaction.atomic():
        keys = [part.pk for part in write(line_a, version, ivy, rows)]
        pass_below, reject_from = sorted(bars)
        told = found(pass_below=pass_below, reject_from=reject_from)
        transaction.set_rollback(True)
    passed, missed = counts(rows, pass_below, below=True), counts(rows, pass_below, below=False)["scratched"]
    rejected = counts(rows, reject_from, below=False)
    k = passed["scratched"] + passed["served"]
    n = k + passed["ok"]
    assert (told.parts, told.passed.parts, told.rejected.parts) == (len(rows), passed.total(), rejected.total())
    assert told.coverage == ((passed.total() + rejected.total()) / len(rows) if rows else None)
    assert (told.escapes.k, told.escapes.n, told.passed.waiting) == (k, n, passed["waiting"])
    assert told.one_look == clopper_pearson(k, n, told.delta)[1]
    assert (told.missed.k, told.missed.n) == (k, k + missed)
    good = rejected["ok"] + rejected["served"]
    assert (told.overkill.k, told.overkill.n) == (good, good + rejected["scratched"])
    assert told.overkill.bound == upper_bound(told.overkill.n, told.overkill.k, 0.05)
    if not passed["waiting"]:
        assert told.escapes.bound == upper_bound(n, k, told.delta)
    assert told.escapes.bound >= (told.escapes.value or 0)
    for step in told.order:
        at = counts(rows, step.threshold, below=True)
        assert step.escapes[:2] == (at["scratched"] + at["served"], at.total() - at["waiting"])
        assert step.coverage == pytest.approx(at.total() / max(1, len(rows)))
    escaped = [
        key
        for key, row in zip(keys, rows, strict=True)
        if counts([row], pass_below, below=True) in ({"scratched": 1}, {"served": 1})
    ]
    assert told.escaped == escaped[::-1]


def test_the_order_is_tested_from_its_strictest_threshold_on(found, line_a, version, make_evidence, ivy):
    make_evidence(line_a, version, 900, 0.01, "ok", by=ivy)
    make_evidence(line_a, version, 60, 0.07, "scratched", by=ivy)
    told = found(pass_below=0.3)
    verdicts = [(step.look.verdict, step.reached) for step in told.order]
    assert verdicts == [("certified", True), ("refuted", True), *[("refuted", False)] * 3]
    assert (told.certificate.met, told.certificate.figures["verdict"]) == (False, "refuted")
    assert found(pass_below=0.05).certificate.met


def test_a_stratum_is_told_by_its_own_parts(found, line_a, version, station, make_evidence, ivy):
    seen = make_evidence(line_a, version, 900, 0.01, "ok", by=ivy)
    Inspection.objects.filter(pk__in=[one.inspection_id for one in seen[:850]]).update(station=station)
    ChangedPart.objects.bulk_create(ChangedPart(inspection_id=one.inspection_id) for one in seen)
    told = {place: (look.verdict, look.n, look.more) for place, look in found(pass_below=0.05).strata}
    assert told == {("cam-1", ""): ("certified", 850, 0), ("", ""): ("not_yet", 50, 706)}


# ---- a day


def test_a_day_is_the_mean_of_the_days_before_today(found, line_a, version, make_evidence, ivy):
    midnight = timezone.now().astimezone(line_a.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    lately = [midnight - timedelta(days=day, hours=-3) for day in (1, 3) for _ in range(10 * day)]
    old = [midnight - timedelta(days=90)] * 50
    make_evidence(line_a, version, 40, 0.01, "ok", by=ivy, moments=lately)
    make_evidence(line_a, version, 10, 0.9, "scratched", by=ivy, moments=[midnight] * 10)
    make_evidence(line_a, version, 50, 0.01, "ok", by=ivy, moments=old)
    told = found(pass_below=0.05, reject_from=0.5, audit_share=0.25, share=0.5, now=midnight + timedelta(hours=12))
    assert parts_a_day(line_a, version, midnight + timedelta(hours=12)) == (20, 2)
    assert (told.day.passed, told.day.rejected) == (20 * 0.5 * 0.9, 20 * 0.5 * 0.1)
    assert (told.day.people, told.day.audits) == (10, 2.5)


def test_a_line_that_began_today_has_that_day(line_a, version, make_evidence, ivy, found):
    make_evidence(line_a, version, 10, 0.01, "ok", by=ivy, moments=[timezone.now()] * 10)
    assert found().day.parts == 10


def test_the_hours_saved_are_the_parts_less_the_audits_at_the_median_time(
    found, line_a, version, make_part, answer, ivy
):
    for n in range(5):
        answer(part := make_part(), version, 0.01)
        Verdict.objects.create(inspection=part, inspector=ivy, outcome="ok", duration_ms=1000 * (n + 1) ** 2)
    part = make_part()
    Verdict.objects.create(inspection=part, inspector=ivy, outcome="ok", occasion="advised", duration_ms=90_000)
    assert seconds_to_judge(line_a, timezone.now()) == (median([1, 4, 9, 16, 25]), 5)
    day = found(pass_below=0.05, audit_share=0.2).day
    assert day.saved_hours == pytest.approx((5 - 1) * 9 / 3600)


def test_without_a_timed_verdict_no_hours_are_told(found):
    assert found().day.saved_hours is None
    assert found().day.parts == 0


# ---- what leaves before a rollback


def test_the_documented_rise_takes_about_780_audits():
    assert mean_delay(0.005, 0.014, 0.002) == pytest.approx(780, rel=0.05)


@given(alpha=st.sampled_from([0.002, 0.005, 0.05]), gaps=st.lists(st.integers(0, 900), min_size=1, max_size=20))
def test_the_sums_go_from_escape_to_escape_as_the_detectors_do(alpha, gaps):
    good, bad = (delay._ratios(alpha, escaped) for escaped in (False, True))
    detector, sums = EscapeDetector(alpha, every=math.inf), np.zeros((1, good.size))
    for gap in gaps:
        for _ in range(gap):
            detector.update(False)
        detector.update(True)
        sums = delay._next_escape(sums, good, bad, np.array([gap]))
        assert sums[0] == pytest.approx(detector.sums)


def test_the_simulated_delay_is_the_detectors_own():
    chance, taken = random.Random(3), []
    for _ in range(60):
        detector, audits = EscapeDetector(0.05, every=500), 0
        while not detector.alarm:
            audits += 1
            detector.update(chance.random() < 0.2)
        taken.append(audits)
    standard_error = np.std(taken) / math.sqrt(len(taken))
    assert mean_delay(0.05, 0.2, 0.0, 500) == pytest.approx(np.mean(taken), abs=float(3.5 * standard_error))


@pytest.mark.parametrize(
    ("alpha", "rate", "before"), [(0.0, 0.1, 0.0), (0.1, 0.0, 0.0), (0.1, 1.1, 0.0), (1.0, 1.0, 0)]
)
def test_an_impossible_rise_is_never_seen(alpha, rate, before):
    assert mean_delay(alpha, rate, before) == math.inf


def test_the_risk_is_of_a_rise_to_twice_the_limit(found, line_a, version, make_evidence, ivy):
    make_evidence(line_a, version, 40, 0.01, "ok", by=ivy)
    seen = mean_delay(0.005, 0.01, 0.002)
    told = found(pass_below=0.05, audit_share=0.25)
    assert (told.risk.rate, told.risk.delay) == (0.01, seen)
    assert told.risk.escapes == pytest.approx(seen * 0.01 * 3)
    assert told.risk.days == pytest.approx(seen / (told.day.passed * 0.25))
    assert found(audit_share=1.0).risk.escapes == 0


# ---- the recent flow


draws = st.floats(0, 1, exclude_max=True)
recent = st.tuples(
    st.one_of(st.none(), st.floats(0, 1)), st.sampled_from([0.0, 0.4, 1.0, 3.0]), draws, draws, draws,
    st.sampled_from([("", ""), ("cam-1", ""), ("cam-1", "red")]),
)  # fmt: skip


def floats(column):
    return np.array(column, dtype=float)


@given(rows=st.lists(recent, max_size=30), share=st.sampled_from([0.3, 1.0]), strata=st.booleans())
def test_the_recent_parts_go_as_each_would_alone(rows, share, strata):
    rule = Rule(
        level=Level.PARTIAL, pass_below=0.2, reject_from=0.5, canary_share=share, audit_share=0.4,
        strata=frozenset([("cam-1", "")]) if strata else None, outside=Rule(level=Level.ASSIST) if share < 1 else None,
    )  # fmt: skip
    score, novelty, canary, audit, blind, places = zip(*rows, strict=True) if rows else [()] * 6
    told = reroute(
        Recent(
            np.arange(len(rows)), floats(score), floats(novelty), floats(canary), floats(audit), floats(blind),
            list(places),
        ),
        rule,
    )  # fmt: skip
    alone = [
        decide(rule, Part(row[0], row[2], row[3], row[4], "blank", row[1], row[5]))
        for row in rows
    ]  # fmt: skip
    outcomes = Counter(one.outcome for one in alone)
    assert (told.passed, told.rejected, told.people) == (outcomes["pass"], outcomes["reject"], outcomes["person"])
    assert told.reasons == Counter(one.why for one in alone if one.outcome == "person")
    assert told.audited == sum(one.audited for one in alone)


def test_the_last_parts_are_read_with_their_draws_and_scores(
    line_a, version, make_part, answer, station, monkeypatch, found
):
    for score in (0.01, 0.2, None, 0.9):
        answer(make_part(station="cam-1"), version, score, novelty=0.3 if score == 0.01 else None)
    answer(make_part(origin=Origin.IMPORTED), version, 0.5)
    Prediction.objects.create(inspection=make_part(), version=version, score=0.5, outcome="scratched")  # not drawn for
    read = recent_parts(line_a, version)
    stored = Draw.objects.filter(inspection__serial__in=["SN00001", "SN00002", "SN00003", "SN00004"]).order_by("-pk")
    assert read.scores.tolist()[:1] + read.scores.tolist()[2:] == [0.9, 0.2, 0.01]
    assert np.isnan(read.scores[1])
    assert read.novelties.tolist() == [0, 0, 0, 0.3]
    assert read.u_audit.tolist() == list(stored.values_list("u_audit", flat=True))
    assert read.strata == [("cam-1", "")] * 4
    assert found().recent.since == Inspection.objects.get(serial="SN00001").received_at
    monkeypatch.setattr(rerouting, "MOST", 2)
    assert recent_parts(line_a, version).scores.tolist()[:1] == [0.9]
    assert found().recent.parts == 2


def test_what_was_read_is_kept_and_what_came_since_is_read(line_a, version, make_part, answer, monkeypatch):
    monkeypatch.setattr(rerouting, "_kept", {})
    monkeypatch.setattr(rerouting, "LATE", 1)
    monkeypatch.setattr(rerouting, "MOST", 6)
    scores, kept = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], []
    for number in range(1, 9):
        answer(make_part(), version, scores[number - 1])
        assert recent_parts(line_a, version).scores.tolist() == scores[max(0, number - 6) : number][::-1]
        known = rerouting._kept.get((line_a.pk, version.pk))
        kept.append(known.recent.scores.tolist()[0] if known else None)
    assert kept == [None, 0.1, 0.1, 0.3, 0.3, 0.5, 0.5, 0.7]


def test_after_many_new_ones_all_are_read_again(line_a, version, make_part, answer, monkeypatch):
    monkeypatch.setattr(rerouting, "_kept", {})
    monkeypatch.setattr(rerouting, "LATE", 1)
    monkeypatch.setattr(rerouting, "MANY", 2)
    for count in (2, 3, 6):
        while Prediction.objects.count() < count:
            answer(make_part(), version, Prediction.objects.count() / 10)
        assert recent_parts(line_a, version).scores.tolist() == [n / 10 for n in range(count)][::-1]


def test_parts_of_another_history_are_not_taken_for_those_that_were_kept(
    line_a, version, make_part, answer, monkeypatch
):
    monkeypatch.setattr(rerouting, "LATE", 1)
    for score in (0.1, 0.2, 0.3):
        answer(make_part(), version, score)
    recent_parts(line_a, version)
    kept = rerouting._kept[line_a.pk, version.pk]
    rerouting._kept[line_a.pk, version.pk] = kept._replace(
        at=kept.at - timedelta(seconds=1), recent=kept.recent.part(slice(1))
    )
    assert recent_parts(line_a, version).scores.tolist() == [0.3, 0.2, 0.1]


def test_the_parts_of_a_demo_line_count_though_they_are_simulated(line_a, version, make_part, answer):
    Line.objects.filter(pk=line_a.pk).update(demo=True)
    line_a.refresh_from_db()
    answer(make_part(origin=Origin.SIMULATED), version, 0.2)
    assert len(recent_parts(line_a, version)) == 1


def test_only_certified_strata_are_decided_where_that_is_asked(found, line_a, version, make_part, answer):
    for _ in range(3):
        answer(make_part(), version, 0.01)
    assert found(pass_below=0.05).recent.passed == 3
    told = found(pass_below=0.05, certified_only=True).recent
    assert (told.passed, {why.name: n for why, n in told.reasons.items()}) == (0, {"NOT_CERTIFIED": 3})


def test_outside_its_share_parts_go_as_they_do_now(found, line_a, version, make_part, answer):
    for _ in range(3):
        answer(make_part(), version, 0.01)
    told = found(pass_below=0.05, share=1e-9).recent
    assert (told.passed, {why.name: n for why, n in told.reasons.items()}) == (0, {"PEOPLE_JUDGE_ALL": 3})


@pytest.fixture
def two_stations(line_a, version, station, make_evidence, ivy):
    """900 good parts of a certified station, and 900 good ones with five escapes of none."""
    seen = make_evidence(line_a, version, 1800, 0.01, "ok", by=ivy)
    Inspection.objects.filter(pk__in=[one.inspection_id for one in seen[:900]]).update(station=station)
    bad = make_evidence(line_a, version, 5, 0.01, "scratched", by=ivy)
    ChangedPart.objects.bulk_create(ChangedPart(inspection_id=one.inspection_id) for one in [*seen, *bad])
    catch_up()
    return station


def test_the_figures_are_those_of_the_strata_that_would_be_automated(found, two_stations):
    """A raise leaves the others' parts to people, so nothing is saved on them and nothing of them is at risk."""
    alone, every = found(pass_below=0.05), found(pass_below=0.05, certified_only=False)
    assert (alone.asked.certified_only, every.asked.certified_only) == (True, False)
    assert (alone.passed.parts, alone.recent.passed, alone.recent.people) == (900, 900, 905)
    assert (every.passed.parts, every.recent.passed, every.recent.people) == (1805, 1805, 0)
    assert alone.day.machine == pytest.approx(every.day.machine * 900 / 1805)
    assert alone.risk.days == pytest.approx(every.risk.days * 1805 / 900)
    assert alone.below == every.below, "the certificate looks at all of them"
    said, told = as_json(alone), as_json(every)
    assert (said["passed"], said["to_people"], said["escapes"]) == (900, 905, 5)
    assert (told["passed"], told["to_people"], told["escapes"]) == (1805, 0, 5)
    assert [row["automated"] for row in said["strata"]] == [False, True]


def test_the_page_says_of_which_strata_the_figures_are(page, sam, two_stations):
    assert "1 of 2 stations and variants, those certified" in words(page(sam).get(URL, {"pass_below": 0.05}))
    told = page(sam).get(URL, {"pass_below": 0.05, "all_strata": "on"})
    assert "also those that are not certified" in words(told)
    assert "all_strata=on" in words(told), "the links of the table keep it"


def test_before_any_stratum_is_certified_all_are_counted_and_the_page_says_so(
    page, sam, line_a, version, make_evidence, ivy
):
    make_evidence(line_a, version, 10, 0.01, "ok", by=ivy)
    assert "as if they were certified: none is yet" in words(page(sam).get(URL, {"pass_below": 0.05}))


def test_a_stratum_that_a_stricter_threshold_holds_up_is_said_to_be(page, sam, line_a, version, make_evidence, ivy):
    make_evidence(line_a, version, 100, 0.01, "ok", by=ivy)
    make_evidence(line_a, version, 900, 0.25, "ok", by=ivy)
    [told] = as_json(what_if_of(line_a, version, sam, pass_below=0.3))["strata"]
    assert (told["verdict"], told["tested"], told["n"]) == ("not_yet", 0.05, 100)
    assert "below 0.05: not yet: 656 more" in words(page(sam).get(URL, {"pass_below": 0.3, "reject_from": 0.3}))


def test_what_is_needed_is_what_the_certificate_lacks(line, version, set_level, make_evidence, ivy, sam):
    """While it is not known what inspectors find, at four fifths of delta as the gate does."""
    set_level(line, "shadow", version)
    make_evidence(line, version, 770, 0.01, "ok", by=ivy)
    told = as_json(what_if_of(line, version, sam, pass_below=0.05))
    assert told["needed"] - told["escape_rate"]["n"] == told["certificate"]["more"] > 0


def test_figures_that_lack_changes_say_so(page, api, line_a, version, make_part, answer, monkeypatch, sam):
    monkeypatch.setattr("shadow.rollups.FOR_A_READER", 1)
    answer(part := make_part(), version, 0.01)
    ChangedPart.objects.bulk_create(ChangedPart(inspection_id=part.pk) for _ in range(20))
    gates = f"/lines/{line_a.slug}/automation/"
    for address in (URL, gates):
        assert "changes are still being counted" in words(page(sam).get(address))
    assert api(sam).get(f"/api/v1{gates}").json()["uncounted"] > 0
    asked = {"policy": {"pass_below": 0.05, "reject_from": 0.3}}
    assert api(sam).post(API, asked, format="json").json()["uncounted"] > 0
    catch_up()
    for address in (URL, gates):
        assert "still being counted" not in words(page(sam).get(address))


# ---- asking


def test_what_is_not_named_is_as_it_is_now(line, version, set_level):
    set_level(line, "shadow", version, pass_below=0.1, reject_from=0.3, audit_share=0.2)
    asked = ask(policies.in_force(line), version)
    assert (asked.pass_below, asked.reject_from, asked.audit_share, asked.share) == (0.1, 0.3, 0.2, 1.0)
    other = ModelVersion.objects.create(name="o", weights_sha256="0" * 64, threshold=0.5, thresholds=[0.2, 0.4], by="a")
    assert (ask(policies.in_force(line), other).pass_below, ask(policies.in_force(line), other).reject_from) == (
        0.2,
        0.4,
    )


def test_one_threshold_for_both_is_full(line_a, version):
    policy = policies.in_force(line_a)
    assert ask(policy, version, pass_below=0.2, reject_from=0.2).level is Level.FULL
    assert ask(policy, version, pass_below=0.1, reject_from=0.2).level is Level.PARTIAL


def test_the_version_is_the_one_named_or_the_lines_or_the_newest(line, version, other_version, set_level):
    assert version_for(policies.in_force(line)) == other_version
    set_level(line, "shadow", version)
    assert version_for(policies.in_force(line)) == version
    assert version_for(policies.in_force(line), "v2") == other_version
    assert version_for(policies.in_force(line), "v9") is None


BARS = {"pass_below": 0.1, "reject_from": 0.5}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"pass_below": 0.12, "reject_from": 0.5}, "pass_below 0.12 is not among the thresholds frozen with v1. Choose one of 0.05, 0.1, 0.2, 0.3, 0.5."),
        ({"pass_below": 0.1, "reject_from": 0.9}, "reject_from 0.9 is not among"),
        ({"pass_below": 0.3, "reject_from": 0.1}, "a part would be both"),
        (BARS | {"audit_share": 0}, "audit_share is 0"),
        (BARS | {"share": 1.5}, "share is 1.5"),
        ({"pass_below": 0.1}, "required"),
    ],
)  # fmt: skip
def test_the_api_refuses_what_is_not_of_the_order_and_says_what_is(line_a, api, sam, policy, said):
    response = api(sam).post(API, {"policy": policy}, format="json")
    assert response.status_code == 400
    assert said in str(response.json())
    assert not ModelOutputShown.objects.exists()


def test_a_version_without_thresholds_cannot_be_asked(line_a, api, sam):
    ModelVersion.objects.create(name="bare", weights_sha256="0" * 64, threshold=0.5, thresholds=[], by="ada")
    assert api(sam).post(API, {"policy": BARS, "model": "bare"}, format="json").status_code == 409
    assert api(sam).post(API, {"policy": BARS, "model": "v7"}, format="json").status_code == 404


def test_the_api_answers_the_same_figures(line_a, version, make_evidence, api, sam, ivy, found):
    make_evidence(line_a, version, 30, 0.01, "ok", by=ivy)
    make_evidence(line_a, version, 2, 0.01, "scratched", by=ivy)
    make_evidence(line_a, version, 5, 0.9, "scratched", by=ivy)
    told, body = found(**BARS), api(sam).post(API, {"policy": BARS | {"audit_share": 0.5}}, format="json").json()
    assert (body["parts"], body["passed"], body["rejected"], body["to_people"]) == (37, 32, 5, 0)
    assert (body["escapes"], body["coverage"], body["pending"], body["overkill"]) == (2, 1.0, 0, 0)
    assert body["escape_rate"] == {
        "value": 2 / 32, "k": 2, "n": 32, "bound": body["escape_bound"], "one_look": told.one_look,
    }  # fmt: skip
    assert (body["miss_rate"]["k"], body["miss_rate"]["n"]) == (2, 7)
    assert body["escaped"] == list(told.escaped)
    assert (body["certificate"]["met"], body["certificate"]["verdict"]) == (False, "not_yet")
    assert [step["threshold"] for step in body["order"]] == ORDER
    assert body["policy"]["audit_share"] == 0.5
    assert body["before_a_rollback"]["escapes"] == pytest.approx(told.risk.delay * 0.01)
    assert body["recent"]["parts"] == 37
    assert body["forecast"]["certificate"].startswith("At the present rate of escapes")


# ---- who may


@pytest.mark.parametrize("who", ["ivy", "otto", "cam"])
def test_only_those_who_oversee_may_ask(who, request, page, api, line_a):
    user = request.getfixturevalue(who)
    assert page(user).get(URL).status_code == 403
    assert api(user).post(API, {"policy": BARS}, format="json").status_code == 403


def test_a_stranger_signs_in_and_a_person_of_another_line_is_refused(client, page, api, line_a, sam):
    assert client.get(URL).status_code == 302
    sam.lines.add(Line.objects.create(slug="line-z", name="Line Z"))
    assert page(sam).get(URL).status_code == 403
    assert api(sam).post(API, {"policy": BARS}, format="json").status_code == 403


@pytest.mark.parametrize("who", ["sam", "ada"])
def test_who_oversees_reads_and_posts_nothing(who, request, page, line_a):
    client = page(request.getfixturevalue(who))
    assert client.get(URL).status_code == 200
    assert client.post(URL).status_code == 405


# ---- whoever asks is shown


def test_who_opens_the_page_is_noted_for_the_parts_that_it_lists(page, line_a, version, make_evidence, ivy, sam):
    make_evidence(line_a, version, 30, 0.01, "scratched", by=ivy)
    client = page(sam)
    listed = client.get(URL, {"pass_below": "0.05"})
    assert "24 of 30, newest first" in words(listed)
    shown = ModelOutputShown.objects.filter(user=sam, where="what if")
    assert set(shown.values_list("inspection_id", flat=True)) == {
        exhibit.pair.inspection_id for exhibit in listed.context["escaped"]
    }
    assert shown.count() == 24
    client.get(URL, {"pass_below": "0.05"})
    assert shown.count() == 24


def test_who_asks_the_api_is_noted_too(api, line_a, version, make_evidence, ivy, sam):
    make_evidence(line_a, version, 3, 0.01, "scratched", by=ivy)
    api(sam).post(API, {"policy": BARS}, format="json")
    assert ModelOutputShown.objects.filter(user=sam, where="what if").count() == 3


def test_a_part_that_would_not_have_escaped_is_not_listed_and_not_noted(page, line_a, version, make_evidence, ivy, sam):
    make_evidence(line_a, version, 3, 0.2, "scratched", by=ivy)
    make_evidence(line_a, version, 3, 0.01, "ok", by=ivy)
    assert "None of the parts that would have been passed" in words(page(sam).get(URL, {"pass_below": "0.05"}))
    assert not ModelOutputShown.objects.exists()


# ---- the page


def test_the_page_says_the_sentence_first_and_keeps_the_choice(page, line_a, version, make_evidence, ivy, sam):
    make_evidence(line_a, version, 900, 0.01, "ok", by=ivy)
    make_evidence(line_a, version, 100, 0.4, "ok", by=ivy)
    text = words(page(sam).get(URL, {"pass_below": "0.1", "reject_from": "0.5", "audits": "25"}))
    bound = f"{100 * upper_bound(900, 0, 0.05):.3g}\xa0%"
    assert (
        f"The machine would decide 90\xa0% of the parts; of those that it passes, at most {bound} are scratched."
        in text
    )
    assert text.index("The machine would decide") < text.index("Scratched among passed")
    assert '<option value="0.1" selected>' in text
    assert (
        'name="audits" type="number" min="0.0001" max="100" step="any" inputmode="decimal" required value="25"' in text
    )
    assert "Certified" in text
    assert 'href="/lines/line-a/automation/?pass_below=0.1&reject_from=0.5&model=v1"' in text
    assert "style=" not in text
    assert "<script>" not in text


def test_the_fragment_is_what_follows_from_the_choice_alone(page, line_a, version, make_evidence, ivy, sam):
    make_evidence(line_a, version, 40, 0.01, "ok", by=ivy)
    text = words(page(sam).get(URL, {"pass_below": "0.1", "fragment": ""}))
    assert [text.count(f'data-part="{part}"') for part in ("said", "risk", "answer")] == [1, 1, 1]
    assert "<form" not in text
    assert "<html" not in text


def test_a_refused_choice_says_what_is_allowed_and_shows_the_policy_as_it_is(page, line_a, sam):
    response = page(sam).get(URL, {"pass_below": "0.12"})
    assert response.status_code == 400
    assert "Choose one of 0.05, 0.1, 0.2, 0.3, 0.5." in words(response)
    assert response.context["asked"].pass_below == 0.05
    for query in (
        {"audits": "0"},
        {"pass_below": "much"},
        {"model": "v9"},
        {"pass_below": "0.5", "reject_from": "0.1"},
    ):
        assert page(sam).get(URL, query).status_code == 400


def test_without_a_version_or_its_thresholds_the_page_says_what_to_do(page, line, sam):
    assert "No version is registered yet" in words(page(sam).get(URL))
    ModelVersion.objects.create(name="bare", weights_sha256="0" * 64, threshold=0.5, thresholds=[], by="ada")
    assert "bare has no thresholds" in words(page(sam).get(URL))


def test_a_gate_has_the_day_on_which_it_is_likely_met(page, line_a, version, make_evidence, ivy, sam):
    make_evidence(line_a, version, 400, 0.01, "ok", by=ivy)
    response = page(sam).get(URL, {"pass_below": "0.05"})
    likely = response.context["found"].likely["certificate"]
    assert f"likely on {likely:%-d %b %Y}" in words(response)


def test_while_inspectors_are_not_measured_nothing_is_certified(
    page, line, version, set_level, make_evidence, ivy, sam
):
    set_level(line, "shadow", version)
    make_evidence(line, version, 1500, 0.01, "ok", by=ivy)
    response = page(sam).get(URL, {"pass_below": "0.05"})
    assert response.context["state"] == "not_yet"
    assert "certified, if inspectors miss nothing" in words(response)


def test_a_part_that_was_served_or_that_nobody_could_tell_says_why_it_counts(page, line_a, version, ivy, sam):
    write(line_a, version, ivy, [(0.01, None, "ok", True)])
    assert "it was drawn blind and served" in words(page(sam).get(URL))


def test_an_overdue_audit_counts_and_shows_nothing(page, line, version, set_level, make_part, answer, sam):
    set_level(line, "partial", version, **BARS, audit_share=1.0)
    answer(part := make_part(), version, 0.01)
    Inspection.objects.filter(pk=part.pk).update(received_at=timezone.now() - timedelta(hours=30))
    response = page(sam).get(URL)
    assert response.context["found"].escapes.k == 1
    assert "One audit that is overdue counts as an escape" in words(response)
    assert not ModelOutputShown.objects.exists()


def test_the_questions_to_the_database_do_not_grow_with_the_parts(page, line_a, version, make_evidence, ivy, sam):
    client = page(sam)

    def asked():
        client.get(URL, {"pass_below": "0.1"})  # counts what is new, notes what is shown
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(URL, {"pass_below": "0.1"})
        return len(queries)

    make_evidence(line_a, version, 20, 0.01, "ok", by=ivy)
    make_evidence(line_a, version, 3, 0.01, "scratched", by=ivy)
    few = asked()
    make_evidence(line_a, version, 300, 0.01, "ok", by=ivy)
    make_evidence(line_a, version, 9, 0.01, "scratched", by=ivy)
    assert asked() == few


def test_the_url_is_under_the_lines_automation():
    assert reverse("what_if", args=["line-a"]) == URL
