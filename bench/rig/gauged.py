"""What the processes of a site take of the computer: memory and processor time, by kind of process."""

import os
from collections.abc import Mapping
from contextlib import suppress

import psutil

MIB = 2**20


def family(pid: int) -> list[psutil.Process]:
    """The process and all below it that live."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def memory(pids: Mapping[str, int]) -> dict[str, float]:
    """MiB by kind: the proportional share, so that what a fork has in common with its parent counts once."""
    return {kind: sum(_share(process) for process in family(pid)) / MIB for kind, pid in pids.items()}


def _share(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return process.memory_full_info().pss
    return 0


def processor(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of processor time by kind so far, of ended children, too."""
    return {kind: sum(_seconds(process) for process in family(pid)) for kind, pid in pids.items()}


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        spent = process.cpu_times()
        return spent.user + spent.system + spent.children_user + spent.children_system
    return 0.0


def slope(minutes: list[float], figures: list[float]) -> float:
    """The straight line's rise an hour, by least squares; 0 of fewer than two points."""
    if len(minutes) < 2:
        return 0.0
    middle = sum(minutes) / len(minutes)
    spread = sum((minute - middle) ** 2 for minute in minutes)
    level = sum(figures) / len(figures)
    rise = sum((minute - middle) * (figure - level) for minute, figure in zip(minutes, figures, strict=True))
    return 60 * rise / spread


def size_of(folder: str | os.PathLike[str]) -> int:
    """Bytes of all files below a folder."""
    found = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found += os.path.getsize(os.path.join(where, name))
    return found
