"""What moved, where it began and what to do about it: a pure function of what the detectors found on a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from monitoring.figures import BY_NAME, STAGES, Figure, Group, Kind
from monitoring.models import Remedy, Severity

AFTER_RELEASE = timedelta(days=3)  # what moves within that time of a new version is put down to it
UNSPECIFIC = {"intake.size"}  # moves with whatever a photo shows, so it names a stage only when nothing else does
ALIKE = 0.5  # of the farthest: about as far
ORDER = {name: place for place, name in enumerate(BY_NAME)}
LABELS = {"judge.scratched", "judge.undone"}  # of people alone: they say nothing of the model
TELLING = (
    "mean",
    "rate",
    "limit",
    "window",
    "features",
    "instant",
    "spread",
)  # detectors, the one that says most first

CHECKS: dict[str, str | Promise] = {
    "quality.brightness": gettext_lazy("check the lamp"),
    "quality.contrast": gettext_lazy("check lamp and exposure"),
    "quality.sharpness": gettext_lazy("clean the lens and focus it"),
    "quality.cast": gettext_lazy("check the lamp's colour and the white balance"),
    "quality.clipped": gettext_lazy("check lamp and exposure"),
    "quality.unfit": gettext_lazy("see whether the camera is covered"),
    "locate": gettext_lazy("check how camera and parts are placed"),
    "intake": gettext_lazy("check the settings of the camera"),
    "decode": gettext_lazy("check the settings of the camera"),
    "network": gettext_lazy("look at the farthest photos: dirt, another glass, another product?"),
    "score": gettext_lazy("look at the farthest photos: dirt, another glass, another product?"),
}


@dataclass(frozen=True)
class Moved:
    """One finding: which figure, where, since when and from what to what. `station` is a name; empty: the line."""

    figure: str
    station: str
    detector: str
    severity: str
    before: float | None
    after: float | None
    moved_at: datetime


@dataclass(frozen=True)
class Diagnosis:
    """What an alarm says. `groups` are the kinds of figure that moved, in the order of a part's way."""

    groups: tuple[str, ...]
    first_stage: str
    severity: str
    remedy: Remedy
    message: str
    suggestion: str


def diagnose(
    findings: Sequence[Moved],
    releases: Sequence[datetime] = (),
    *,
    agreement_watched: bool = True,
    zone: tzinfo | None = None,
) -> Diagnosis:
    """Name the cause that fits what moved.

    Input alone -> fix the station; input and agreement -> lower, retrain; agreement alone -> the meaning of a scratch
    moved: review the rule; agreement or answers right after a release -> roll back; software alone -> the server.

    Parameters
    ----------
    findings : at least one
    releases : when a version became live in place of another
    agreement_watched : whether people's verdicts could have shown a disagreement at all
    zone : of the line, for the time of day
    """
    first = named(findings)
    groups = _groups(findings)
    released = any(
        timedelta() <= finding.moved_at - release <= AFTER_RELEASE
        for finding in findings
        if _figure(finding).group in (Group.AGREEMENT, Group.OUTPUT) and finding.figure not in LABELS
        for release in releases
    )
    remedy, suggestion = _remedy(groups, released, first)
    return Diagnosis(
        groups=groups,
        first_stage=_figure(first).stage,
        severity=max((finding.severity for finding in findings), key=lambda severity: Severity(severity).rank),
        remedy=remedy,
        message=_message(first, groups, agreement_watched, zone)[:300],
        suggestion=suggestion[:300],
    )


def _figure(finding: Moved) -> Figure:
    return BY_NAME[finding.figure]


def named(findings: Sequence[Moved]) -> Moved:
    """What the alarm is named by: the plainest and gravest of the first stage that moved; among several that moved about
    as far (a dim lamp takes light and contrast alike) the one that the catalogue has first, for it explains the others."""
    place = min(map(_place, findings))
    likely = [finding for finding in findings if _place(finding) == place]
    most = max(abs(_change(finding) or 0.0) for finding in likely)
    likely = [finding for finding in likely if abs(_change(finding) or 0.0) >= ALIKE * most]
    return min(likely, key=lambda finding: (ORDER[finding.figure], finding.moved_at))


def _place(finding: Moved) -> tuple[bool, int, int, int]:
    """Photos before answers before people, in a part's way; software last, for it seldom explains the rest."""
    figure = _figure(finding)
    return (
        figure.group == Group.SOFTWARE or finding.figure in UNSPECIFIC,
        STAGES.index(figure.stage),
        TELLING.index(finding.detector),
        -Severity(finding.severity).rank,
    )


def _groups(findings: Sequence[Moved]) -> tuple[str, ...]:
    moved = {"labels" if finding.figure in LABELS else _figure(finding).group.value for finding in findings}
    return tuple(name for name in (*(group.value for group in Group), "labels") if name in moved)


def _change(finding: Moved) -> float | None:
    """By which share of what it was before; None where there was nothing."""
    if finding.before is None or finding.after is None or finding.before == 0:
        return None
    return (finding.after - finding.before) / abs(finding.before)


def _remedy(groups: Sequence[str], released: bool, first: Moved) -> tuple[Remedy, str]:
    moved = set(groups)
    if released and not moved & {Group.INPUT.value}:
        return Remedy.ROLL_BACK, _("It came with the new version: roll back, then look at what the versions differ in.")
    if {Group.INPUT.value, Group.AGREEMENT.value} <= moved:
        return Remedy.LOWER, _("Photos and agreement moved: lower the level, put the station right, or retrain.")
    if Group.AGREEMENT.value in moved:
        return Remedy.REVIEW_RULE, _(
            "The photos are as before and people judge otherwise: review the rule with the inspectors, relabel, retrain."
        )
    if Group.INPUT.value in moved:
        check = CHECKS.get(first.figure) or CHECKS.get(_figure(first).stage)
        words = _("Fix the station and keep the level: {check}.")
        return Remedy.FIX_STATION, words.format(check=check or _("look at the farthest photos"))
    if Group.OUTPUT.value in moved:
        return Remedy.LOOK, _("The answers moved and the photos did not: look at the farthest parts.")
    if moved == {Group.SOFTWARE.value}:
        return Remedy.FIX_SERVER, _("The photos and the answers are as before: look after the server.")
    return Remedy.LOOK, _("Look at these parts with the inspectors: more scratches, or another idea of them?")


def _message(first: Moved, groups: Sequence[str], agreement_watched: bool, zone: tzinfo | None) -> str:
    """One sentence, marked whole: another language has other punctuation."""
    check = CHECKS.get(first.figure) or CHECKS.get(_figure(first).stage)
    if Group.INPUT.value not in groups:
        words = _("{what} {moved} since {when}.")
    elif Group.AGREEMENT.value in groups:
        words = _("{what} {moved} since {when}; agreement moved too.")
    elif not agreement_watched:
        words = _("{what} {moved} since {when}; of agreement nothing is known yet.")
    elif check:
        words = _("{what} {moved} since {when}; agreement holds: {check}.")
    else:
        words = _("{what} {moved} since {when}; agreement holds.")
    when = date_format(localtime(first.moved_at, zone), "j M H:i")
    return words.format(what=_what(first), moved=_moved(first), when=when, check=check)


def _what(finding: Moved) -> str:
    label = str(_figure(finding).label)
    if _figure(finding).stage != "server" and finding.figure.endswith(".ms"):
        label = f"{label} ({_figure(finding).stage})"
    if finding.detector == "spread":
        label = _("The spread of: {figure}").format(figure=label)
    return _("{figure} at {station}").format(figure=label, station=finding.station) if finding.station else label


def _moved(finding: Moved) -> str:
    """`rose 11 %`, `rose from 3.1 % to 9.8 %` for rates, `moved` where before and after do not tell."""
    before, after = finding.before, finding.after
    if before is None or after is None or finding.detector in ("window", "features") or before == after:
        return _("looks different")
    rose = after > before
    if _figure(finding).kind == Kind.RATE:
        words = _("rose from {before} % to {after} %") if rose else _("fell from {before} % to {after} %")
        return words.format(before=_short(100 * before), after=_short(100 * after))
    share = _change(finding)
    if share is not None and abs(share) >= 0.01 and abs(share) < 10:
        return (_("rose {share} %") if rose else _("fell {share} %")).format(share=_short(100 * abs(share)))
    words = _("rose from {before} to {after}") if rose else _("fell from {before} to {after}")
    return words.format(before=_short(before), after=_short(after))


def _short(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 10 else f"{number:.2g}"
