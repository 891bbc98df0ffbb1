"""What moved, where it began and what to do: each cause by its own sign."""

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.diagnosis import Moved, diagnose

AT = datetime(2026, 11, 27, 9, 42, tzinfo=UTC)


def moved(
    figure="quality.brightness",
    *,
    station="Camera 2",
    detector="mean",
    severity="alarm",
    before=40.0,
    after=44.4,
    at=AT,
):
    return Moved(figure, station, detector, severity, before, after, at)


LIGHT = moved()
DISAGREE = moved("judge.disagreement", detector="rate", severity="critical", before=0.031, after=0.098)
REJECT = moved("score.reject", detector="rate", before=0.1, after=0.2)
SLOW = moved("network.ms", station="", before=20.0, after=60.0)
LABELS = moved("judge.scratched", detector="rate", before=0.1, after=0.3)


@pytest.mark.parametrize(
    ("findings", "releases", "remedy", "stage"),
    [
        ([LIGHT], [], "fix_station", "quality"),
        ([LIGHT], [AT - timedelta(hours=1)], "fix_station", "quality"),
        ([LIGHT, REJECT], [], "fix_station", "quality"),
        ([DISAGREE, LIGHT], [], "lower", "quality"),
        ([DISAGREE], [], "review_rule", "judge"),
        ([DISAGREE, LABELS], [], "review_rule", "judge"),
        ([DISAGREE], [AT - timedelta(hours=1)], "roll_back", "judge"),
        ([DISAGREE], [AT + timedelta(hours=1)], "review_rule", "judge"),
        ([DISAGREE], [AT - timedelta(days=30)], "review_rule", "judge"),
        ([REJECT], [AT - timedelta(hours=1)], "roll_back", "score"),
        ([REJECT], [], "look", "score"),
        ([SLOW], [], "fix_server", "network"),
        ([SLOW, LIGHT], [], "fix_station", "quality"),
        ([LABELS], [], "look", "judge"),
        ([LABELS], [AT - timedelta(hours=1)], "look", "judge"),
        ([moved("intake.size", before=60.0, after=55.0), LIGHT], [], "fix_station", "quality"),
        ([moved("intake.size", before=60.0, after=55.0)], [], "fix_station", "intake"),
    ],
)
def test_each_cause_has_its_sign(findings, releases, remedy, stage):
    for order in (findings, findings[::-1]):
        found = diagnose(order, releases)
        assert (found.remedy, found.first_stage) == (remedy, stage)
        assert 0 < len(found.suggestion) <= 300


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([LIGHT], "Brightness at Camera 2 rose 11 % since 27 Nov 09:42; agreement holds: check the lamp."),
        ([LIGHT, DISAGREE], "Brightness at Camera 2 rose 11 % since 27 Nov 09:42; agreement moved too."),
        (
            [DISAGREE],
            "Blind verdicts that differ from the model at Camera 2 rose from 3.1 % to 9.8 % since 27 Nov 09:42.",
        ),
        ([SLOW], "Time of the stage (network) rose 200 % since 27 Nov 09:42."),
        (
            [moved(detector="window")],
            "Brightness at Camera 2 looks different since 27 Nov 09:42; agreement holds: check the lamp.",
        ),
        (
            [moved(before=0.0, after=2.0)],
            "Brightness at Camera 2 rose from 0 to 2 since 27 Nov 09:42; agreement holds: check the lamp.",
        ),
    ],
)
def test_the_sentence_names_what_where_since_when_and_what_to_do(findings, words):
    assert diagnose(findings).message == words


def test_where_nobody_judged_agreement_is_not_said_to_hold():
    assert diagnose([LIGHT], agreement_watched=False).message.endswith("of agreement nothing is known yet.")


def test_the_gravest_finding_is_the_alarms_severity():
    assert diagnose([moved(severity="warning"), DISAGREE]).severity == "critical"
    assert diagnose([moved(severity="warning")]).severity == "warning"


def test_groups_are_told_in_the_order_of_a_parts_way():
    assert diagnose([DISAGREE, LABELS, LIGHT, SLOW]).groups == ("software", "input", "agreement", "labels")


def test_a_dim_lamp_is_named_by_its_light_though_contrast_fell_as_far():
    light = moved("quality.brightness", before=37.4, after=33.9)
    contrast = moved("quality.contrast", before=15.2, after=13.6)
    assert diagnose([contrast, light]).message.startswith("Brightness")
    blur = moved("quality.sharpness", before=16.0, after=8.0)
    assert diagnose([light, blur]).message.startswith("Sharpness")


@pytest.mark.parametrize(
    ("findings", "watched"),
    [([LIGHT], True), ([LIGHT], False), ([LIGHT, DISAGREE], True), ([DISAGREE], True),
     ([moved("intake.size")], True)],
)  # fmt: skip
def test_a_sentence_is_translated_whole_with_its_punctuation(monkeypatch, findings, watched):
    full_width = str.maketrans({".": "。", ";": "；", ":": "："})
    monkeypatch.setattr("monitoring.diagnosis._", lambda words: words.translate(full_width))
    message = diagnose(findings, agreement_watched=watched).message
    assert message.endswith("。")
    assert "; " not in message
    assert not message.replace("09:42", "").count(":")
