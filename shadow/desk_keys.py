"""The desk's keys: its own are fixed, those for looking at the photo are the person's as in the inspectors' room."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, pgettext_lazy

from inspection.keys import ACTIONS, keys_of, name_of

DIGITS = "123456789"
INSTEAD = {"loupe": "o"}  # the desk needs the letter of the loupe
LOOKING = ("look", "light")  # the room's groups that the desk has too
NOT_HERE = ("view", "reference", "samples")

Word = str | Promise
LISTENED_TO = {"Enter", "ArrowLeft", "ArrowRight"}  # by discrepancy.js and overlays.js; for all others keys.js clicks
# group: {action: (its words, its keys)}
OWN: dict[str, dict[str, tuple[Word, tuple[str, ...]]]] = {
    "settle": {
        "person": (gettext_lazy("The person was right"), ("p",)),
        "model": (gettext_lazy("The model was right"), ("m",)),
        "ambiguous": (gettext_lazy("Nobody can say"), ("a",)),
        **{f"reason_{digit}": (gettext_lazy("Settle with this reason"), (digit,)) for digit in DIGITS},
        "settle": (gettext_lazy("Settle with what is written, or with the reason given last"), ("Enter",)),
        "write": (gettext_lazy("Write a reason"), ("r",)),
        "undo": (gettext_lazy("Back to the part settled last"), ("u", "z")),
        "next": (gettext_lazy("Next open one"), ("n",)),
        "list": (gettext_lazy("Back to the list"), ("q",)),
    },
    "part": {
        "second_look": (gettext_lazy("Ask for a second look"), ("s",)),
        "teach": (gettext_lazy("Training set"), ("t",)),
        "sample": (gettext_lazy("Limit sample"), ("l",)),
        "reference": (gettext_lazy("Seeded part of known truth"), ("k",)),
    },
    "see": {
        "view_back": (gettext_lazy("Photo before"), ("ArrowLeft",)),
        "view_on": (gettext_lazy("Next photo"), ("ArrowRight",)),
        "marks": (gettext_lazy("Marks on and off"), ("v",)),
    },
}
GROUPS: dict[str, Word] = {
    "settle": pgettext_lazy("keys", "Settle"),
    "part": pgettext_lazy("keys", "Use the part"),
    "see": pgettext_lazy("keys", "Look"),
    "light": pgettext_lazy("keys", "Light"),
}
WRITTEN = {"Enter": "⏎"}
WORDS: dict[str, Word] = {"heat": gettext_lazy("Heat map on and off")}


def for_script(user: Any) -> dict[str, dict[str, Any]]:
    """The map as keys.js reads it. Where the person's own key of the room is one of the desk's, the desk has it."""
    own = {name: keys for actions in OWN.values() for name, (_words, keys) in actions.items()}
    taken = {key for keys in own.values() for key in keys}
    every = {**_clicked(own), **_looking(user, taken), "help": ["?"]}
    return {
        name: {"keys": keys, "shown": _shown(name, keys), "repeats": _repeats(name)} for name, keys in every.items()
    }


def listed(user: Any) -> list[tuple[Word, list[tuple[Word, list[str]]]]]:
    """The keys in groups, as a person reads them: (words, keys). The nine digits are one line."""
    script = for_script(user)
    groups: dict[str, list[tuple[Word, list[str]]]] = {name: [] for name in GROUPS}
    for group, actions in OWN.items():
        for name, (words, keys) in actions.items():
            if not name.startswith("reason_") or name == "reason_1":
                shown = ["1 – 9"] if name == "reason_1" else [WRITTEN.get(key) or name_of(key) for key in keys]
                groups[group].append((words, shown))
    of_the_desk = {name for actions in OWN.values() for name in actions} | {"help"}
    for name in script:
        if name not in of_the_desk:
            group = "light" if ACTIONS[name].group == "light" else "see"
            groups[group].append((WORDS.get(name, ACTIONS[name].words), script[name]["shown"]))
    return [(words, groups[name]) for name, words in GROUPS.items()]


def _clicked(own: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: list(keys) for name, keys in own.items() if not LISTENED_TO & set(keys)}


def _looking(user: Any, taken: set[str]) -> dict[str, list[str]]:
    """The room's keys for looking at the photo, without those that the desk has taken."""
    theirs = {
        name: keys for name, keys in keys_of(user).items() if ACTIONS[name].group in LOOKING and name not in NOT_HERE
    }
    found = {name: [key for key in keys if key not in taken] for name, keys in theirs.items()}
    used = taken | {key for keys in found.values() for key in keys}
    for name, key in INSTEAD.items():
        if theirs[name] and not found[name] and key not in used:
            found[name] = [key]
    return found


def _shown(name: str, keys: list[str]) -> list[str]:
    if name in ACTIONS and ACTIONS[name].written:
        return [ACTIONS[name].written]
    return [name_of(key) for key in keys]


def _repeats(name: str) -> bool:
    return name in ACTIONS and ACTIONS[name].repeats
