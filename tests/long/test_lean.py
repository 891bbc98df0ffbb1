"""What each of the processes brings into memory."""

import platform
import subprocess
import sys

import pytest

TASKS = "import inspection.tasks, shadow.tasks, monitoring.tasks, automation.tasks"
WORKER = (
    f"import config.wsgi, config.celery as c; {TASKS}; c.worker_init.disconnect(c.start_embedded_broker);"
    " c.app.WorkController(queues=[%s], pool='solo')"  # as far as Celery gets before it starts its pool
)

THREADS = """
import config.wsgi, ctypes, runpy, threading, types
runpy.run_path("gunicorn.conf.py")["post_worker_init"](types.SimpleNamespace(age=2))
together = threading.Barrier(8)
def take():
    held = ctypes.CDLL(None).malloc(100_000)  # the thread's first
    together.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""  # as far as gunicorn gets before its first request


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


def test_a_worker_looks_no_more_through_what_its_children_share():
    """A child that did would copy it: each full search for garbage writes to every object that it looks at."""
    ask = f"{WORKER % repr('default')}; import gc; print(gc.get_freeze_count(), len(gc.get_objects()))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=120, check=True)
    frozen, left = map(int, done.stdout.split())
    assert frozen > 100_000
    assert left < frozen / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no arenas")
def test_the_threads_of_a_web_process_share_two_arenas():
    """Each of their own would keep the last photo that its thread has decoded."""
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.count("<heap nr=") == 2
