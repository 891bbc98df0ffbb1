"""The room's keys: the one map of actions, their words and default keys, and how a person's own are laid over them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from inspection.refusals import BadInput

MOST = 2  # keys of one action


class Action(NamedTuple):
    """What a key does. A key is called as the browser's `event.key` calls it, letters in lower case."""

    group: str
    words: str | Promise
    keys: tuple[str, ...] = ()
    at_once: bool = False  # an answer: it does not wait to see whether a scanner is typing
    repeats: bool = False  # goes on while the key is held down
    written: str = ""  # how keys are written that nobody can change; empty: the person may


ACTIONS: dict[str, Action] = {
    "ok": Action("judge", gettext_lazy("OK"), ("j", "ArrowLeft"), at_once=True),
    "scratched": Action("judge", gettext_lazy("Scratched"), ("k", "ArrowRight"), at_once=True),
    "unsure": Action("judge", gettext_lazy("Unsure"), ("u", "ArrowDown"), at_once=True),
    "undo": Action("judge", gettext_lazy("Undo, or back"), ("z",), at_once=True),
    "comment": Action("judge", gettext_lazy("Write a comment"), ("n",)),
    "clean": Action("judge", gettext_lazy("Clean and look again"), ("x",)),
    "other": Action("judge", gettext_lazy("Pass on, put back"), ("o",)),
    "view": Action("look", gettext_lazy("View 1 to 8"), tuple("12345678"), written="1 – 8"),
    "fit": Action("look", gettext_lazy("Fit the photo"), ("f",)),
    "one_to_one": Action("look", gettext_lazy("One to one"), ("0",)),
    "zoom_in": Action("look", gettext_lazy("Larger"), ("+", "="), repeats=True),
    "zoom_out": Action("look", gettext_lazy("Smaller"), ("-",), repeats=True),
    "pan": Action("look", gettext_lazy("Move the photo"), written="⇧ + ← ↑ ↓ →"),  # listened to by stage.js
    "loupe": Action("look", gettext_lazy("Loupe"), ("l",)),
    "reference": Action("look", gettext_lazy("Reference beside the photo"), ("r",)),
    "samples": Action("look", gettext_lazy("Next sample"), ("y",)),
    "heat": Action("look", gettext_lazy("Overlays on and off"), ("h",)),
    "brighter": Action("light", gettext_lazy("Brighter; with Shift darker"), ("b",), repeats=True),
    "harder": Action("light", gettext_lazy("More contrast; with Shift less"), ("c",), repeats=True),
    "gamma": Action("light", gettext_lazy("Lift the shadows; with Shift less"), ("g",), repeats=True),
    "equalise": Action("light", gettext_lazy("Even out local contrast"), ("e",)),
    "invert": Action("light", gettext_lazy("Invert"), ("i",)),
    "reset_look": Action("light", gettext_lazy("As the camera saw it"), ("d",)),
    "mark": Action("mark", gettext_lazy("Mark a defect, and stop marking"), ("m",)),
    "severity": Action("mark", gettext_lazy("How bad the chosen mark is"), ("v",)),
    "remove_mark": Action("mark", gettext_lazy("Remove the chosen mark"), ("Delete", "Backspace")),
    "pause": Action("work", gettext_lazy("Pause"), ("p",)),
    "summary": Action("work", gettext_lazy("Your shift so far"), ("s",)),
    "help": Action("work", gettext_lazy("This list"), ("?",), written="?"),
}
GROUPS: dict[str, str | Promise] = {
    "judge": pgettext_lazy("keys", "Judge"),
    "work": pgettext_lazy("keys", "Your work"),
    "look": pgettext_lazy("keys", "Look"),
    "light": pgettext_lazy("keys", "Light"),
    "mark": pgettext_lazy("keys", "Mark"),
}
OWN = tuple(name for name, action in ACTIONS.items() if not action.written)  # those that a person may set

# The keys that are more than a character, and how they are written. F13 and up are what pedals and small keypads send.
NAMES = {
    "ArrowLeft": "←", "ArrowRight": "→", "ArrowUp": "↑", "ArrowDown": "↓", "Delete": "Del", "Backspace": "⌫",
    "Insert": "Ins", "Home": "Home", "End": "End", "PageUp": "PgUp", "PageDown": "PgDn",
    **{f"F{number}": f"F{number}" for number in range(13, 25)},
}  # fmt: skip
# Tab, Enter, Escape and the space bar move and press in every page; the rest belong to actions that nobody can change.
RESERVED = {"Tab", "Enter", "Escape", " ", "?", *"12345678"}


def name_of(key: str) -> str:
    """How a key is written on a button: 'J', '←', 'Del'."""
    if key in NAMES or key == "-":
        return NAMES.get(key, "−")
    return key.upper() if len(key.upper()) == 1 else key  # some letters have no capital of one sign


def key_called(text: str) -> str:
    """The key that a person means by 'J', '←', 'del' or 'ArrowLeft'; what is none comes back as it was written."""
    text = text.strip()
    called = {written.lower(): key for key, written in NAMES.items()} | {
        key.lower(): key for key in (*NAMES, *RESERVED)
    }
    called |= {key.removeprefix("Arrow").lower(): key for key in NAMES}
    return called.get(text.lower()) or ("-" if text == "−" else text.lower() if len(text) == 1 else text)


def keys_of(user: Any) -> dict[str, list[str]]:
    """The keys of every action for this person. A default that their own map uses elsewhere falls away."""
    stored = getattr(user, "keys", None) or {}
    own = {name: list(stored[name]) for name in OWN if name in stored}
    taken = {key for keys in own.values() for key in keys}
    return {
        name: own[name] if name in own else [key for key in action.keys if key not in taken]
        for name, action in ACTIONS.items()
    }


def problems_of(mapping: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What is wrong with a map of own keys, by action; nothing means that it can be kept."""
    problems = {name: problem for name, keys in mapping.items() if (problem := _problem(name, keys))}
    users: dict[str, list[str]] = defaultdict(list)
    for name, keys in {**{name: ACTIONS[name].keys for name in OWN}, **mapping}.items():
        for key in {_kept(key) for key in keys}:
            users[key].append(name)
    for key, names in users.items():
        for name in names:
            others = [str(ACTIONS[other].words) for other in names if other != name and other in ACTIONS]
            if others and name in mapping:
                problems.setdefault(
                    name, _("{key} is also the key of: {action}.").format(key=name_of(key), action=others[0])
                )
    return problems


def _problem(name: str, keys: Sequence[str]) -> str:
    if name not in OWN:
        return _("There is no action {name} whose keys can be set.").format(name=repr(name))
    if not isinstance(keys, list | tuple) or not all(isinstance(key, str) for key in keys):
        return _("The keys of an action are a list of keys.")
    if len(keys) > MOST:
        return _("An action has at most {n} keys.").format(n=MOST)
    for key in map(_kept, keys):
        if key in RESERVED:
            return _("{key} keeps its own meaning. Choose another key.").format(key=repr(key))
        if key not in NAMES and not (len(key) == 1 and key.isprintable() and not key.isspace()):
            return _("{key} is no key. Give one letter or sign, or press the key.").format(key=repr(key))
    return ""


def _kept(key: str) -> str:
    return key.lower() if len(key) == 1 else key


def checked_keys(mapping: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The map as it is kept: only what differs from the defaults. Raises BadInput with everything that is wrong."""
    if problems := problems_of(mapping):
        raise BadInput(*problems.values())
    kept = {name: list(dict.fromkeys(map(_kept, keys))) for name, keys in mapping.items()}
    return {name: keys for name, keys in kept.items() if keys != list(ACTIONS[name].keys)}


class Entry(NamedTuple):
    """One line of the list of keys."""

    name: str
    words: str | Promise
    shown: list[str]


def listed(user: Any) -> list[tuple[str | Promise, list[Entry]]]:
    """The keys in groups, as a person reads them."""
    entries = [
        (ACTIONS[name].group, Entry(name, ACTIONS[name].words, _shown(name, keys)))
        for name, keys in keys_of(user).items()
    ]
    return [(words, [entry for of, entry in entries if of == group]) for group, words in GROUPS.items()]


def _shown(name: str, keys: Sequence[str]) -> list[str]:
    return [ACTIONS[name].written] if ACTIONS[name].written else [name_of(key) for key in keys]


def for_script(user: Any) -> dict[str, dict[str, Any]]:
    """The map as keys.js reads it."""
    return {
        name: {
            "keys": keys, "shown": _shown(name, keys), "words": str(ACTIONS[name].words),
            "at_once": ACTIONS[name].at_once, "repeats": ACTIONS[name].repeats,
        }
        for name, keys in keys_of(user).items()
    }  # fmt: skip
