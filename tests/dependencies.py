"""Are the installed packages sound? `python -m tests.dependencies`: whether they fit each other, and what is known against them.

Known weaknesses are asked of a service, so without a network this part says that it was not done, and nothing fails for it.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

SECONDS = 180
AUDIT = ("-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--timeout", "5")


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, timeout=SECONDS)


def conflicts() -> list[str]:
    """What pip finds at odds among the installed versions."""
    done = python("-m", "pip", "check")
    return done.stdout.splitlines() if done.returncode else []


def audit(*arguments: str) -> tuple[list[str], str]:
    """What is known against the installed versions, and a sentence on how far that was asked.

    A package that the service does not know is left out by the tool, and where it reaches nobody it leaves out all of them
    and calls that no weakness: so those that were looked at are counted.
    """
    try:
        done = python(*AUDIT, *arguments)
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        return [], "Known weaknesses were not asked: the service cannot be reached."
    looked_at = [package for package in packages if "vulns" in package]
    found = [
        f"{package['name']} {package['version']}: {weakness['id']}, mended in {_versions(weakness['fix_versions'])}"
        for package in looked_at
        for weakness in package["vulns"]
    ]
    if not looked_at:
        return [], f"Known weaknesses were not asked: the service knows none of the {len(packages)} packages."
    return found, f"{len(looked_at)} of {len(packages)} packages were held against the known weaknesses."


def _versions(mended: Sequence[str]) -> str:
    return ", ".join(mended) or "no version yet"


if __name__ == "__main__":
    at_odds = conflicts()
    known, how_far = audit("--local", "--skip-editable")
    sys.stderr.write("".join(f"{sentence}\n" for sentence in (*at_odds, *known, how_far)))
    sys.exit(1 if at_odds or known else 0)
