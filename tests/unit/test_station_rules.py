"""The agent of a station: what is a part, what an answer means, how long to wait, and what the state says."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.answers import LONGEST, Answer, Kind, ask_again_after, changes, decision, meaning, pause, supersedes
from station.parts import NotAPart, Stillness, drops, read_part, read_sheet
from station.settings import BadSetting, read_file, settle, token
from station.state import trouble
from station.taking import Disk
from station.telling import file_name, signature

RECEIPT = {"id": 7, "serial": "SN1", "photos": [{"sha256": "a"}, {"sha256": "b"}], "disposition": None, "state": "held"}
PROBLEM = {"type": "about:blank", "title": "Not accepted", "status": 0, "detail": "because"}


def answered(status, body, **headers):
    return Answer(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def kind(status, body):
    return meaning(answered(status, body), serial="SN1", digests=["b", "a"]).kind


@pytest.mark.parametrize("status", [200, 201])
def test_a_receipt_names_the_part_and_its_photos(status):
    assert kind(status, RECEIPT) == Kind.SENT


@pytest.mark.parametrize("page", [b"<html>Welcome</html>", b"", b"[]", b"null", b'{"id": "x", "photos": []}'])
def test_a_friendly_page_is_no_receipt(page):
    assert kind(200, page) == Kind.BLOCKED


def test_a_receipt_for_other_photos_puts_the_part_aside():
    assert kind(201, RECEIPT | {"photos": [{"sha256": "a"}]}) == Kind.REFUSED


@pytest.mark.parametrize(
    ("status", "by_shadowline", "by_a_proxy"),
    [
        (400, Kind.REFUSED, Kind.BLOCKED), (409, Kind.REFUSED, Kind.BLOCKED), (413, Kind.REFUSED, Kind.REFUSED),
        (415, Kind.REFUSED, Kind.BLOCKED), (422, Kind.REFUSED, Kind.BLOCKED), (401, Kind.BLOCKED, Kind.BLOCKED),
        (403, Kind.BLOCKED, Kind.BLOCKED), (404, Kind.BLOCKED, Kind.BLOCKED), (301, Kind.BLOCKED, Kind.BLOCKED),
        (408, Kind.LATER, Kind.LATER), (429, Kind.LATER, Kind.LATER), (500, Kind.LATER, Kind.LATER),
        (502, Kind.LATER, Kind.LATER), (503, Kind.LATER, Kind.LATER), (507, Kind.LATER, Kind.LATER),
    ],
)  # fmt: skip
def test_what_a_refusal_means(status, by_shadowline, by_a_proxy):
    assert kind(status, PROBLEM) == by_shadowline
    assert kind(status, b"<html>no</html>") == by_a_proxy


@settings(deadline=None)
@given(st.integers(100, 599), st.binary(max_size=80))
def test_no_answer_but_a_receipt_counts_as_sent(status, body):
    assert kind(status, body) != Kind.SENT


@settings(deadline=None)
@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0, 600))
def test_a_pause_is_bounded_and_never_less_than_the_server_asks(failures, chance, retry_after):
    seconds = pause(failures, chance, retry_after)
    assert max(0.5, retry_after) <= seconds <= max(LONGEST, retry_after)


@pytest.mark.parametrize(("told", "seconds"), [("7", 7), ("86400", 600), ("soon", 0), ("-1", 0), ("", 0)])
def test_retry_after_is_honoured_within_bounds(told, seconds):
    assert answered(503, b"", **{"retry-after": told}).retry_after == seconds


@settings(deadline=None)
@given(st.floats(0, 1e9))
def test_a_part_without_a_disposition_is_asked_about_less_and_less(age):
    assert 1 <= ask_again_after(age) <= ask_again_after(age + 10) <= 600


def test_what_came_of_a_part():
    given_ = {"outcome": "reject", "by_machine": True, "reason": "score", "at": "2026-01-01T00:00:00Z"}
    assert decision({"state": "decided", "disposition": given_}) == given_
    assert decision({"state": "retake", "disposition": None})["outcome"] == "retake"
    assert decision({"state": "waiting", "disposition": None}) is None
    assert decision(["nonsense"]) is None


# ---- parts


def test_a_file_is_a_part_by_its_name(tmp_path, make_photo):
    (tmp_path / "SN 1.JPG").write_bytes(make_photo())
    part = read_part(tmp_path / "SN 1.JPG", lot="L1")
    assert (part.serial, part.lot, part.photos) == ("SN 1", "L1", (("SN 1.JPG", ""),))


def test_a_folder_is_a_part_and_its_sheet_says_the_rest(tmp_path, make_photo):
    folder = tmp_path / "x1"
    folder.mkdir()
    for view, format in (("front", "JPEG"), ("back", "PNG"), ("edge", "WEBP")):
        (folder / f"{view}.{format.lower()}").write_bytes(make_photo(format=format))
    (folder / "part.json").write_text('{"serial": "A/1", "captured_at": "2026-01-31T14:05:00+08:00"}')
    part = read_part(folder)
    assert (part.serial, part.captured_at) == ("A/1", "2026-01-31T06:05:00+00:00")
    assert part.photos == (("x1/back.png", "back"), ("x1/edge.webp", "edge"), ("x1/front.jpeg", "front"))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_cut_short_is_no_part_yet(tmp_path, make_photo, format):
    path = tmp_path / f"SN1.{format.lower()}"
    path.write_bytes(make_photo(format=format)[:-20])
    with pytest.raises(NotAPart, match="cut short"):
        read_part(path)


def test_a_folder_with_something_else_in_it_is_left(tmp_path, make_photo):
    (tmp_path / "SN1").mkdir()
    with pytest.raises(NotAPart, match="0 photos"):
        read_part(tmp_path / "SN1")
    (tmp_path / "SN1" / "a.jpg").write_bytes(make_photo())
    (tmp_path / "SN1" / "notes.txt").write_text("x")
    with pytest.raises(NotAPart, match=r"notes\.txt"):
        read_part(tmp_path / "SN1")


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_sheet_is_read_or_refused_with_a_sentence(content):
    try:
        assert set(read_sheet(content)) <= {"serial", "lot", "variant", "captured_at"}
    except NotAPart as reason:
        assert str(reason)  # noqa: PT017 - some sheets are read


def test_hidden_and_half_written_names_are_passed_over(tmp_path):
    for name in (".SN1.jpg", "SN2.jpg.part", "SN3.txt", "SN4.jpg"):
        (tmp_path / name).touch()
    assert [drop.name for drop in drops(tmp_path)] == ["SN4.jpg"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0.01, 3)), max_size=30))
def test_a_drop_is_still_only_when_nothing_has_changed_for_long_enough(steps):
    stillness, now, changed, last = Stillness(2.0), 0.0, 0.0, None
    for size, passed in steps:
        now += passed
        changed, last = (changed if size == last else now), size
        assert stillness.still("SN1", (("SN1", size, 0),), now) == (now - changed >= 2.0)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 200), st.booleans())
def test_the_spool_never_grows_beyond_its_limits(used, free, coming, copied):
    full = Disk(100, 50).refusal(used, free, coming, copied=copied)
    assert bool(full) == (used + coming > 100 or free - (coming if copied else 0) < 50)


# ---- settings, telling, state


def test_settings_say_what_is_wrong_with_them(tmp_path, monkeypatch):
    good = {"server": "https://example.org", "line": "a", "spool": tmp_path}
    assert settle(good | {"settle": 2}).settle == 2.0
    for wrong in ({"server": ""}, {"server": "example.org"}, {"settle": -1}, {"line": 3}, {"server": "http://x:99999"}):
        with pytest.raises(BadSetting):
            settle(good | wrong)
    (tmp_path / "a.toml").write_text('servr = "x"')
    with pytest.raises(BadSetting, match="servr"):
        read_file(tmp_path / "a.toml")
    monkeypatch.delenv("STATION_TOKEN", raising=False)
    monkeypatch.delenv("STATION_TOKEN_FILE", raising=False)
    with pytest.raises(BadSetting, match="STATION_TOKEN_FILE"):
        token()
    monkeypatch.setenv("STATION_TOKEN", "a\nb")
    with pytest.raises(BadSetting):
        token()


@pytest.mark.parametrize("name", ["server", "webhook"])
def test_plain_http_to_another_computer_has_to_be_allowed(tmp_path, name):
    good = {"server": "https://example.org", "line": "a", "spool": tmp_path}
    for near in ("http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"):
        settle(good | {name: near})
    for far in ("http://example.org", "http://10.0.0.5:8000", "http://localhost.example.org"):
        with pytest.raises(BadSetting, match="in the clear"):
            settle(good | {name: far})
        settle(good | {name: far, "plain_http": True})
    with pytest.raises(BadSetting, match="true or false"):
        settle(good | {"plain_http": "yes"})


def test_only_another_and_later_disposition_takes_the_place_of_a_known_one():
    known = {"outcome": "pass", "at": "2026-01-01T08:00:00Z"}
    assert supersedes({"outcome": "reject", "at": "2026-01-01T08:00:00.5Z"}, known)
    assert supersedes({"outcome": "reject", "at": "2026-01-01T08:00:00Z"}, None)
    assert supersedes({"outcome": "pass", "at": "2026-01-01T08:00:00Z"}, {"outcome": "retake", "at": None})
    assert not supersedes({"outcome": "reject", "at": "2026-01-01T07:00:00Z"}, known)
    assert not supersedes({"outcome": "pass", "at": "2026-01-01T09:00:00Z"}, known)


@pytest.mark.parametrize(
    "body", [b"<html>", [], {"results": []}, {"results": {}, "next": 1}, {"next": "1", "results": []}]
)
def test_an_answer_that_tells_no_changes_is_none(body):
    assert changes(answered(200, body)) is None
    assert changes(answered(404, {"results": [], "next": 1})) is None


def test_the_signature_is_that_of_the_servers_own_webhooks():
    from datetime import UTC, datetime

    from monitoring import webhooks

    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert signature("secret", b"{}", at.timestamp()) == webhooks.signature("secret", b"{}", at)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_two_serials_never_share_a_file_and_none_leaves_the_folder(serial):
    name = file_name(serial)
    assert "/" not in name and not name.startswith(".")
    assert serial == "".join(_unescaped(name.removesuffix(".json")))


def _unescaped(name):
    at = 0
    while at < len(name):
        yield chr(int(name[at + 1 : at + 3], 16)) if name[at] == "%" else name[at]
        at += 3 if name[at] == "%" else 1


def test_trouble_is_told_in_sentences():
    well = {"running": True, "waiting": 0, "connected_since": None, "refused": 0, "lying": {}}
    assert trouble(well, {}) == []
    bad = {"running": False, "waiting": 3, "connected_since": None, "refused": 2, "lying": {"x.jpg": "cut short"}}
    said = trouble(bad, {"blocked": "401", "full": "no room"})
    assert len(said) == 6 and any("401" in sentence for sentence in said)
