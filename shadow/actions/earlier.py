"""Writes of an earlier inspection system: register it, record the answers that it sends, give up on those that never came."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import actions as floor
from inspection import audit
from inspection.models import Inspection, Line, User, Verdict
from inspection.planning import unindexed
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import May, Role, must, roles_of
from shadow.actions.versions import check_name
from shadow.earlier import (
    MOST_ANSWERS,
    NO_ANSWER,
    Declaration,
    Fate,
    Sent,
    Standing,
    against_answer,
    against_declaration,
    fate_of,
    milliseconds,
    score_of,
)
from shadow.models import Assignment, AwaitedAnswer, ModelVersion, Prediction, VersionKind

GIVEN_UP_AT_ONCE = 200  # answers that never came, of a version


def register_earlier(
    *, declaration: Declaration, by: User | str, now: datetime | None = None
) -> tuple[ModelVersion, bool]:
    """Write an earlier system as a version, and say whether it is new. It has no weights: its answers are sent.

    Raises BadInput for a declaration that makes no sense, Conflict when the name is another version's; the same declaration
    again returns the version.
    """
    if isinstance(by, User):
        must(by, May.SET_UP)
    check_name(declaration.name)
    if reasons := against_declaration(declaration):
        raise BadInput(*reasons)
    known = ModelVersion.objects.filter(name=declaration.name).first()
    if known and known.weights_sha256 == declaration.sha256:
        return known, False
    if known:
        raise Conflict(f"The name {declaration.name!r} belongs to another version. Choose a new name.")
    with transaction.atomic():
        version = ModelVersion.objects.create(
            name=declaration.name, kind=VersionKind.IMPORTED, weights_sha256=declaration.sha256,
            threshold=declaration.threshold, thresholds=list(declaration.thresholds), answers_within=declaration.within,
            card=declaration.card(), by=audit.name_of(by), at=now or timezone.now(),
        )  # fmt: skip
        audit.record(
            "earlier_system_registered", by=by, subject=f"version {version.name}", declaration=declaration.sha256,
            threshold=declaration.threshold, thresholds=list(declaration.thresholds),
        )  # fmt: skip
    return version, True


class Taken(NamedTuple):
    """What became of one answer of a batch; `row` counts from 0."""

    row: int
    part: int | None
    serial: str
    fate: Fate


@dataclass(frozen=True)
class Recorded:
    """What became of a batch, and the predictions that were written."""

    rows: list[Taken] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)

    def count(self, status: str) -> int:
        return sum(taken.fate.status == status for taken in self.rows)

    @property
    def refused(self) -> list[Taken]:
        return [taken for taken in self.rows if taken.fate.status == "refused"]


def record_answers(
    *,
    version: ModelVersion,
    answers: Sequence[Sent],
    by: User | str,
    history: bool = False,
    now: datetime | None = None,
) -> Recorded:
    """Write an earlier system's answers, each once, and say what became of each.

    One that is refused keeps no other from being written. An answer of another time than the part's own, and with `history`
    every one, is retrospective. Raises Conflict for a version that scores by itself, BadInput for too many, NotAllowed for
    a station that is bound to no line.
    """
    _may_answer(version, by)
    if not 1 <= len(answers) <= MOST_ANSWERS:
        raise BadInput(_("Send 1 to {most} answers at once.").format(most=f"{MOST_ANSWERS:,}"))
    return _record(version, answers, by, history, now or timezone.now())


def _may_answer(version: ModelVersion, by: User | str) -> None:
    if not version.is_imported:
        raise Conflict(_("{version} scores parts by itself: no answers are sent for it.").format(version=version))
    if isinstance(by, User):
        must(by, May.ANSWER)
        if Role.ADMIN not in roles_of(by) and not by.lines.exists():
            raise NotAllowed(_("A station answers for the lines that it is bound to, and this one is bound to none."))


@transaction.atomic
def _record(version: ModelVersion, answers: Sequence[Sent], by: User | str, history: bool, now: datetime) -> Recorded:
    found = _parts_of(answers, by)
    parts = _locked_with_their_serials({part for part, _ in found if part is not None})
    standings = _standings(version, parts)
    says = version.card.get("says", "score")
    rows: list[Taken] = []
    written: list[Prediction] = []
    for number, (sent, (key, missing)) in enumerate(zip(answers, found, strict=True)):
        reason = against_answer(sent, says) or missing
        if reason or key is None:
            rows.append(Taken(number, key, sent.serial, Fate("refused", reason)))
            continue
        fate = fate_of(sent, standings[key], within=version.answers_within or 0, history=history, now=now)
        rows.append(Taken(number, key, parts[key].serial, fate))
        if fate.status == "recorded":
            written.append(_prediction(version, parts[key], sent, fate, now))
            # The same part once more in this batch meets the answer that is written here.
            standings[key] = Standing(parts[key].received_at, known=(score_of(sent), sent.failure[:200]))
    predictions = Prediction.objects.bulk_create(written)
    AwaitedAnswer.objects.filter(version=version, inspection__in=[row.inspection_id for row in written]).delete()
    _note(version, predictions, parts, by)
    return Recorded(rows, predictions)


Place = tuple[str, str]  # line's slug, serial


def _parts_of(answers: Sequence[Sent], by: User | str) -> list[tuple[int | None, str]]:
    """For each answer the part that it is of; or none, and why. No part is guessed: an answer would stand at another one."""
    mine = Inspection.objects.unseeded()
    if isinstance(by, User):
        mine = mine.filter(line__in=Line.objects.for_user(by))
    keys = {sent.inspection for sent in answers if sent.inspection is not None}
    known = set(mine.filter(pk__in=keys).values_list("pk", flat=True))
    of_place: dict[Place, list[tuple[int, datetime]]] = defaultdict(list)
    serials = {sent.serial for sent in answers if sent.inspection is None}
    rows = mine.filter(serial__in=serials).order_by("pk").values_list("line__slug", "serial", "pk", "captured_at")
    for slug, serial, pk, captured_at in rows:
        of_place[slug, serial].append((pk, captured_at))
    return [_part_of(sent, known, of_place) for sent in answers]


def _part_of(
    sent: Sent, known: set[int], of_place: Mapping[Place, Sequence[tuple[int, datetime]]]
) -> tuple[int | None, str]:
    if sent.inspection is not None:
        there = sent.inspection in known
        return (sent.inspection, "") if there else (None, f"there is no inspection {sent.inspection} on your lines")
    fitting = [
        pk
        for pk, captured_at in of_place.get((sent.line, sent.serial), ())
        if sent.captured_at is None or sent.captured_at == captured_at
    ]
    if len(fitting) == 1:
        return fitting[0], ""
    if not fitting:
        return None, f"{sent.serial!r} has not arrived on line {sent.line!r}; send the answer again when it has"
    return None, f"{sent.serial!r} was inspected {len(fitting)} times; say which by 'inspection' or 'captured_at'"


def _locked_with_their_serials(keys: set[int]) -> dict[int, Inspection]:
    """The parts and the other inspections of their serials, locked: a verdict on one that is sent to be cleaned is given on
    the next, and none can come in between."""
    serials = set(Inspection.objects.filter(pk__in=keys).values_list("line_id", "serial"))
    same = Inspection.objects.alias(on_line=unindexed("line")).filter(
        serial__in={serial for _, serial in serials}, on_line__in={line for line, _ in serials}
    )
    return floor.lock_all(same.values_list("pk", flat=True)) if keys else {}


def _standings(version: ModelVersion, parts: Mapping[int, Inspection]) -> dict[int, Standing]:
    given = Verdict.objects.filter(inspection__in=parts).order_by().values_list("inspection_id", flat=True)
    judged = {(parts[key].line_id, parts[key].serial) for key in given}
    answers = Prediction.objects.filter(version=version, inspection__in=parts).order_by()
    known = {
        part: (score, reason) for part, score, reason in answers.values_list("inspection_id", "score", "null_reason")
    }
    since = dict(Assignment.objects.current().filter(version=version).values_list("line", "assigned_at"))
    return {
        key: Standing(
            received_at=part.received_at,
            live=part.line_id in since and since[part.line_id] <= part.received_at and part.counts_as_live,
            judged=(part.line_id, part.serial) in judged, known=known.get(key),
        )
        for key, part in parts.items()
    }  # fmt: skip


def _prediction(version: ModelVersion, part: Inspection, sent: Sent, fate: Fate, now: datetime) -> Prediction:
    score = score_of(sent)
    answer = "" if score is None else "scratched" if score >= version.threshold else "ok"
    return Prediction(
        inspection=part, version=version, score=score, outcome=answer, null_reason=sent.failure[:200],
        marks=[dict(mark) for mark in sent.marks], timings=milliseconds(part.captured_at, sent.at),
        retrospective=fate.retrospective, late=fate.late, at=now,
    )  # fmt: skip


def _note(
    version: ModelVersion, predictions: Iterable[Prediction], parts: Mapping[int, Inspection], by: User | str
) -> None:
    """One audit row for each line of the batch: how many answers, and a digest of which and what."""
    by_line: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        by_line[parts[prediction.inspection_id].line.slug].append(prediction)
    for slug, rows in by_line.items():
        said = json.dumps([[row.inspection_id, row.score, row.null_reason] for row in rows])
        counts = Counter(late=sum(bool(row.late) for row in rows), retrospective=sum(row.retrospective for row in rows))
        subject = f"version {version.name}" if len(rows) > 1 else f"inspection {rows[0].inspection_id}"
        audit.record(
            "earlier_answers_recorded", by=by, line=slug, subject=subject, version=version.name, answers=len(rows),
            sha256=hashlib.sha256(said.encode()).hexdigest(), **counts,
        )  # fmt: skip


def give_up(*, now: datetime) -> list[Prediction]:
    """Write no answer for the parts that an earlier system has let its time pass for, and return what was written."""
    written: list[Prediction] = []
    for version in ModelVersion.objects.filter(kind=VersionKind.IMPORTED).defer("card"):
        written += _give_up(version, now)
    return written


@transaction.atomic
def _give_up(version: ModelVersion, now: datetime) -> list[Prediction]:
    over = AwaitedAnswer.objects.filter(version=version, since__lt=now - timedelta(seconds=version.answers_within or 0))
    keys = list(over.order_by("since").values_list("inspection_id", flat=True)[:GIVEN_UP_AT_ONCE])
    if not keys:
        return []
    parts = floor.lock_all(keys)  # as who records an answer does: one of the two is first
    answered = set(
        Prediction.objects.filter(version=version, inspection__in=parts).values_list("inspection", flat=True)
    )
    written = Prediction.objects.bulk_create(
        Prediction(inspection=part, version=version, null_reason=NO_ANSWER, at=now)
        for key, part in parts.items()
        if key not in answered
    )
    AwaitedAnswer.objects.filter(version=version, inspection__in=keys).delete()
    return written
