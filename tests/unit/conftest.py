"""Props of the unit tests alone."""

import time

import numpy as np
import pytest
import structlog
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.signals import worker_init
from django.utils import timezone

from automation import policies
from automation.models import Routing
from config import celery
from inspection import wake
from inspection.models import Disposition, Draw, Inspection, Verdict
from shadow.models import HeatMap, Prediction, ScoringJob


@pytest.fixture(autouse=True)
def no_static_files(settings):
    """No unit test asks for a static file, and every new client would look all of them up."""
    settings.WHITENOISE_USE_FINDERS = False


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


@pytest.fixture
def audited(version, ivy):
    """Files parts that the machine decided by the policy in force and ivy audited, in one go: `audited(line, 20)`,
    `audited(line, 1, outcome="scratched")`, `audited(line, 5, outcome=None)` for audits that nobody has judged yet."""

    def file(
        line,
        count,
        *,
        outcome="ok",
        decision="pass",
        score=0.01,
        model=version,
        by=ivy,
        at=None,
        u_canary=0.0,
        **fields,
    ):
        at, start = at or timezone.now(), Inspection.objects.count()
        state = {None: "audit_due", "unsure": "second_opinion"}.get(outcome, "decided")
        fields = {"received_at": at, "captured_at": at, "hold_until": at, "state": state} | fields
        parts = Inspection.objects.bulk_create(
            Inspection(line=line, **{"serial": f"A{start + n}"} | fields) for n in range(count)
        )
        draw = {"key": "k", "u_canary": u_canary, "u_audit": 0.0, "u_blind": 0.5, "blind": True, "audited": True}
        Draw.objects.bulk_create(Draw(inspection=part, **draw) for part in parts)
        answer = {"version": model, "score": score, "outcome": "scratched" if score >= model.threshold else "ok"}
        predictions = Prediction.objects.bulk_create(Prediction(inspection=part, at=at, **answer) for part in parts)
        routing = {
            "policy": policies.in_force(line),
            "decision": decision,
            "decided": True,
            "reason": "score",
            "at": at,
        }
        Routing.objects.bulk_create(
            Routing(inspection=prediction.inspection, prediction=prediction, **routing) for prediction in predictions
        )
        ScoringJob.objects.bulk_create(ScoringJob(inspection=part, version=model, state="done") for part in parts)
        Disposition.objects.bulk_create(
            Disposition(inspection=part, outcome=decision, by_machine=True, reason="score", at=at) for part in parts
        )
        if outcome:
            Verdict.objects.bulk_create(
                Verdict(inspection=part, inspector=by, occasion="audit", outcome=outcome, at=at) for part in parts
            )
        return parts

    return file


@pytest.fixture
def sent(monkeypatch):
    """Send the task by a wake-up, and return what was bound while it ran, in a worker of one thread in this process."""
    app = Celery(f"logs-{time.monotonic_ns()}", broker="memory://", set_as_current=False)
    noted: list[dict] = []

    @app.task(name=app.main)
    def note():
        noted.append(structlog.contextvars.get_contextvars())

    monkeypatch.setattr(wake, "current_app", app)
    begun = (
        celery.start_embedded_broker,
        celery.bring_torch,
        celery.keep_memory_shared,
    )  # what the site's own workers do as they begin
    for receiver in begun:
        worker_init.disconnect(receiver)

    def send():
        wake._send_apart(app.main)
        ends = time.monotonic() + 10
        while not noted and time.monotonic() < ends:
            time.sleep(0.02)
        return noted[0]

    with start_worker(app, pool="solo", perform_ping_check=False):
        yield send
    for receiver in begun:
        worker_init.connect(receiver)
