"""The room's keys: one map, a person's own laid over it, and what is refused."""

import json
import re
from html import unescape

import pytest
from django.urls import reverse

from inspection import actions
from inspection.keys import ACTIONS, GROUPS, OWN, checked_keys, for_script, key_called, keys_of, name_of, problems_of
from inspection.models import AuditEvent
from inspection.refusals import BadInput, NotAllowed


class Somebody:
    def __init__(self, **keys):
        self.keys = keys


def words(response):
    return unescape(response.content.decode())


def defaults(**changes):
    """What the page sends: every action's keys."""
    return {name: [name_of(key) for key in ACTIONS[name].keys] for name in OWN} | changes


def test_no_default_is_used_twice_and_none_is_reserved():
    keys = [key for action in ACTIONS.values() for key in action.keys]
    assert len(keys) == len(set(keys))
    assert problems_of({name: ACTIONS[name].keys for name in OWN}) == {}
    assert {action.group for action in ACTIONS.values()} == set(GROUPS)


def test_own_keys_lie_over_the_defaults():
    own = keys_of(Somebody(ok=["a"]))
    assert own["ok"] == ["a"]
    assert own["scratched"] == ["k", "ArrowRight"]
    assert keys_of(Somebody())["ok"] == ["j", "ArrowLeft"]


def test_a_default_that_is_taken_falls_away():
    own = keys_of(Somebody(ok=["f", "ArrowLeft"]))
    assert own["fit"] == []
    assert not any("j" in keys for keys in own.values())


def test_what_is_stored_of_an_action_that_is_gone_is_not_read():
    assert "teleport" not in keys_of(Somebody(teleport=["t"], view=["9"]))
    assert keys_of(Somebody(view=["9"]))["view"] == list("12345678")


def test_only_what_differs_is_kept():
    assert checked_keys({"ok": ["J", "ArrowLeft"], "undo": ["q"]}) == {"undo": ["q"]}
    assert checked_keys({"undo": ["Q", "q"]}) == {"undo": ["q"]}
    assert checked_keys({"loupe": []}) == {"loupe": []}


@pytest.mark.parametrize("key", ["Tab", "Enter", "Escape", " ", "1", "8", "?"])
def test_reserved_keys_are_refused(key):
    with pytest.raises(BadInput, match="keeps its own meaning"):
        checked_keys({"ok": [key]})


@pytest.mark.parametrize("key", ["jj", "", "Control", "\n", "F5"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(BadInput, match="is no key"):
        checked_keys({"ok": [key]})


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"teleport": ["t"]}, "no action 'teleport'"),
        ({"help": ["h"]}, "no action 'help'"),
        ({"ok": "j"}, "a list of keys"),
        ({"ok": ["a", "e", "q"]}, "at most 2"),
        ({"ok": ["k"]}, "K is also the key of: Scratched"),
        ({"ok": ["q"], "undo": ["Q"]}, "Q is also the key of: Undo"),
    ],
)
def test_nonsense_is_refused_with_its_reason(mapping, said):
    with pytest.raises(BadInput, match=said):
        checked_keys(mapping)


def test_two_actions_may_change_places():
    assert checked_keys({"ok": ["k"], "scratched": ["j"]}) == {"ok": ["k"], "scratched": ["j"]}


@pytest.mark.parametrize("key", ["j", "ArrowLeft", "Delete", "-", "+", "F13", "ß", "0"])
def test_a_key_is_read_as_it_is_written(key):
    assert key_called(name_of(key)) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("J", "j"),
        ("arrowleft", "ArrowLeft"),
        ("del", "Delete"),
        ("tab", "Tab"),
        ("pgup", "PageUp"),
        ("Left", "ArrowLeft"),
    ],
)
def test_a_person_may_write_a_key_by_hand(text, key):
    assert key_called(text) == key


def test_own_keys_are_set_with_their_audit_row(ivy):
    actions.set_own_keys(user=ivy, keys={"ok": ["a"]}, by=ivy)
    actions.set_own_keys(user=ivy, keys={"ok": ["a"]}, by=ivy)
    ivy.refresh_from_db()
    assert ivy.keys == {"ok": ["a"]}
    event = AuditEvent.objects.get()
    assert (event.action, event.by, event.data) == ("own_keys_set", "ivy", {"before": {}, "keys": {"ok": ["a"]}})


def test_nobody_sets_the_keys_or_language_of_another(ivy, ada):
    with pytest.raises(NotAllowed):
        actions.set_own_keys(user=ivy, keys={}, by=ada)
    with pytest.raises(NotAllowed):
        actions.set_own_language(user=ivy, language="en", by=ada)


def test_a_language_is_one_of_the_sites(ivy):
    actions.set_own_language(user=ivy, language="zh-hans", by=ivy)
    ivy.refresh_from_db()
    assert ivy.language == "zh-hans"
    assert AuditEvent.objects.get().action == "own_language_set"
    with pytest.raises(BadInput, match="no language 'tlh'"):
        actions.set_own_language(user=ivy, language="tlh", by=ivy)


def test_the_page_gives_the_script_the_persons_own_map(page, ivy, make_part, line):
    make_part()
    ivy.keys = {"ok": ["a"]}
    ivy.save()
    text = page(ivy).get(reverse("inspect", args=[line.slug])).content.decode()
    given = json.loads(re.search(r'<script id="room-keys"[^>]*>(.*?)</script>', text)[1])
    assert given["ok"] == {"keys": ["a"], "shown": ["A"], "words": "OK", "at_once": True, "repeats": False}
    assert given == for_script(ivy)
    listed = text[text.index('id="keys"') :]
    assert "<kbd>A</kbd></dt><dd>OK</dd>" in listed
    assert reverse("preferences") in listed


# The page of preferences


def test_preferences_are_kept(page, ivy):
    response = page(ivy).post(reverse("own_keys"), defaults(ok=["A", "←"]), follow=True)
    assert "Your keys are saved." in words(response)
    ivy.refresh_from_db()
    assert ivy.keys == {"ok": ["a", "ArrowLeft"]}
    assert 'value="A"' in words(response)


def test_a_conflict_is_said_beside_both_fields_and_nothing_is_kept(page, ivy):
    response = page(ivy).post(reverse("own_keys"), defaults(ok=["K", ""]))
    text = words(response)
    assert response.status_code == 400
    assert 'id="problem-ok">K is also the key of: Scratched.' in text
    assert 'id="problem-scratched">K is also the key of: OK.' in text
    ivy.refresh_from_db()
    assert ivy.keys == {}


def test_the_defaults_come_back(page, ivy):
    actions.set_own_keys(user=ivy, keys={"ok": ["a"]}, by=ivy)
    page(ivy).post(reverse("own_keys"), defaults(ok=["q"]) | {"reset": "1"})
    ivy.refresh_from_db()
    assert ivy.keys == {}


def test_the_language_is_kept(page, ivy):
    page(ivy).post(reverse("own_language"), {"language": "zh-hans"})
    ivy.refresh_from_db()
    assert ivy.language == "zh-hans"
    assert page(ivy).post(reverse("own_language"), {"language": "tlh"}).status_code == 400


@pytest.mark.parametrize(("who", "status"), [("ivy", 200), ("sam", 200), ("ada", 200), ("otto", 403), ("cam", 403)])
def test_whoever_may_judge_has_preferences(who, status, request, page):
    assert page(request.getfixturevalue(who)).get(reverse("preferences")).status_code == status
