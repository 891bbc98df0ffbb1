"""Containment: which escapes open one, who takes it on, what surrounds the part, and how it is closed."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from inspection import actions, surroundings
from inspection.actions import containing
from inspection.escapes import escape_of
from inspection.models import (
    AuditEvent,
    Containment,
    Disposition,
    Inspection,
    Line,
    ModelOutputShown,
    Origin,
    Verdict,
)
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.surroundings import counts_of, parts_that_passed, surroundings_of

pytestmark = pytest.mark.django_db
FOUND = "A scratch at the corner."


def correct(verdict, by, outcome, *, after, reason="looked again"):
    now = verdict.at + timedelta(seconds=after)
    return actions.correct_verdict(verdict=verdict, outcome=outcome, reason=reason, by=by, now=now)


def machine_passed(part, *, audited=True, outcome="pass"):
    Inspection.objects.filter(pk=part.pk).update(state="held", hold_until=timezone.now() + timedelta(minutes=1))
    assert actions.decide_by_machine(inspection=part, outcome=outcome, reason="score 0.01", audited=audited)
    return Inspection.objects.select_related("line").get(pk=part.pk)


def again(part: Inspection) -> Inspection:
    return Inspection.objects.select_related("line", "station").get(pk=part.pk)


@pytest.fixture
def escaped(make_part, judge, ivy):
    """A part that the machine passed and ivy rejected: `escaped(serial)`."""

    def make(serial=None, **fields) -> Inspection:
        part = machine_passed(make_part(serial, **fields))
        judge(part, ivy, "scratched")
        return again(part)

    return make


@pytest.fixture
def containment(escaped) -> Containment:
    escaped("SN1", lot="L12")
    actions.contain_escapes()
    return Containment.objects.get()


@pytest.fixture
def passed(make_part, judge, ivy):
    """A part that ivy passed."""
    part = make_part("SN1", lot="L12")
    judge(part, ivy, "ok")
    return again(part)


# What opens one


def test_what_the_machine_passed_and_a_person_rejects_is_contained_once(escaped):
    part = escaped()
    assert [actions.contain_escapes() for _ in range(2)] == [1, 0]
    row = Containment.objects.get()
    assert (row.inspection, row.reason, row.opened_by, row.owner) == (part, containing.ESCAPED, "system", None)
    assert AuditEvent.objects.get(action="containment_opened").by == "system"


@pytest.mark.parametrize(("after", "opened"), [(29, 0), (30, 0), (31, 1), (86_400, 1)])
def test_what_a_person_passed_and_is_rejected_after_the_time_to_undo_is_contained(passed, sam, after, opened):
    correct(passed.verdicts.get(), sam, "scratched", after=after)
    assert not Containment.objects.exists(), "the correction itself opens none"
    assert [actions.contain_escapes() for _ in range(2)] == [opened, 0]
    assert [row.reason for row in Containment.objects.all()] == [containing.ESCAPED_A_PERSON] * opened


def test_the_time_to_undo_is_the_lines_own(passed, line, sam):
    Line.objects.update(undo_seconds=600)
    correct(passed.verdicts.get(), sam, "scratched", after=500)
    assert actions.contain_escapes() == 0


def test_a_part_passed_by_a_slip_and_judged_by_a_second_person_is_none(make_part, judge, ivy, ian):
    """Taken back to unsure in time, the part waited for the second person: it never left."""
    part = make_part()
    correct(judge(part, ivy, "ok"), ivy, "unsure", after=5, reason="")
    lease = actions.claim(line=part.line, by=ian)
    later = timezone.now() + timedelta(hours=1)
    actions.record_verdict(inspection=part, by=ian, lease=lease.token, outcome="scratched", now=later)
    assert actions.contain_escapes() == 0


def test_a_part_taken_back_late_is_contained_when_the_second_person_rejects_it(make_part, judge, ivy, ian, sam):
    part = make_part()
    correct(judge(part, ivy, "ok"), sam, "unsure", after=3600)
    assert actions.contain_escapes() == 0
    judge(part, ian, "scratched", now=timezone.now() + timedelta(seconds=3700))
    assert actions.contain_escapes() == 1


def test_a_correction_finds_the_escape_that_the_audit_missed(make_part, judge, ivy, sam):
    verdict = judge(machine_passed(make_part()), ivy, "ok")
    correct(verdict, sam, "scratched", after=3600)
    assert actions.contain_escapes() == 1
    assert Containment.objects.get().reason == containing.ESCAPED


def test_a_reject_that_was_a_slip_of_the_hand_is_none(make_part, judge, ivy):
    for outcome in ("ok", "unsure"):
        part = machine_passed(make_part())
        correct(judge(part, ivy, "scratched"), ivy, outcome, after=5, reason="")
        assert actions.contain_escapes() == 0
        Inspection.objects.filter(pk=part.pk).update(state="decided")  # out of the queue of the next


def test_a_part_that_was_rejected_first_is_none(make_part, judge, ivy):
    judge(machine_passed(make_part(), outcome="reject"), ivy, "ok")
    judge(make_part(), ivy, "scratched")
    assert actions.contain_escapes() == 0


@pytest.mark.parametrize("origin", [Origin.SEEDED, Origin.IMPORTED, Origin.REPLAY, Origin.SIMULATED])
def test_only_the_lines_own_parts_escape(escaped, sam, origin):
    part = escaped()
    Inspection.objects.update(origin=origin)
    assert actions.contain_escapes() == 0
    with pytest.raises(Conflict, match="not one of the line's own"):
        actions.open_containment(inspection=again(part), reason=FOUND, by=sam)


def test_simulated_parts_escape_on_a_demo_line(escaped):
    escaped()
    Inspection.objects.update(origin=Origin.SIMULATED)
    Line.objects.update(demo=True)
    assert actions.contain_escapes() == 1


def test_the_same_part_found_again_opens_nothing(escaped, sam):
    part = escaped()
    actions.contain_escapes()
    actions.close_containment(containment=part.containment, cause="lamp", by=sam)
    verdict = Verdict.objects.get()
    correct(verdict, sam, "ok", after=100)
    correct(verdict, sam, "scratched", after=200)
    assert actions.contain_escapes() == 0
    assert actions.open_containment(inspection=part, reason=FOUND, by=sam).closed_at


def test_none_is_passed_over_however_long_the_workers_were_down(escaped, monkeypatch):
    """A process that has looked through the rows goes on from there; one that begins looks through all."""
    escaped()
    monkeypatch.setattr(containing, "AGAIN", 0)
    monkeypatch.setattr(containing, "_looked_through", Disposition.objects.last().pk)
    assert actions.contain_escapes() == 0
    monkeypatch.setattr(containing, "_looked_through", 0)
    assert [actions.contain_escapes() for _ in range(2)] == [1, 0]


def test_looking_again_asks_no_more_for_more_corrections(make_part, judge, ivy, django_assert_max_num_queries):
    for _ in range(5):
        correct(judge(make_part(), ivy, "ok"), ivy, "scratched", after=5, reason="")
    with django_assert_max_num_queries(6):
        assert actions.contain_escapes() == 0


# A supervisor opens one


def test_a_supervisor_contains_a_part_that_passed(passed, sam):
    row, second = (actions.open_containment(inspection=passed, reason=f" {FOUND} ", by=sam) for _ in range(2))
    assert (row, row.reason, row.opened_by) == (second, FOUND, "sam")
    event = AuditEvent.objects.get(action="containment_opened")
    assert (event.by, event.line, event.subject, event.data["reason"]) == (
        "sam", "line-a", f"inspection {passed.pk}", FOUND,
    )  # fmt: skip
    assert passed.disposition.outcome == "pass", "the disposition never changes silently"


def test_a_part_that_never_passed_is_not_contained(make_part, judge, ivy, sam):
    part = make_part()
    with pytest.raises(Conflict, match="never passed"):
        actions.open_containment(inspection=part, reason=FOUND, by=sam)
    judge(part, ivy, "scratched")
    with pytest.raises(Conflict, match="never passed"):
        actions.open_containment(inspection=part, reason=FOUND, by=sam)


def test_who_may_not_open_one(passed, ivy, sam):
    with pytest.raises(NotAllowed):
        actions.open_containment(inspection=passed, reason=FOUND, by=ivy)
    with pytest.raises(BadInput, match="Say what was found"):
        actions.open_containment(inspection=passed, reason=" ", by=sam)
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    with pytest.raises(NotAllowed):
        actions.open_containment(inspection=passed, reason=FOUND, by=sam)
    assert not Containment.objects.exists()


def test_two_who_find_it_at_once_open_one(at_once, passed, sam, ada):
    calls = [lambda who=who: actions.open_containment(inspection=passed, reason=FOUND, by=who) for who in (sam, ada)]
    results = at_once(*calls)
    assert {type(row) for row in results} == {Containment}
    assert (Containment.objects.count(), AuditEvent.objects.filter(action="containment_opened").count()) == (1, 1)


# Taking on and closing


def test_a_containment_is_taken_on_and_handed_on(containment, sam, ada):
    for owner in (sam, sam, ada):
        assert actions.take_containment(containment=containment, owner=owner, by=sam).owner == owner
    told = AuditEvent.objects.filter(action="containment_taken").order_by("pk")
    assert [(row.by, row.data) for row in told] == [
        ("sam", {"owner": "sam", "before": ""}), ("sam", {"owner": "ada", "before": "sam"}),
    ]  # fmt: skip


def test_who_cannot_own_one(containment, sam, ada, ivy):
    elsewhere = Line.objects.create(slug="line-b", name="Line B")
    with pytest.raises(BadInput, match="cannot own this containment"):
        actions.take_containment(containment=containment, owner=ivy, by=sam)
    ada.lines.add(elsewhere)
    with pytest.raises(BadInput, match="works on Line A"):
        actions.take_containment(containment=containment, owner=ada, by=sam)
    sam.is_active = False
    sam.save()
    with pytest.raises(BadInput):
        actions.take_containment(containment=containment, owner=sam, by=sam)


def test_who_may_neither_take_on_nor_close(containment, sam, ada, ivy):
    ada.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    for person in (ivy, ada):
        with pytest.raises(NotAllowed):
            actions.take_containment(containment=containment, owner=sam, by=person)
        with pytest.raises(NotAllowed):
            actions.close_containment(containment=containment, cause="lamp", by=person)
    assert Containment.objects.get().closed_at is None


def test_a_containment_is_closed_once_with_its_cause(containment, sam):
    with pytest.raises(BadInput, match="Name the cause"):
        actions.close_containment(containment=containment, cause=" ", by=sam)
    assert actions.close_containment(containment=containment, cause="lamp", by=sam).closed_at
    for call in (
        lambda: actions.close_containment(containment=containment, cause="lamp", by=sam),
        lambda: actions.take_containment(containment=containment, owner=sam, by=sam),
    ):
        with pytest.raises(Conflict, match="closed already"):
            call()
    containment.refresh_from_db()
    assert (containment.cause, containment.closed_by) == ("lamp", sam)
    assert AuditEvent.objects.get(action="containment_closed").data == {"cause": "lamp"}


# What surrounds the part


@pytest.fixture
def floor(line, station):
    """Decided parts a second apart: `floor(5, lot="L1")` gives them oldest first, each passed by the machine."""
    start = timezone.now() - timedelta(days=1)

    def make(count, *, first=0, outcome="pass", step=1.0, **fields) -> list[Inspection]:
        known = {"line": line, "station": station, "lot": "L1", "state": "decided", "hold_until": start} | fields
        moments = [start + timedelta(seconds=(first + n) * step) for n in range(count)]
        serials = [f"F{Inspection.objects.count() + n:05d}" for n in range(count)]
        parts = Inspection.objects.bulk_create(
            Inspection(serial=serial, captured_at=at, received_at=at, **known)
            for serial, at in zip(serials, moments, strict=True)
        )
        if outcome:
            Disposition.objects.bulk_create(
                Disposition(inspection=part, outcome=outcome, by_machine=True, reason="score") for part in parts
            )
        return [again(part) for part in parts]

    return make


def test_the_nearest_parts_stand_in_their_places(floor):
    parts = floor(61)
    around = surroundings_of(parts[30])
    near = {row.part: row.place for row in around.rows if row.place is not None}
    assert near == {part: place for place, part in zip(range(-20, 21), parts[10:51], strict=True)}
    assert [row.part for row in around.rows] == parts
    assert (around.near.parts, around.lot.parts, around.left_out) == (41, 61, 0)
    assert surroundings_of(parts[0]).near.parts == 21


def test_the_nearest_are_those_of_the_same_camera_where_it_is_known(floor, line, station):
    other = line.stations.create(slug="cam-2", name="Camera 2")
    ours, theirs = floor(3, lot=""), floor(3, lot="", station=other, first=1)
    assert {row.part for row in surroundings_of(ours[1]).rows} == set(ours)
    nowhere = floor(1, lot="", station=None, first=2)
    assert {row.part for row in surroundings_of(nowhere[0]).rows} == {*ours, *theirs, *nowhere}


def test_parts_of_one_moment_stand_on_one_side_each(floor):
    parts = floor(5, step=0)
    rows = surroundings_of(parts[2]).rows
    assert [row.place for row in sorted(rows, key=lambda row: row.part.pk)] == [-2, -1, 0, 1, 2]


def test_only_the_lines_own_parts_surround_it(floor, line):
    own = floor(3)
    floor(3, origin=Origin.SEEDED), floor(3, origin=Origin.IMPORTED), floor(3, origin=Origin.SIMULATED)
    elsewhere = Line.objects.create(slug="line-b", name="Line B")
    floor(3, line=elsewhere, station=None)
    assert [row.part for row in surroundings_of(own[1]).rows] == own
    Line.objects.update(demo=True)
    assert surroundings_of(again(own[1])).lot.parts == 6


def test_a_lots_name_that_comes_again_later_is_another_lot(floor):
    parts = floor(3, step=15 * 86_400)
    around = surroundings_of(parts[1])
    assert ([row.part for row in around.rows], around.lot.parts) == ([parts[1]], 1)


def test_a_part_without_a_lot_has_its_nearest_alone(floor):
    parts = floor(3, lot="")
    around = surroundings_of(parts[0])
    assert (around.lot, around.left_out, len(around.rows)) == (None, 0, 3)
    assert not any(row.same_lot for row in around.rows)


def test_a_large_lot_is_counted_whole_and_shown_in_part(floor, monkeypatch):
    monkeypatch.setattr(surroundings, "NEAR", 1)
    monkeypatch.setattr(surroundings, "LOT_SHOWN", 2)
    monkeypatch.setattr(surroundings, "AT_A_TIME", 3)
    parts = floor(10)
    around = surroundings_of(parts[4])
    assert [row.part for row in around.rows] == parts[2:7]
    assert (around.lot.parts, around.lot.passed, around.left_out) == (10, 10, 5)
    assert [len(some) for some in parts_that_passed(parts[4])] == [3, 3, 3, 1]


def test_counts_say_how_parts_stand(floor, make_part, judge, ivy, ian):
    floor(4), floor(3, outcome="reject"), floor(2, outcome="", state="waiting"), floor(1, outcome="", state="retake")
    floor(1, state="audit_due")
    undone = make_part(lot="L1")
    Inspection.objects.exclude(pk=undone.pk).filter(state="waiting").update(
        state="held", hold_until=timezone.now() + timedelta(days=9)
    )
    Inspection.objects.filter(state="audit_due").update(received_at=timezone.now())
    correct(judge(undone, ivy, "ok"), ivy, "unsure", after=5, reason="")
    counts = counts_of(Inspection.objects.all())
    assert (counts.parts, counts.passed, counts.rejected, counts.open) == (12, 5, 3, 3)
    rows = surroundings_of(again(undone)).rows
    assert sum(row.passed for row in rows) == counts.passed, "as the rows say"


def test_the_surroundings_cost_the_same_for_more_parts(floor):
    asked = []
    for count in (5, 40):
        part = floor(count, first=count, lot=f"L{count}")[2]
        with CaptureQueriesContext(connection) as queries:
            surroundings_of(part)
        asked.append(len(queries))
    assert asked[0] == asked[1] <= 12


def test_what_escaped_is_told_as_it_stood(passed, sam):
    verdict = passed.verdicts.get()
    correct(verdict, sam, "scratched", after=3600)
    actions.contain_escapes(now=verdict.at + timedelta(seconds=3605))
    escape = escape_of(passed.containment)
    assert (escape.passed_at, escape.by_machine, escape.out_for) == (verdict.at, False, timedelta(hours=1))
    correct(verdict, sam, "ok", after=7200)
    assert escape_of(again(passed).containment) == escape, "what comes later does not change it"


def test_what_a_supervisor_found_was_out_until_then(passed, sam):
    at = passed.dispositions.get().at + timedelta(minutes=5)
    row = actions.open_containment(inspection=passed, reason=FOUND, by=sam, now=at)
    assert (escape_of(row).found_at, escape_of(row).out_for) == (at, timedelta(minutes=5))


# The pages


def test_the_list_shows_the_open_and_keeps_the_closed(page, containment, sam):
    browser, url = page(sam), reverse("containments")
    words = browser.get(url).content.decode()
    assert reverse("containment", args=[containment.pk]) in words
    assert "nobody yet" in words
    close = reverse("close_containment", args=[containment.pk])
    assert browser.post(close, {"cause": " "}).status_code == 400
    assert browser.post(close, {"cause": "Lamp was off"}).url == url
    assert browser.post(close, {"cause": "again"}).status_code == 409
    assert "No containment is open" in browser.get(url).content.decode()
    assert "Lamp was off" in browser.get(url, {"show": "closed"}).content.decode()
    assert browser.get(url, {"show": "?"}).status_code == 200


def test_the_page_says_what_escaped_and_what_to_do(page, containment, sam, ada, ivy):
    html = page(sam).get(reverse("containment", args=[containment.pk])).content.decode()
    assert "Part SN1 is scratched. The machine passed it on" in html
    assert "Lot L12: 1 part</strong>, 0 passed, 1 rejected, 0 still open" in html
    assert 'class="selected"' in html
    assert "Containment opened".lower() in html.lower()
    for person, offered in ((sam, True), (ada, True), (ivy, False)):
        assert (f'<option value="{person.pk}"' in html) == offered
    assert ivy.pseudonym in html


def test_the_page_of_a_closed_one_offers_nothing(page, containment, sam):
    actions.close_containment(containment=containment, cause="Lamp was off", by=sam)
    html = page(sam).get(reverse("containment", args=[containment.pk])).content.decode()
    assert "Lamp was off" in html
    assert reverse("take_containment", args=[containment.pk]) not in html
    assert reverse("close_containment", args=[containment.pk]) not in html


def test_a_containment_is_taken_on_by_a_form(page, containment, sam, ivy):
    browser, take = page(sam), reverse("take_containment", args=[containment.pk])
    assert browser.post(take, {"owner": sam.pk}).url == reverse("containment", args=[containment.pk])
    assert Containment.objects.get().owner == sam
    for wrong in ({"owner": ivy.pk}, {"owner": 0}, {}):
        assert browser.post(take, wrong).status_code == 400
    for name in ("take_containment", "close_containment"):
        assert browser.get(reverse(name, args=[containment.pk])).status_code == 405
    assert page(ivy).post(take, {"owner": sam.pk}).status_code == 403


def test_pages_and_api_keep_to_the_lines_of_the_reader(page, api, containment, sam):
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    browser, client = page(sam), api(sam)
    assert "SN1" not in browser.get(reverse("containments")).content.decode()
    assert client.get("/api/v1/containments/").json()["results"] == []
    for name in ("containment", "api_containment"):
        assert browser.get(reverse(name, args=[containment.pk])).status_code == 403
    for name in ("take_containment", "close_containment"):
        assert browser.post(reverse(name, args=[containment.pk]), {"owner": sam.pk, "cause": "x"}).status_code == 403
    assert browser.get(reverse("containment", args=[999])).status_code == 404
    assert browser.get(f"/containments/{2**70}/").status_code == 404


def test_who_reads_a_containment_has_seen_the_machines_decisions(page, api, escaped, make_part, sam, ada, line):
    escaped("SN1", lot="L12")
    waiting = machine_passed(make_part("SN2", lot="L12"))
    actions.contain_escapes()
    pk = Containment.objects.get().pk
    page(sam).get(reverse("containments"))
    assert [row.inspection.serial for row in ModelOutputShown.objects.filter(user=sam)] == ["SN1"]
    for _ in range(2):
        page(sam).get(reverse("containment", args=[pk]))
    api(ada).get(f"/api/v1/containments/{pk}/")
    assert ModelOutputShown.objects.filter(user=sam).count() == 2
    assert ModelOutputShown.objects.filter(user=ada, inspection=waiting).count() == 1
    for person in (sam, ada):
        assert not line.inspections.awaiting(person, now=timezone.now(), supervisor=True).exists()


def test_the_serials_to_block_as_csv(page, floor, sam):
    parts = floor(3)
    Inspection.objects.filter(pk=parts[0].pk).update(serial="=1+1")
    floor(1, first=9, outcome="reject"), floor(1, first=10, outcome="", state="waiting")
    row = actions.open_containment(inspection=parts[1], reason=FOUND, by=sam)
    answer = page(sam).get(reverse("containment", args=[row.pk]), {"format": "csv"})
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert [line.split(",")[0] for line in lines] == ["serial", parts[1].serial, "'=1+1", parts[2].serial]
    assert lines[1].endswith("machine,0,yes,yes")
    assert answer["Content-Disposition"] == f'attachment; filename="containment-{row.pk}.csv"'
    assert ModelOutputShown.objects.filter(user=sam).count() == 3


def test_pages_ask_no_oftener_for_more_containments(page, floor, sam):
    asked = []
    for count in (1, 6):
        for part in floor(count, first=count * 10):
            actions.open_containment(inspection=part, reason=FOUND, by=sam)
        page(sam).get(reverse("containments"))
        with CaptureQueriesContext(connection) as queries:
            page(sam).get(reverse("containments"))
        asked.append(len(queries))
    assert asked[0] == asked[1]


# The API


def test_the_api_lists_open_and_closed(api, floor, sam):
    rows = [actions.open_containment(inspection=part, reason=FOUND, by=sam) for part in floor(3)]
    actions.close_containment(containment=rows[0], cause="lamp", by=sam)
    client = api(sam)

    def ids(**asked):
        return [row["id"] for row in client.get("/api/v1/containments/", asked).json()["results"]]

    first, second, third = (row.pk for row in rows)
    assert ids() == [third, second, first]
    assert (ids(open="yes"), ids(open="no")) == ([third, second], [first])
    assert ids(line="line-a", limit=1) == [third]
    assert client.get("/api/v1/containments/", {"open": "maybe"}).status_code == 400
    assert client.get("/api/v1/containments/", {"line": "line-z"}).status_code == 404
    following = client.get("/api/v1/containments/", {"limit": 2}).json()["next"]
    assert [row["id"] for row in client.get(following).json()["results"]] == [first]


def test_the_api_tells_what_surrounds_the_part(api, floor, sam):
    parts = floor(3)
    row = actions.open_containment(inspection=parts[1], reason=FOUND, by=sam)
    told = api(sam).get(f"/api/v1/containments/{row.pk}/").json()
    assert (told["serial"], told["lot"], told["line"], told["owner"]) == (parts[1].serial, "L1", "line-a", None)
    assert told["escape"]["by_machine"] is True
    assert told["surroundings"]["lot"] == {"parts": 3, "passed": 3, "rejected": 0, "open": 0}
    shown = told["surroundings"]["parts"]
    assert [part["place"] for part in shown] == [-1, 0, 1]
    assert (shown[0]["station"], shown[0]["passed"], shown[0]["disposition"]["by_machine"]) == ("cam-1", True, True)


def test_the_api_takes_on_and_closes(api, containment, sam, ada, ivy):
    client, url = api(sam), f"/api/v1/containments/{containment.pk}"
    assert client.post(f"{url}/take/", {}, format="json").json()["owner"] == "sam"
    assert client.post(f"{url}/take/", {"owner": "ada"}, format="json").json()["owner"] == "ada"
    for wrong in ("ivy", "nobody"):
        assert client.post(f"{url}/take/", {"owner": wrong}, format="json").status_code == 400
    assert client.post(f"{url}/close/", {"cause": " "}, format="json").status_code == 400
    closed = client.post(f"{url}/close/", {"cause": "lamp"}, format="json").json()
    assert (closed["cause"], closed["closed_by"]) == ("lamp", "sam")
    assert client.post(f"{url}/close/", {"cause": "lamp"}, format="json").status_code == 409
    assert api(ivy).get(f"{url}/").status_code == 403
