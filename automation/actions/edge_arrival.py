"""A part arrives that its station has decided: its mark is written, the server scores it anew, and the two are compared.

The part has gone the way that the station decided, so that is its disposition in any case. What the rules say is whether
it is worth anything: taken and borne out by the server's own score, it is the machine's decision as any other, drawn for
audits by the server; else a person judges it for certain, a critical alarm opens, and it is evidence of nothing.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.dateparse import parse_datetime

from automation import policies
from automation.drawing import draw_of, stratum_of
from automation.edge_bundles import as_given
from automation.edge_rules import NOT_BORNE_OUT, NOT_TAKEN, Claim, why_not_taken, why_they_differ, words_of
from automation.models import EdgeBundle, EdgeMark, Routing
from inspection import actions as floor
from inspection.models import Inspection, Line
from inspection.moves import State
from inspection.refusals import BadInput
from monitoring.actions import open_alarm
from monitoring.models import Severity
from shadow.jobs import make_job
from shadow.models import Prediction

RULE = "edge_decision"  # the alarm's
SUGGESTION = (
    "People judge every part now. Look at the part and at what else this station decided while the network was down, "
    "find why server and station differ, and close this alarm with what was found."
)
SCORED_WITHIN = timedelta(hours=1)  # else a person judges the part: the server cannot say what it thinks of it
SWEPT = timedelta(days=7)


def take_station_decision(*, inspection: Inspection, sent: Mapping[str, Any], now: datetime) -> EdgeMark:
    """Write the mark of a part that has just been received, its disposition, and the job that scores it anew.

    Call it in the transaction in which the part arrives, which holds the line's lock. Raises BadInput for what is no
    decision at all.
    """
    claim = claim_of(sent)
    bundle = _bundle_of(inspection, claim)
    reasons = _why_not(inspection, claim, bundle, now)
    mark = EdgeMark.objects.create(
        inspection=inspection, bundle=bundle, number=claim.bundle, place=claim.place, outcome=claim.outcome,
        score=claim.score, novelty=claim.novelty, decided_at=claim.decided_at, taken=not reasons, refused=reasons, at=now,
    )  # fmt: skip
    if reasons or bundle is None:
        reason = f"{NOT_TAKEN}: {_clause(reasons[0])}"
        floor.file_station_decision(
            inspection=inspection, outcome=claim.outcome, reason=reason, certain=True, now=now
        )  # fmt: skip
        _leave_to_people(inspection, bundle, NOT_TAKEN, reasons[0], None, now)
        return mark
    reason = words_of(claim.outcome, claim.score, bundle.pass_below, bundle.reject_from)
    floor.file_station_decision(inspection=inspection, outcome=claim.outcome, reason=reason, certain=False, now=now)
    make_job(part=inspection, version=bundle.version)
    return mark


def _clause(sentence: str) -> str:
    """A reason as it stands after a colon."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def claim_of(sent: Mapping[str, Any]) -> Claim:
    """Raises BadInput with what a station's decision has to say."""
    moment = _moment(sent.get("decided_at"))
    numbers = [sent.get(name) for name in ("bundle", "place")]
    sound = all(type(number) is int and 0 < number < 2**31 for number in numbers)
    sound = sound and all(_is_finite(sent.get(name)) for name in ("score", "novelty"))
    if not sound or moment is None or sent.get("outcome") not in ("pass", "reject"):
        raise BadInput(
            "'decided' says: bundle and place (whole numbers from 1), outcome (pass or reject), score and novelty "
            "(numbers), and decided_at (a moment with its zone)."
        )
    return Claim(
        bundle=sent["bundle"], place=sent["place"], outcome=sent["outcome"], score=float(sent["score"]),
        novelty=float(sent["novelty"]), decided_at=moment,
    )  # fmt: skip


def _is_finite(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _moment(text: Any) -> datetime | None:
    try:
        moment = parse_datetime(text) if isinstance(text, str) else None
        return moment if moment and moment.tzinfo and 2000 <= moment.year < 9000 else None
    except ValueError:
        return None


def _bundle_of(part: Inspection, claim: Claim) -> EdgeBundle | None:
    """The line's bundle of the number, if it is the part's station's."""
    rows = EdgeBundle.objects.filter(line=part.line_id, number=claim.bundle, station=part.station_id)
    return rows.select_related("station", "policy", "version").defer("version__card").first()


def _why_not(part: Inspection, claim: Claim, bundle: EdgeBundle | None, now: datetime) -> list[str]:
    there = bundle and bundle.marks.filter(place=claim.place, taken=True).select_related("inspection").first()
    earlier = Inspection.objects.unseeded().filter(line=part.line_id, serial=part.serial).exclude(pk=part.pk)
    last = earlier.order_by("-received_at", "-pk").first()
    return why_not_taken(
        claim, as_given(bundle) if bundle else None, stratum=stratum_of(part),
        cleaned=last is not None and last.state == State.RETAKE, taken_by=there.inspection.serial if there else "", now=now,
    )  # fmt: skip


# ---- The server's own score


def marks_of(parts: Iterable[int]) -> dict[int, EdgeMark]:
    """The marks of those of the parts that their station decided."""
    rows = EdgeMark.objects.filter(inspection__in=parts)
    rows = rows.select_related("bundle__policy", "bundle__version", "bundle__station", "inspection__line")
    return {mark.inspection_id: mark for mark in rows}


@transaction.atomic
def compare(mark: EdgeMark, prediction: Prediction | None, *, now: datetime) -> Routing | None:
    """Hold a station's decision against the server's answer, None: none has come; once per part.

    Borne out, it is routed as the machine's own and the audit is drawn; else it is left to people.
    """
    bundle = mark.bundle
    if bundle is None or not mark.taken or (prediction and prediction.version_id != bundle.version_id):
        return None
    Line.objects.select_for_update().get(pk=mark.inspection.line_id)  # before its part, as everywhere
    part = floor.lock_all([mark.inspection_id])[mark.inspection_id]
    if Routing.objects.filter(inspection=part).exists():
        return None
    claim = Claim(bundle.number, mark.place, mark.outcome, mark.score, mark.novelty, mark.decided_at)
    reasons = why_they_differ(
        claim, as_given(bundle), score=prediction.score if prediction else None,
        novelty=prediction.novelty if prediction else None, null_reason=prediction.null_reason if prediction else "",
    )  # fmt: skip
    if reasons:
        floor.have_judged(inspections=[part], now=now)
        return _leave_to_people(part, bundle, NOT_BORNE_OUT, reasons[0], prediction, now)
    draw = draw_of(part)
    draw.blind = draw.audited = draw.u_audit < policies.shares_of(bundle.policy)[1]
    draw.save()
    if draw.audited:
        floor.have_judged(inspections=[part], now=now)
    reason = words_of(mark.outcome, mark.score, bundle.pass_below, bundle.reject_from)
    return Routing.objects.create(
        inspection=part, policy=bundle.policy, prediction=prediction, decision=mark.outcome, reason=reason[:200],
        decided=True, at=now,
    )  # fmt: skip


def _leave_to_people(
    part: Inspection, bundle: EdgeBundle | None, reason: str, detail: str, prediction: Prediction | None, now: datetime
) -> Routing | None:
    """No evidence: it is drawn for nothing. The part's state says already that a person judges it."""
    draw = draw_of(part)
    draw.blind = False
    draw.save()
    outcome = "passed" if part.dispositions.filter(by_machine=True, outcome="pass").exists() else "rejected"
    open_alarm(
        line=part.line, rule=RULE, severity=Severity.CRITICAL, suggestion=SUGGESTION, now=now,
        message=f"Part {part.serial} was {outcome} at its station while the network was down: {_clause(detail)}.",
    )  # fmt: skip
    policy = bundle.policy if bundle else policies.in_force(part.line)
    if policy.pk is None:
        return None  # nobody has ever raised this line: there is nothing to route by
    return Routing.objects.create(
        inspection=part, policy=policy, prediction=prediction, decision="person", reason=reason, at=now
    )


def compare_missing(*, now: datetime) -> int:
    """Compare what was scored and not compared, and leave to people what was not scored in time; return how many."""
    unrouted = EdgeMark.objects.filter(taken=True, at__gte=now - SWEPT)
    unrouted = unrouted.exclude(Exists(Routing.objects.filter(inspection=OuterRef("inspection"))))
    keys = list(unrouted.values_list("inspection_id", flat=True)[:200])
    if not keys:
        return 0
    marks = marks_of(keys)
    answers = Prediction.objects.filter(inspection__in=marks, retrospective=False)
    known = {
        answer.inspection_id: answer
        for answer in answers
        if answer.version_id == getattr(marks[answer.inspection_id].bundle, "version_id", None)
    }
    late = [key for key, mark in marks.items() if key in known or now - mark.at > SCORED_WITHIN]
    return sum(compare(marks[key], known.get(key), now=now) is not None for key in late)


def compare_answers(marks: Mapping[int, EdgeMark], answers: Iterable[Prediction], *, now: datetime) -> list[Routing]:
    """The routings of the parts that these answers were waited for."""
    found = [compare(marks[answer.inspection_id], answer, now=now) for answer in answers]
    return [routing for routing in found if routing]
