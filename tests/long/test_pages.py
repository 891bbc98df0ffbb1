"""The frame, the inspector's room, photos, a part's history and the open queue, as pages."""

import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from automation.models import Halt
from config.frame import line_state
from inspection import actions
from inspection.models import AuditEvent, Lease, Line, ModelOutputShown, Verdict
from inspection.moves import State
from monitoring.models import Alarm

OPENED = {"ivy": 200, "sam": 200, "ada": 200, "otto": 403, "cam": 403}
OVERSEEN = {**OPENED, "ivy": 403}
# Every page of the floor without an argument, and who may open it.
PAGES = {"parts": OPENED, "queue": OVERSEEN, "containments": OVERSEEN}
MODEL_WORDS = re.compile(r"\b(models?|shadow|predict\w*|score\w*|heat ?maps?|candidate|machine|assist|v1)\b", re.I)


def room(line) -> str:
    return reverse("inspect", args=[line.slug])


def opened(browser, line) -> tuple[Lease, str]:
    """Open the room: the lease that was taken, and the page's words."""
    response = browser.get(room(line))
    lease = Lease.objects.order_by("opened_at").last()
    assert response.status_code == 200
    return lease, response.content.decode()


def judged(browser, lease, outcome, **fields):
    url = reverse("verdict", args=[lease.inspection_id])
    return browser.post(url, {"lease": lease.token, "outcome": outcome, **fields})


@pytest.mark.parametrize(("name", "who", "status"), [(n, w, s) for n, row in PAGES.items() for w, s in row.items()])
def test_page_opens_for_its_roles_only(page, request, name, who, status):
    assert page(request.getfixturevalue(who)).get(reverse(name)).status_code == status


@pytest.mark.parametrize("name", [*PAGES, "inspect", "home"])
def test_stranger_is_sent_to_sign_in(client, db, name):
    response = client.get(reverse(name))
    assert response.status_code == 302
    assert response.url == f"{reverse('login')}?next={reverse(name)}"


def test_signing_in_and_out(client, ivy):
    response = client.post(reverse("login"), {"username": "ivy", "password": "correct horse battery"})
    assert (response.status_code, response.url) == (302, reverse("home"))
    assert client.post(reverse("logout")).url == reverse("login")


def test_too_many_wrong_passwords_get_a_page_that_says_what_to_do(client, ivy, settings):
    for _ in range(settings.AXES_FAILURE_LIMIT):
        response = client.post(reverse("login"), {"username": "ivy", "password": "wrong"}, REMOTE_ADDR="10.0.0.9")
    assert "Sign-in is paused" in response.content.decode()


def test_inspector_is_sent_to_work_and_supervisor_sees_the_lines(page, ivy, sam, make_part):
    make_part()
    assert page(ivy).get(reverse("home")).url == reverse("inspect")
    words = page(sam).get(reverse("home")).content.decode()
    assert "One part waits for a person." in words
    assert "Line A" in words


def test_inspect_with_one_line_goes_there_and_with_two_asks(page, ivy, line):
    assert page(ivy).get(reverse("inspect")).url == room(line)
    Line.objects.create(slug="line-b", name="Line B")
    assert "Which line" in page(ivy).get(reverse("inspect")).content.decode()


def test_the_room_takes_the_oldest_part_and_keeps_it(page, ivy, make_part, line):
    first = make_part("SN1")
    make_part("SN2")
    browser = page(ivy)
    lease, _ = opened(browser, line)
    again, words = opened(browser, line)
    assert lease.inspection == again.inspection == first
    assert "SN1" in words
    assert Lease.objects.count() == 1


def test_a_browser_that_guesses_ahead_takes_no_part(page, ivy, make_part, line):
    make_part()
    assert page(ivy).get(room(line), headers={"Sec-Purpose": "prefetch;prerender"}).status_code == 204
    assert not Lease.objects.exists()


def test_an_empty_queue_says_so(page, ivy, line):
    assert "Nothing to judge on Line A now" in page(ivy).get(room(line)).content.decode()


def test_verdict_by_plain_form_leads_to_the_next_part(page, ivy, make_part, line):
    part, following = make_part(), make_part()
    browser = page(ivy)
    lease, _ = opened(browser, line)
    response = judged(browser, lease, "ok", comment="clean", duration_ms="1500")
    assert (response.status_code, response.url) == (302, room(line))
    verdict = Verdict.objects.get(inspection=part)
    assert (verdict.outcome, verdict.comment, verdict.duration_ms, verdict.inspector) == ("ok", "clean", 1500, ivy)
    assert opened(browser, line)[0].inspection == following


def test_marks_come_as_json(page, ivy, make_part, line, kinds):
    part = make_part()
    browser = page(ivy)
    lease, _ = opened(browser, line)
    mark = {"photo": part.photos.get().pk, "kind": "scratch", "severity": "major", "box": [0.1, 0.2, 0.3, 0.1]}
    assert judged(browser, lease, "scratched", defects=json.dumps([mark])).status_code == 302
    defect = Verdict.objects.get().defects.get()
    assert (defect.kind.slug, defect.severity, defect.box) == ("scratch", "major", [0.1, 0.2, 0.3, 0.1])


UNREADABLE = ["{", "[" * 100_000, "[1]", '[{"photo": 1}]', '{"photo": 1}', '[{"box": [NaN, 0, 0, 0]}]']


@pytest.mark.parametrize("marks", UNREADABLE)
def test_marks_that_cannot_be_read_are_refused_and_the_part_stays(page, ivy, make_part, line, marks):
    make_part()
    browser = page(ivy)
    lease, _ = opened(browser, line)
    response = judged(browser, lease, "scratched", defects=marks)
    assert response.status_code == 400
    assert re.search(r"The marks cannot be read|A mark is not complete", response.content.decode())
    assert Lease.objects.get() == lease


def test_a_refused_verdict_comes_back_with_what_was_marked_and_written(page, ivy, make_part, line, kinds):
    part = make_part()
    browser = page(ivy)
    lease, _ = opened(browser, line)
    mark = {"photo": part.photos.get().pk, "kind": "scratch", "severity": "minor", "box": [0.1, 0.2, 0.3, 0.1]}
    response = judged(browser, lease, "ok", defects=json.dumps([mark]), comment="hairline")
    words = response.content.decode()
    assert response.status_code == 400
    assert "A scratch is marked, and that rejects." in words
    assert response.context["defects"] == json.dumps([mark])
    assert 'value="hairline"' in words
    assert not Verdict.objects.exists()


def test_verdict_on_a_freed_part_says_so_and_goes_on(page, ivy, sam, make_part, line):
    part = make_part()
    browser = page(ivy)
    lease, _ = opened(browser, line)
    actions.free_lease(inspection=part, by=sam)
    response = judged(browser, lease, "ok")
    assert response.url == room(line)
    assert "no longer yours" in browser.get(response.url).content.decode()
    assert not Verdict.objects.exists()


@pytest.mark.parametrize("fields", [{"outcome": "fine"}, {"duration_ms": "soon"}, {"comment": "\x00"}])
def test_nonsense_is_refused_with_a_sentence(page, ivy, make_part, line, fields):
    make_part()
    browser = page(ivy)
    lease, _ = opened(browser, line)
    assert judged(browser, lease, **{"outcome": "ok", **fields}).status_code == 400
    assert not Verdict.objects.exists()


def test_undo_shows_the_last_answer_and_changes_it(page, ivy, make_part, line):
    make_part("SN1")
    browser = page(ivy)
    judged(browser, opened(browser, line)[0], "ok")
    verdict = Verdict.objects.get()
    change = reverse("verdict_change", args=[verdict.pk])
    assert change in browser.get(room(line)).content.decode()
    assert "SN1" in browser.get(change).content.decode()
    response = browser.post(reverse("correct", args=[verdict.pk]), {"outcome": "scratched"})
    assert response.url == room(line)
    assert verdict.corrections.get().outcome == "scratched"
    assert verdict.inspection.disposition.outcome == "reject"


def test_undo_ends_with_its_time(page, ivy, make_part, line, judge):
    part = make_part()
    verdict = judge(part, ivy, "ok", now=timezone.now() - timedelta(seconds=line.undo_seconds + 1))
    browser = page(ivy)
    change = reverse("verdict_change", args=[verdict.pk])
    assert change not in browser.get(room(line)).content.decode()
    assert browser.get(change).url == room(line)
    assert browser.post(reverse("correct", args=[verdict.pk]), {"outcome": "scratched"}).status_code == 409


def test_supervisor_corrects_with_a_reason_and_another_inspector_cannot(page, ivy, ian, sam, make_part, judge):
    verdict = judge(make_part("SN1"), ivy, "ok")
    url = reverse("correct", args=[verdict.pk])
    assert page(ian).post(url, {"outcome": "scratched", "reason": "no"}).status_code == 404
    assert page(sam).post(url, {"outcome": "scratched"}).status_code == 400
    assert page(sam).post(url, {"outcome": "scratched", "reason": "edge"}).url == reverse("part_history", args=["SN1"])


@pytest.mark.parametrize(
    ("name", "fields", "state"),
    [
        ("skip", {"reason": "my eyes"}, State.WAITING),
        ("release", {}, State.WAITING),
        ("retake", {"reason": "oil"}, State.RETAKE),
    ],
)
def test_a_part_is_passed_on_put_back_or_sent_to_cleaning(page, ivy, make_part, line, name, fields, state):
    part = make_part()
    browser = page(ivy)
    lease, _ = opened(browser, line)
    url = reverse(name, args=[part.pk])
    assert browser.post(url, {"lease": lease.token, **fields}).status_code == 302
    part.refresh_from_db()
    assert part.state == state
    assert not Lease.objects.exists()
    assert browser.post(url, {"lease": lease.token, **fields}).status_code == 409


@pytest.mark.parametrize("name", ["skip", "retake"])
def test_passing_on_needs_a_reason(page, ivy, make_part, line, name):
    part = make_part()
    browser = page(ivy)
    lease, _ = opened(browser, line)
    response = browser.post(reverse(name, args=[part.pk]), {"lease": lease.token, "reason": " "})
    assert response.status_code == 400
    assert "Reason" in response.content.decode()


def test_opening_the_room_again_renews_what_one_holds(page, ivy, make_part, line):
    """So that the farewell of a page that was reloaded, which names the old time, takes nothing away."""
    make_part()
    browser = page(ivy)
    first, _ = opened(browser, line)
    again, _ = opened(browser, line)
    assert again.token == first.token
    assert again.expires_at > first.expires_at
    assert actions.leave(leases=[actions.HeldLease(first.token, first.expires_at)], by=ivy) == 0


def test_the_queue_does_not_tell_which_parts_are_audits(page, sam, make_part, later):
    part = make_part()
    part.state, part.hold_until = State.HELD, later(60)
    part.save()
    assert actions.decide_by_machine(inspection=part, outcome="pass", reason="score 0.01", audited=True)
    words = page(sam).get(reverse("queue")).content.decode()
    assert part.serial in words
    assert "audit due" not in words


def test_nobody_is_served_on_the_page_of_somebody_else(page, ivy, ian, make_part, line):
    make_part()
    browser = page(ivy)
    for person, status in ((ivy, 200), (ian, 401)):
        body = {"line": line.slug}
        answer = browser.post("/api/v1/queue/claim/", body, "application/json", headers={"X-Person": str(person.pk)})
        assert answer.status_code == status
    assert Lease.objects.get().user == ivy


@pytest.mark.parametrize("name", ["verdict", "release", "skip", "retake", "free_lease", "correct"])
def test_what_changes_something_takes_only_post(page, ada, name):
    assert page(ada).get(reverse(name, args=[1])).status_code == 405


def test_bound_inspector_stays_on_their_line(page, ivy, make_part, line):
    other = Line.objects.create(slug="line-b", name="Line B")
    part = make_part(on=other)
    ivy.lines.add(line)
    browser = page(ivy)
    assert browser.get(room(other)).status_code == 403
    assert browser.get(room(line)).status_code == 200
    assert browser.post(reverse("verdict", args=[part.pk]), {"lease": "x", "outcome": "ok"}).status_code == 404


def test_a_line_that_is_not_there_names_those_that_are(page, ivy, line):
    response = page(ivy).get(reverse("inspect", args=["line-z"]))
    assert response.status_code == 404
    assert "Known lines: line-a." in response.content.decode()


def without_secrets(words: str) -> str:
    """The page without its tokens, which differ each time."""
    return re.sub(r'value="[\w-]{43,64}"|"token": "[\w-]{43}"|"expires_at": "[^"]*"', "", words)


def test_the_room_is_the_same_with_and_without_a_model_and_says_nothing_of_one(
    page, ivy, make_part, line, version, set_level, answer
):
    part = make_part()
    browser = page(ivy)
    _, before = opened(browser, line)
    Lease.objects.all().delete()
    set_level(line, "shadow", version)
    answer(part, version, 0.97)
    _, after = opened(browser, line)
    assert not MODEL_WORDS.findall(after)
    assert without_secrets(after) == without_secrets(before)


def test_an_audit_looks_like_any_other_part(page, ivy, make_part, line, later):
    part = make_part("SN1")
    browser = page(ivy)
    _, waiting = opened(browser, line)
    Lease.objects.all().delete()
    part.state, part.hold_until = State.HELD, later(60)
    part.save()
    assert actions.decide_by_machine(inspection=part, outcome="pass", reason="score 0.01", audited=True)
    lease, audit = opened(browser, line)
    assert without_secrets(audit) == without_secrets(waiting)
    judged(browser, lease, "ok")
    history = browser.get(reverse("part_history", args=["SN1"])).content.decode()
    assert "judged by you" in history
    assert not re.search(r"audit|machine|0\.01", history, re.I)


def test_two_unsure_leave_a_supervisor_no_third(page, ivy, ian, sam, make_part, line, judge):
    part = make_part()
    judge(part, ivy, "unsure")
    judge(part, ian, "unsure")
    _, words = opened(page(sam), line)
    assert 'disabled title="Two people were unsure' in words


# Photos


def test_photo_is_served_to_its_holder_and_kept_for_good(page, ivy, make_part, line):
    photo = make_part().photos.get()
    browser = page(ivy)
    url = reverse("photo", args=[photo.pk])
    assert browser.get(url).status_code == 404
    opened(browser, line)
    response = browser.get(url)
    assert response["Content-Type"] == "image/jpeg"
    assert response["ETag"] == f'"photo-{photo.pk}"'
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert len(b"".join(response.streaming_content)) == photo.size
    assert browser.get(url, headers={"If-None-Match": response["ETag"]}).status_code == 304


def test_preview_is_a_small_webp(page, sam, make_part):
    photo = make_part().photos.get()
    response = page(sam).get(reverse("photo_preview", args=[photo.pk]))
    assert response["Content-Type"] == "image/webp"
    assert b"".join(response.streaming_content)[8:12] == b"WEBP"


def test_a_photo_stays_visible_to_who_judged_it_and_to_nobody_else(page, ivy, ian, sam, make_part, judge):
    part = make_part()
    judge(part, ivy, "ok")
    url = reverse("photo", args=[part.photos.get().pk])
    for person, status in ((ivy, 200), (ian, 404), (sam, 200)):
        response = page(person).get(url)
        assert response.status_code == status
        # Read to its end, where the client closes the file: closing it here would end the test's transaction.
        b"".join(response)


@pytest.mark.parametrize("name", ["photo", "photo_preview"])
def test_a_photo_is_nothing_for_stations_strangers_and_other_lines(client, page, cam, otto, sam, make_part, name):
    photo = make_part().photos.get()
    url = reverse(name, args=[photo.pk])
    assert client.get(url).status_code == 302
    assert page(cam).get(url).status_code == 403
    assert page(otto).get(url).status_code == 403
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    assert page(sam).get(url).status_code == 404


@pytest.mark.parametrize("name", ["photo", "photo_preview"])
def test_a_photo_missing_from_the_store_is_said(page, sam, make_part, settings, tmp_path, name):
    photo = make_part().photos.get()
    settings.PHOTO_ROOT = tmp_path / "elsewhere"
    response = page(sam).get(reverse(name, args=[photo.pk]))
    assert response.status_code == 404
    assert "missing from the photo store" in response.content.decode()


# A part's history


def test_a_scanned_serial_leads_to_the_part(page, sam, make_part):
    make_part("AB/12 é")
    response = page(sam).get(reverse("parts"), {"serial": " AB/12 é "})
    assert response.url == reverse("part_history", args=["AB/12 é"])
    assert "AB/12 é" in page(sam).get(response.url).content.decode()


def test_an_unknown_serial_is_said_and_escaped(page, sam, line):
    response = page(sam).get(reverse("parts"), {"serial": "<b>1"})
    assert response.status_code == 404
    assert "&lt;b&gt;1" in response.content.decode()
    assert page(sam).get(reverse("part_history", args=["nope"])).status_code == 404


def test_history_tells_an_overseer_everything_and_an_inspector_only_their_own(page, ivy, ian, sam, make_part, judge):
    part = make_part("SN1")
    judge(part, ivy, "unsure", comment="ivy's words")
    judge(part, ian, "scratched", comment="<i>ian's words</i>")
    url = reverse("part_history", args=["SN1"])
    told = page(sam).get(url).content.decode()
    assert "ivy&#x27;s words" in told
    assert "&lt;i&gt;ian" in told
    assert f"verdict recorded by {ian.pseudonym}" in told
    assert "Rejected" in told
    own = page(ivy).get(url).content.decode()
    assert "ivy&#x27;s words" in own
    assert not re.search(r"\bian\b", own)
    assert "Rejected" in own  # what became of the part they judged, and not who said so


def test_history_of_a_retaken_part_has_two_chapters(page, ivy, sam, make_part, line):
    part = make_part("SN1")
    lease = actions.claim(line=line, by=ivy)
    actions.send_to_retake(inspection=part, by=ivy, lease=lease.token, reason="oil")
    make_part("SN1")
    chapters = page(sam).get(reverse("part_history", args=["SN1"])).context["chapters"]
    assert [chapter.inspection.state for chapter in chapters] == [State.WAITING, State.RETAKE]


def test_who_reads_a_machine_decision_is_no_longer_offered_its_audit(page, sam, make_part, line, later):
    part = make_part("SN1")
    part.state, part.hold_until = State.HELD, later(60)
    part.save()
    actions.decide_by_machine(inspection=part, outcome="pass", reason="score 0.01", audited=True)
    assert line.inspections.awaiting(sam, now=timezone.now()).exists()
    for _ in range(2):
        assert "score 0.01" in page(sam).get(reverse("part_history", args=["SN1"])).content.decode()
    assert ModelOutputShown.objects.filter(inspection=part, user=sam).count() == 1
    assert not line.inspections.awaiting(sam, now=timezone.now()).exists()


# The open queue


def test_supervisor_frees_a_part_that_somebody_holds(page, ivy, sam, make_part, line):
    part = make_part("SN1")
    actions.claim(line=line, by=ivy)
    free = reverse("free_lease", args=[part.pk])
    assert free in page(sam).get(reverse("queue"), {"show": "held"}).content.decode()
    assert page(sam).post(free).url == reverse("queue")
    assert not Lease.objects.exists()
    assert AuditEvent.objects.filter(action="lease_freed", by="sam").count() == 1
    assert page(ivy).post(free).status_code == 403


def test_supervisor_has_a_lot_judged_first_and_ends_that(page, ivy, sam, make_part, line):
    make_part("OLD", lot="L1"), make_part("NEW", lot="L2")
    lot = {"line": "line-a", "lot": "L2"}
    assert page(sam).post(reverse("mark_lot_urgent"), lot).url == reverse("queue")
    shown = page(sam).get(reverse("queue"))
    assert [part.serial for part in shown.context["page_obj"]] == ["NEW", "OLD"]
    assert reverse("end_urgency") in shown.content.decode()
    assert page(sam).post(reverse("end_urgency"), lot).url == reverse("queue")
    shown = page(sam).get(reverse("queue"))
    assert [part.serial for part in shown.context["page_obj"]] == ["OLD", "NEW"]
    assert AuditEvent.objects.filter(action__startswith="lot_", by="sam").count() == 2
    for name in ("mark_lot_urgent", "end_urgency"):
        assert page(ivy).post(reverse(name), lot).status_code == 403
        assert page(sam).post(reverse(name), {"line": "line-a", "lot": ""}).status_code == 400
        assert page(sam).post(reverse(name), {"line": "line-z", "lot": "L2"}).status_code == 404


def test_queue_has_pages_and_asks_the_database_no_oftener_for_more_rows(page, sam, make_part, line):
    for _ in range(52):
        make_part()
    browser, asked = page(sam), []
    for number, rows in ((1, 50), (2, 2)):
        with CaptureQueriesContext(connection) as queries:
            assert len(browser.get(reverse("queue"), {"page": number}).context["page_obj"]) == rows
        asked.append(len(queries))
    assert asked[0] == asked[1] <= 30


def test_queue_shows_what_is_asked_for(page, ivy, ian, sam, make_part, line, judge):
    stuck, held, free = make_part("STUCK"), make_part("HELD"), make_part("FREE")
    judge(stuck, ivy, "unsure")
    judge(stuck, ian, "unsure")
    actions.claim(line=line, by=ivy)
    asked = {"": [stuck, held, free], "free": [free], "held": [held], "supervisor": [stuck], "?": [stuck, held, free]}
    for show, parts in asked.items():
        assert list(page(sam).get(reverse("queue"), {"show": show}).context["page_obj"]) == parts


def test_queue_keeps_to_the_lines_of_the_reader(page, sam, make_part, line):
    other = Line.objects.create(slug="line-b", name="Line B")
    part = make_part("SN1")
    sam.lines.add(other)
    assert "SN1" not in page(sam).get(reverse("queue")).content.decode()
    assert page(sam).get(reverse("queue"), {"line": "line-a"}).status_code == 403
    assert page(sam).post(reverse("free_lease", args=[part.pk])).status_code == 404


# The frame


def test_navigation_shows_only_what_the_role_may(page, ivy, ada, line):
    frames = [page(person).get(reverse("parts")).context["frame"] for person in (ivy, ada)]
    inspector, admin = ([entry.label for entry in frame.pages] for frame in frames)
    assert inspector == ["Inspect", "Parts"]
    assert {"Overview", "Queue", "Agreement", "Automation", "Alarms", "Set-up"} <= set(admin)


def test_a_strangers_frame_asks_the_database_nothing(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get(reverse("login"))


def test_the_line_chosen_in_the_url_is_kept(page, sam, line):
    Line.objects.create(slug="line-b", name="Line B")
    browser = page(sam)
    assert browser.get(reverse("parts")).context["frame"].line == line
    assert browser.get(reverse("parts"), {"line": "line-b"}).context["frame"].line.slug == "line-b"
    assert browser.get(reverse("parts")).context["frame"].line.slug == "line-b"
    assert browser.get(reverse("parts"), {"line": "nowhere"}).context["frame"].line == line


def test_state_of_the_line_goes_from_quiet_to_alarm(line):
    assert line_state(line) == {"level": "human only", "word": "quiet", "shape": "quiet", "alert": False}
    Alarm.objects.create(line=line, rule="brightness", severity="warning", message="brighter")
    assert (line_state(line)["word"], line_state(line)["alert"]) == ("1 warning", False)
    for rule in ("escape", "burst"):
        Alarm.objects.create(line=line, rule=rule, severity="critical", message="escape")
    assert (line_state(line)["word"], line_state(line)["alert"]) == ("2 critical alarms", True)


def test_an_inspector_reads_neither_level_nor_alarm(page, ivy, line):
    Alarm.objects.create(line=line, rule="escape", severity="critical", message="escape")
    frame = page(ivy).get(reverse("parts")).context["frame"]
    assert frame.state == {"word": "running", "shape": "quiet", "alert": False}


def test_a_halt_colours_the_bar_for_everybody(page, ivy, sam, line):
    Halt.objects.create(line=line, on=True, reason="lamp", by="sam")
    for person in (ivy, sam):
        words = page(person).get(reverse("parts")).content.decode()
        assert 'class="bar alert"' in words
        assert "<strong>halted</strong>" in words
    Halt.objects.create(line=line, on=False, reason="lamp changed", by="sam")
    assert 'class="bar alert"' not in page(ivy).get(reverse("parts")).content.decode()


@pytest.mark.parametrize("name", ["parts", "queue", "containments", "home"])
def test_pages_keep_to_the_content_security_policy(page, ada, ivy, make_part, line, name):
    make_part()
    words = page(ada).get(reverse(name)).content.decode()
    assert not re.search(r"<[^>]+\s(style|on\w+)=", words)
    assert not re.search(r"<script(?![^>]*\ssrc=)", words)
