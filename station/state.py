"""The agent's state, read from its spool by whoever asks: for people, for scripts, for a health check."""

import json
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from station.spool import Spool, held

TROUBLES = {  # notes that mean trouble, and what they say
    "blocked": "Nothing is sent: {}",
    "full": "No parts are taken: {}",
    "webhook": "Dispositions do not arrive: {}",
    "taking": "Parts cannot be taken: {}",
    "sending": "Parts cannot be sent: {}",
    "filing": "Dispositions cannot be written: {}",
    "edge": "Nothing is decided here: {}.",
    "fetching": "Bundles cannot be kept: {}",
    "deciding": "Parts cannot be decided here: {}",
}


def read_state(spool: Spool, now: float | None = None) -> dict[str, Any]:
    """What the agent on this spool is at, as plain JSON; `trouble` are sentences, and none of them means that all is well."""
    now = now or time.time()
    notes = spool.notes()
    connected, error = notes.get("connected"), notes.get("last_error")
    state = {
        "running": held(spool.folder),
        **spool.counts(now),
        "connected_since": _moment(connected[1]) if connected else None,
        "last_error": {"at": _moment(error[1]), "text": error[0]} if error else None,
        "spool_bytes": spool.size(),
        "free_bytes": shutil.disk_usage(spool.folder).free,
        "edge": edge(notes, spool),
        "lying": json.loads(notes["lying"][0]) if "lying" in notes else {},
    }
    return state | {"trouble": trouble(state, {name: text for name, (text, _) in notes.items()})}


def edge(notes: dict[str, tuple[str, float]], spool: Spool) -> dict[str, Any] | None:
    """What the station decides by while the network is down, and what it last held; None where it never does."""
    if "bundle" not in notes:
        return None
    told, held = json.loads(notes["bundle"][0]), notes.get("held")
    return {
        "bundle": told.get("bundle"), "ends_at": told.get("ends_at"), "why": told["why"],
        "decided": spool.decided_by(told["bundle"]) if "bundle" in told else 0,
        "last_held": {"at": _moment(held[1]), "text": held[0]} if held else None,
    }  # fmt: skip


def trouble(state: dict[str, Any], notes: dict[str, str]) -> list[str]:
    """What somebody has to see to, as sentences; empty when all is well."""
    said = [] if state["running"] else ["No agent works on this spool."]
    said += [words.format(notes[name]) for name, words in TROUBLES.items() if name in notes]
    if state["waiting"] and not state["connected_since"]:
        said.append(f"The server does not answer, and {state['waiting']} parts wait for it.")
    if state["refused"]:
        said.append(f"{state['refused']} parts are put aside in refused/, with the reasons beside them.")
    said += [f"{name} is left where it lies: {why}" for name, why in state["lying"].items()]
    return said


def as_text(state: dict[str, Any]) -> str:
    """The state as lines for a person."""
    oldest, error = state["oldest_seconds"], state["last_error"]
    rows = {
        "agent": "running" if state["running"] else "not running",
        "connected since": state["connected_since"] or "not connected",
        "waiting": f"{state['waiting']}" + (f", the oldest for {oldest:.0f} s" if oldest is not None else ""),
        "sent in the last hour": state["sent_last_hour"],
        "without a disposition": state["undecided"],
        "put aside": state["refused"],
        "spool": f"{state['spool_bytes'] / 1e9:.3f} GB, {state['free_bytes'] / 1e9:.1f} GB free",
        **({"decides alone": as_words(told)} if (told := state["edge"]) else {}),
        "last error": f"{error['at']}  {error['text']}" if error else "none",
    }
    lines = [f"{name + ':':<24}{value}" for name, value in rows.items()]
    return "\n".join([*lines, *(f"! {sentence}" for sentence in state["trouble"])])


def as_words(edge: dict[str, Any]) -> str:
    """The station's deciding in a line.

    >>> as_words({"bundle": 3, "ends_at": "2026-11-27T20:00:00+00:00", "why": [], "decided": 2, "last_held": None})
    'by bundle 3 until 2026-11-27T20:00:00+00:00, 2 parts so far'
    """
    if edge["bundle"] is None:
        words = f"no: {'; '.join(edge['why'])}"
    else:
        words = f"by bundle {edge['bundle']} until {edge['ends_at']}, {edge['decided']} parts so far"
    return words + (f"; last on hold {edge['last_held']['text']}" if edge["last_held"] else "")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")


def existing(folder: Path) -> Spool | None:
    """The spool in this folder; None where there is none yet."""
    return Spool(folder) if (folder / "spool.sqlite3").exists() else None
