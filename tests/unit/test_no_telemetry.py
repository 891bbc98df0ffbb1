"""Scoring tells nobody of its use: ONNX Runtime writes nothing into the home folder."""

import os
import subprocess
import sys


def test_scoring_leaves_nothing_in_the_home_folder(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path)}
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", "import scoring.graph"], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
