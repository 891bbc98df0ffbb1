"""What each of the processes brings into memory."""

import subprocess
import sys

import pytest

TASKS = "import inspection.tasks, shadow.tasks, monitoring.tasks, automation.tasks"
WORKER = (
    f"import config.wsgi, config.celery as c; {TASKS}; c.worker_init.disconnect(c.start_embedded_broker);"
    " c.app.WorkController(queues=[%s], pool='solo')"  # as far as Celery gets before it starts its pool
)


def brought(what):
    """Which of the heavy modules are there after it."""
    heavy = "{'torch', 'onnxruntime', 'scipy.stats', 'shadow.retraining'}"
    ask = f"{what}; import sys; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=120, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("what", [f"import config.wsgi, config.urls; {TASKS}", WORKER % "'default'"])
def test_neither_the_web_nor_beat_nor_a_plain_worker_brings_what_only_the_model_needs(what):
    assert brought(what) == set()


@pytest.mark.parametrize("queue", ["'score'", "'train'", ""])
def test_a_worker_of_the_model_brings_all_of_it_before_it_forks(queue):
    """The training too: imported after a scorer was loaded it would find one thread."""
    assert {"torch", "onnxruntime", "shadow.retraining"} <= brought(WORKER % queue)
