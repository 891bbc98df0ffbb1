"""The whole path of a part in one process: intake, score, settle, verdict, report, evidence, a raised level."""

import pytest

from automation import actions as automation
from automation import reports
from automation.models import Routing
from inspection.models import Draw
from inspection.refusals import Conflict
from shadow.models import Prediction


def test_a_part_goes_from_photo_to_evidence(shadowed, make_part, judge, ivy):
    part = make_part()
    assert automation.score_and_settle() == 1
    prediction = Prediction.objects.get()
    assert prediction.null_reason or 0 <= prediction.score <= 1
    assert Routing.objects.get().decision == "person"
    assert Draw.objects.get().blind
    judge(part, ivy, "ok")
    part.refresh_from_db()
    assert (part.state, part.disposition.outcome) == ("decided", "pass")
    standing = reports.standing(shadowed)
    assert standing.level == "shadow"
    gate = next(gate for gate in standing.gates if gate.name == "blind pairs")
    assert not gate.met and "99 more" in gate.reason


def test_partial_is_refused_with_the_number_missing(shadowed, ada, make_part):
    make_part()
    automation.score_and_settle()
    with pytest.raises(Conflict) as refusal:
        automation.propose_change(line=shadowed, by=ada, level="assist", reason="trial")
    assert "100 more blind verdicts are needed" in str(refusal.value) or "99" in str(refusal.value)
