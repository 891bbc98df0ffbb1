"""Props of the unit tests alone."""

import numpy as np
import pytest

from inspection.models import Draw
from shadow.models import HeatMap, Prediction


@pytest.fixture
def compared(make_part, judge, ivy, version):
    """Writes a judged and scored part and returns its prediction: `compared("ok", 0.9)` is an overkill."""

    def write(verdict, score, *, heat=False, blind=True, model=version, **fields):
        part = make_part(**fields)
        Draw.objects.create(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=blind)
        outcome = "" if score is None else "scratched" if score >= 0.5 else "ok"
        prediction = Prediction.objects.create(
            inspection=part, version=model, score=score, outcome=outcome, null_reason="" if outcome else "blank"
        )
        if heat:
            HeatMap.of(prediction, [np.full((8, 8), 200, np.uint8)]).save()
        if verdict:
            judge(part, ivy, verdict)
        return prediction

    return write
