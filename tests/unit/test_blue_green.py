"""Two versions on the same parts: which of them is better, by the parts on which they differ and by nothing else."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from automation.actions.voiding import void_evidence
from automation.blue_green import compare_versions, versions_of
from automation.evidence import needed
from automation.models import Routing
from automation.reports import standing
from automation.routing import Decision, Why
from automation.versus import Versus, heard, may_wait
from inspection import actions as floor
from inspection.models import Draw, Inspection, Origin, Verdict
from shadow.actions import register_version
from shadow.models import Prediction
from tests.conftest import untrained_weights

BARS = {"pass_below": 0.1, "reject_from": 0.5}

# ---- the test


@pytest.mark.parametrize(("missed", "enough"), [(0, 6), (1, 11), (2, 14)])
def test_as_many_discordant_parts_as_the_document_says(missed, enough):
    assert Versus(missed, enough - missed).finding == "green"
    assert Versus(missed, enough - 1 - missed).finding == "open"
    assert Versus(enough - missed, missed).finding == "blue"
    assert Versus(missed, 0).missing == enough - missed


def test_no_data_finds_nothing():
    assert (Versus().finding, Versus().discordant, Versus().missing) == ("open", 0, 6)


@given(st.integers(0, 200), st.integers(0, 200), st.sampled_from([0.01, 0.05, 0.2]))
def test_one_is_better_at_most_and_missing_says_how_many_more(only_green, only_blue, delta):
    versus = Versus(only_green, only_blue, delta=delta)
    mirrored = Versus(only_blue, only_green, delta=delta).finding
    assert mirrored == {"green": "blue", "blue": "green", "open": "open"}[versus.finding]
    assert (versus.missing == 0) == (versus.finding == "green")
    assert Versus(only_green, only_blue + versus.missing, delta=delta).finding == "green"


def test_of_two_equal_versions_one_is_found_better_as_seldom_as_delta_says():
    """At every look of 3,000, 4,000 times over; a test that is looked at once would find one in a quarter of them."""
    wins = np.random.default_rng(20).random((4000, 3000)) < 0.5
    missed = wins.cumsum(axis=1)
    enough = np.array([needed(0.5, 0.05, k) for k in range(missed.max() + 1)])
    assert (np.arange(1, 3001) >= enough[missed]).any(axis=1).mean() < 0.05


# ---- two decisions on one part

OUTCOMES = ("pass", "reject", "person")


@pytest.mark.parametrize("live", OUTCOMES)
@pytest.mark.parametrize("standby", OUTCOMES)
@pytest.mark.parametrize("drawn", [True, False])
def test_only_a_pass_and_a_rejection_are_opposite(live, standby, drawn):
    decision = Decision(live, Why.BELOW, "because", blind=drawn, audited=drawn)
    got = heard(decision, Decision(standby, Why.BELOW, "because", blind=True))
    if {live, standby} == {"pass", "reject"}:
        assert got == Decision("person", Why.VERSIONS_DISAGREE, "versions disagree", blind=drawn)
    else:
        assert got == decision


def test_a_part_waits_until_a_quarter_of_its_hold_is_left():
    start = timezone.now()
    hold = timedelta(seconds=20)
    ages = [0, 14.9, 15, 19, 25]
    waits = [may_wait(start, start + hold, start + timedelta(seconds=age)) for age in ages]
    assert waits == [True, True, False, False, False]
    assert not may_wait(start, start, start), "where people judge every part there is no hold"


# ---- what is counted


@pytest.fixture
def seen(line, version, other_version, make_evidence, ivy):
    """Files parts that both versions answered and ivy judged blind: `seen(6, 0.01, 0.9, "scratched")`, blue's score first."""

    def write(count, blue, green, outcome, by=ivy):
        mine = make_evidence(line, version, count, blue, outcome, by=by)
        return Prediction.objects.bulk_create(
            Prediction(
                inspection=one.inspection, version=other_version, score=green, at=one.at,
                outcome="" if green is None else "scratched" if green >= other_version.threshold else "ok",
                null_reason="blank" if green is None else "",
            )
            for one in mine
        )  # fmt: skip

    return write


@pytest.fixture
def found(line, version, other_version):
    """What the comparison says now: (only blue misses, only green misses, only blue rejects, only green rejects, waiting)."""

    def ask():
        compared = compare_versions(line, version, other_version, now=timezone.now())
        versus = compared.versus
        return versus.only_blue, versus.only_green, versus.good_blue, versus.good_green, compared.waiting

    return ask


def test_parts_on_which_they_differ_are_counted_by_who_was_wrong(seen, found, shadowed, version, other_version):
    seen(6, 0.01, 0.9, "scratched")
    seen(1, 0.9, 0.4, "scratched")
    seen(2, 0.9, 0.4, "ok")
    seen(3, 0.2, 0.6, "ok")
    for blue, green in ((0.01, 0.02), (0.8, 0.9)):
        seen(5, blue, green, "scratched")
        seen(5, blue, green, "ok")
    assert found() == (6, 1, 2, 3, 0)
    compared = compare_versions(shadowed, version, other_version, now=timezone.now())
    assert compared.versus.finding == "open"
    assert "4 more scratched parts that only v1 misses" in compared.finding
    assert compared.counts == (
        "So far v1 alone missed 6 scratched parts and v2 alone 1; of the newest good parts that either rejected, v1 alone "
        "rejected 2 and v2 alone 3."
    )
    mirrored = compare_versions(shadowed, other_version, version, now=timezone.now()).versus
    assert (mirrored.only_blue, mirrored.only_green, mirrored.good_blue, mirrored.good_green) == (1, 6, 3, 2)


def test_six_parts_that_only_blue_misses_show_that_green_is_better(seen, shadowed, version, other_version):
    seen(6, 0.01, 0.9, "scratched")
    now = timezone.now()
    assert compare_versions(shadowed, version, other_version, now=now).finding == (
        "v2 misses fewer scratched parts than v1, with 95 % confidence at every look."
    )
    assert compare_versions(shadowed, other_version, version, now=now).finding == (
        "v2 misses fewer scratched parts than v1, with 95 % confidence at every look."
    )


def test_without_an_answer_of_both_a_part_says_nothing(seen, found, shadowed, make_evidence, version, ivy):
    seen(3, 0.01, None, "scratched")
    make_evidence(shadowed, version, 4, 0.01, "scratched", by=ivy)
    assert found() == (0, 0, 0, 0, 0)


def novel(line, version, other_version, **fields):
    """A scratched part that blue misses and green finds, but for what `fields` say of green's answer."""
    now = timezone.now()
    part = Inspection.objects.create(line=line, serial="N1", captured_at=now, received_at=now, hold_until=now)
    Draw.objects.create(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=True)
    Prediction.objects.create(inspection=part, version=version, score=0.01, outcome="ok")
    Prediction.objects.create(inspection=part, version=other_version, score=0.9, outcome="scratched", **fields)
    return part


@pytest.mark.parametrize(("fields", "counts"), [({}, 1), ({"novelty": 2.0}, 0), ({"retrospective": True}, 0)])
def test_a_part_unlike_any_seen_before_and_a_replay_say_nothing(
    shadowed, version, other_version, found, ivy, fields, counts
):
    part = novel(shadowed, version, other_version, **fields)
    assert found() == (0, 0, 0, 0, counts)
    Verdict.objects.create(inspection=part, inspector=ivy, outcome="scratched")
    assert found() == (counts, 0, 0, 0, 0)


def test_what_was_served_says_nothing_and_second_thoughts_change_nothing(
    shadowed, seen, found, version, other_version, ivy, sam
):
    part = novel(shadowed, version, other_version)
    floor.note_model_output_shown(inspection=part, user=ivy, where="test")
    Verdict.objects.create(inspection=part, inspector=ivy, outcome="scratched")
    assert found() == (0, 0, 0, 0, 0)
    [prediction] = seen(1, 0.01, 0.9, "scratched")
    floor.note_model_output_shown(inspection=prediction.inspection, user=sam, where="test")
    floor.correct_verdict(verdict=prediction.inspection.verdicts.get(), by=sam, outcome="ok", reason="a reflex")
    assert found() == (1, 0, 0, 0, 0)


def test_after_an_alarm_evidence_starts_again(seen, found, shadowed, version, other_version):
    seen(6, 0.01, 0.9, "scratched")
    void_evidence(line=shadowed, version=other_version, reason="alarm", now=timezone.now())
    assert found() == (0, 0, 0, 0, 0)


# ---- where the machine decides


@pytest.fixture
def beside(line, version, other_version, set_level):
    """Line A at partial by version 1 with version 2 as standby; next to nothing is drawn."""
    set_level(line, "partial", version, **BARS, audit_share=1e-9, standby_id=other_version.pk)
    return line


@pytest.fixture
def sent(beside, version, other_version, make_part, answer):
    """A part that both have answered: `sent(0.01, 0.9)`."""

    def write(blue, green, **fields):
        answer(part := make_part(**fields), version, blue)
        answer(part, other_version, green)
        return part

    return write


def test_every_disagreement_is_judged_and_counts_though_it_was_not_drawn(sent, found, judge, ivy):
    part = sent(0.01, 0.9)
    assert (part.state, part.draw.blind, found()) == ("waiting", False, (0, 0, 0, 0, 1))
    judge(part, ivy, "scratched")
    assert found() == (1, 0, 0, 0, 0)
    judge(sent(0.9, 0.01), ivy, "scratched")
    assert found() == (1, 1, 0, 0, 0)
    judge(sent(0.01, 0.9), ivy, "ok")
    assert found() == (1, 1, 0, 0, 0), "of good parts those drawn are reported: they tell how many there are"


def test_after_the_switch_back_they_count_for_the_same_versions(
    sent, found, judge, ivy, beside, version, other_version, set_level
):
    judge(sent(0.01, 0.9), ivy, "scratched")
    set_level(beside, "partial", other_version, **BARS, audit_share=1e-9, standby_id=version.pk)
    judge(sent(0.01, 0.9), ivy, "scratched")
    assert found() == (2, 0, 0, 0, 0)


def test_only_where_both_were_sure_for_less_is_not_judged_whoever_is_live(sent, found, judge, ivy):
    """Version 1 would pass from 0.05 on by its policy, yet not by its strictest threshold."""
    judge(sent(0.07, 0.9), ivy, "scratched")
    judge(sent(0.3, 0.9), ivy, "scratched")  # in the unsure band: a person's all the same
    assert found() == (0, 0, 0, 0, 0)


def test_the_one_that_rejects_must_be_sure_too(line, version, set_level, make_part, answer, judge, ivy):
    """From 0.8 on, its loosest threshold; for less the other way round nobody might have been asked."""
    wide = untrained_weights(seed=4, thresholds="[0.05, 0.5, 0.8]")
    green = register_version(name="wide", weights=wide, card={}, by="test")
    set_level(line, "partial", version, **BARS, audit_share=1e-9, standby_id=green.pk)
    for score, counts in ((0.6, 0), (0.85, 1)):
        answer(part := make_part(), version, 0.01)
        answer(part, green, score)
        judge(part, ivy, "scratched")
        assert compare_versions(line, version, green, now=timezone.now()).versus.only_blue == counts


def test_of_those_sent_neither_seeds_nor_the_served_nor_a_serial_twice_count(sent, found, judge, ivy, ian, beside):
    judge(sent(0.01, 0.9, serial="SN1"), ivy, "scratched")
    judge(sent(0.01, 0.9, serial="SN1"), ivy, "scratched")
    judge(sent(0.01, 0.9, origin=Origin.SEEDED), ivy, "scratched")
    served = sent(0.01, 0.9)
    floor.note_model_output_shown(inspection=served, user=ian, where="test")
    for person in (ian, ivy):  # ivy was shown nothing; but the part was no blind one any more
        Verdict.objects.create(inspection=served, inspector=person, outcome="scratched")
    assert found()[:2] == (1, 0)


@pytest.mark.parametrize(("first", "then", "counts"), [("scratched", "ok", 1), ("ok", "scratched", 0)])
def test_of_those_sent_second_thoughts_change_nothing(sent, found, judge, ivy, sam, first, then, counts):
    verdict = judge(part := sent(0.01, 0.9), ivy, first)
    floor.note_model_output_shown(inspection=part, user=sam, where="test")
    floor.correct_verdict(verdict=verdict, by=sam, outcome=then, reason="a closer look")
    assert found()[:2] == (counts, 0)


def test_what_the_live_version_decided_alone_does_not_count(
    beside, version, other_version, make_part, answer, found, ivy
):
    """The standby was late: whether such a part is ever judged is not the comparison's to say."""
    part = make_part()
    Inspection.objects.filter(pk=part.pk).update(received_at=timezone.now() - timedelta(minutes=5))
    answer(part, version, 0.01)
    answer(part, other_version, 0.9)
    assert Routing.objects.get().decision == "pass"
    Verdict.objects.create(inspection=part, inspector=ivy, outcome="scratched")
    assert found() == (0, 0, 0, 0, 0)


# ---- what the page shows


def test_the_versions_of_a_line_stand_by_their_roles(sent, beside, version, other_version, answer, make_part):
    sent(0.01, 0.9)
    sent(0.01, 0.02)
    shown = versions_of(beside, standing(beside))
    assert [(row.version, row.role, row.answers, row.nulls, row.null_rate) for row in shown.rows] == [
        (version, "live", 2, 0, "0 %"), (other_version, "standby", 2, 0, "0 %"),
    ]  # fmt: skip
    assert (shown.disagreed, shown.routed, shown.others, shown.runs) == (1, 2, [], True)
    live, standby = shown.rows
    assert (live.compared, standby.compared.blue, standby.compared.green) == (None, version, other_version)
    assert (standby.lands, standby.certified) == ("assist", None)
    assert "more judged parts below 0.05 are needed" in standby.certificate


def test_a_line_that_no_version_scores_shows_who_could(line, version):
    shown = versions_of(line, standing(line))
    assert (shown.rows, shown.others, shown.runs, shown.standby) == ([], [version], False, None)
