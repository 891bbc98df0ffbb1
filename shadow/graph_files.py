"""A version's files for a station, made in a process of their own where this one has no torch: the web needs it for nothing
else, and what it takes (some 400 MiB) goes back to the system.

As a program (`python -m shadow.graph_files WEIGHTS SHA256`) it writes them to standard output as a ZIP.
"""

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

from scoring.answers import WeightsRefused

SECONDS = 120  # an idle computer takes four


def files_made_apart(weights: Path, sha256: str) -> dict[str, bytes]:
    """What `shadow.vision.runtime.files_of` says of the weights. Raises WeightsRefused with what the process said."""
    command = [sys.executable, "-m", "shadow.graph_files", str(weights), sha256]
    try:
        made = subprocess.run(  # noqa: S603 - our own module, on a file named by its digest
            command, capture_output=True, timeout=SECONDS, cwd=Path(__file__).parent.parent, check=False
        )
    except subprocess.TimeoutExpired:
        raise WeightsRefused(f"it took longer than {SECONDS} s; try again when the computer is less busy") from None
    if made.returncode:
        said = made.stderr.decode(errors="replace").strip().splitlines()
        raise WeightsRefused(said[-1][-300:] if said else "the process that makes the graphs ended without a word")
    with zipfile.ZipFile(io.BytesIO(made.stdout)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def main(weights: str, sha256: str) -> None:
    try:
        if hashlib.sha256(Path(weights).read_bytes()).hexdigest() != sha256:
            raise WeightsRefused("the weights file was altered since it was registered")
        from shadow.vision.runtime import files_of, load

        files = files_of(load(Path(weights)))
    except (WeightsRefused, OSError) as refusal:
        sys.exit(str(refusal))
    with zipfile.ZipFile(sys.stdout.buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


if __name__ == "__main__":
    main(*sys.argv[1:])
