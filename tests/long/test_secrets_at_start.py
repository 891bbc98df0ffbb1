"""A start that fails says why, and none of its secrets."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

SENTINEL = "sentinel-7c1f9e"
SECRETS = ("SECRET_KEY", "DRAW_SECRET", "METRICS_TOKEN", "BROKER_URL", "EMAIL_URL", "DATABASE_URL")


@pytest.mark.parametrize(
    ("command", "urls", "said"),
    [
        (["-m", "config.processes"], {"DATABASE_URL": f"postgres://u:{SENTINEL}/@h/n"}, "DATABASE_URL cannot be read"),
        (["manage.py", "migrate"], {"DATABASE_URL": f"postgres://u:{SENTINEL}@127.0.0.1:1/n"}, "refused"),
    ],
)
def test_a_start_that_fails_repeats_no_secret(tmp_path, command, urls, said):
    env = {name: word for name, word in os.environ.items() if not name.startswith(SECRETS)}
    given = {"SECRET_KEY": SENTINEL * 4, "DRAW_SECRET": SENTINEL, "METRICS_TOKEN": SENTINEL, "DATA_DIR": str(tmp_path)}
    given |= {"BROKER_URL": f"redis://:{SENTINEL}@127.0.0.1:1/0", "EMAIL_URL": f"smtp://u:{SENTINEL}@127.0.0.1:1"}
    given |= urls
    for name in SECRETS:  # as a site hands them over
        (tmp_path / name).write_text(given.pop(name))
        given[f"{name}_FILE"] = str(tmp_path / name)
    done = subprocess.run(
        [sys.executable, *command], cwd=settings.BASE_DIR, env=env | given, capture_output=True, text=True, timeout=60
    )
    assert done.returncode
    assert said in done.stderr
    assert SENTINEL not in done.stdout + done.stderr
