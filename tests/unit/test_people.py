"""What people are called: pseudonyms where somebody judged, names where somebody signed, and who may look one up."""

from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.urls import reverse

from inspection import actions, audit
from inspection.models import AuditEvent, User
from inspection.people import name_for, names_for, told_to, usernames_for
from shadow.models import Prediction


def words(response):
    return unescape(response.content.decode())


@pytest.fixture
def judged(shadowed, version, make_part, judge, answer, ivy):
    """An escape on line A: ivy found it scratched, the model did not."""
    User.objects.filter(pk=ivy.pk).update(first_name="Ivy", last_name="Long")
    ivy.refresh_from_db()
    part = make_part("SN1")
    answer(part, version, 0.01)
    return judge(part, ivy, "scratched")


def test_a_pseudonym_is_drawn_for_everybody_and_says_nothing(ivy, ian):
    assert ivy.pseudonym != ian.pseudonym
    assert len(ivy.pseudonym) == 8
    assert "ivy" not in ivy.pseudonym.lower()


def test_a_reader_finds_their_own_name_and_others_pseudonyms(ivy, ian, sam, ada, cam):
    assert names_for(sam, [ivy, sam, cam, None]) == {ivy.pk: ivy.pseudonym, sam.pk: "sam", cam.pk: "cam"}
    assert name_for(ada, sam) == sam.pseudonym
    assert name_for(ivy, ivy) == "ivy"
    assert name_for(sam, None) == "imported label"
    assert usernames_for(sam, {ivy.pk, sam.pk, None}) == {ivy.pk: ivy.pseudonym, sam.pk: "sam"}
    assert usernames_for(None, {ivy.pk}) == {ivy.pk: ivy.pseudonym}


def test_somebody_who_left_keeps_the_pseudonym(ivy, sam):
    ivy.groups.clear()
    assert name_for(sam, ivy) == ivy.pseudonym


def test_the_sites_policy_may_show_names(settings, ivy, sam):
    settings.SUPERVISORS_SEE_NAMES = True
    assert name_for(sam, ivy) == "ivy"
    assert usernames_for(sam, {ivy.pk}) == {ivy.pk: "ivy"}


PAGES = [
    "/parts/SN1/",
    "/discrepancies/?line=",
    "/reports/agreement/?group_by=inspector",
    "/api/v1/discrepancies/",
    "/api/v1/reports/agreement/?group_by=inspector",
    "/api/v1/reports/agreement/?group_by=inspector&format=csv",
    "/trail/",
    "/trail/?format=csv",
    "/api/v1/audit/",
]


def text_of(response) -> str:
    return (b"".join(response.streaming_content) if response.streaming else response.content).decode()


@pytest.mark.parametrize("url", PAGES)
def test_whoever_oversees_reads_a_pseudonym(url, page, judged, ivy, sam):
    text = text_of(page(sam).get(url))
    assert ivy.pseudonym in text
    assert "Ivy" not in text
    assert "ivy" not in text


@pytest.mark.parametrize("url", PAGES)
def test_where_the_site_says_so_they_read_the_name(url, page, judged, ivy, sam, settings):
    settings.SUPERVISORS_SEE_NAMES = True
    text = text_of(page(sam).get(url))
    assert ivy.pseudonym not in text
    assert "ivy" in text.lower()


def test_the_discrepancys_page_too(page, judged, ivy, sam):
    text = words(page(sam).get(reverse("discrepancy", args=[Prediction.objects.get().pk])))
    assert ivy.pseudonym in text
    assert "Ivy" not in text


def test_who_holds_a_part_and_whose_verdict_is_changed(page, make_part, line, judged, ivy, sam):
    make_part("SN2")
    actions.claim(line=line, by=ivy)
    for url in (reverse("queue"), reverse("verdict_change", args=[judged.pk])):
        text = words(page(sam).get(url))
        assert ivy.pseudonym in text
        assert "Ivy" not in text


def test_own_verdicts_stand_under_the_own_name(page, judged, ivy):
    text = words(page(ivy).get(reverse("part_history", args=["SN1"])))
    assert "<td>Ivy Long" in text
    assert ivy.pseudonym not in text


def test_groups_of_inspectors_are_in_the_order_of_their_pseudonyms(
    api, judged, make_part, judge, answer, version, ian, sam
):
    for serial in ("SN2", "SN3"):
        part = make_part(serial)
        answer(part, version, 0.9)
        judge(part, ian, "scratched")
    groups = api(sam).get("/api/v1/reports/agreement/?group_by=inspector").json()["groups"]
    keys = [group["key"] for group in groups]
    assert keys == sorted(keys)
    assert set(keys) == {judged.inspector.pseudonym, ian.pseudonym}
    assert [group["name"] for group in groups] == keys


def test_a_supervisors_correction_is_signed_and_ones_own_is_not(page, judged, ivy, sam):
    actions.correct_verdict(verdict=judged, outcome="ok", reason="", by=ivy)
    actions.correct_verdict(verdict=judged, outcome="scratched", reason="a hairline", by=sam)
    text = words(page(sam).get(reverse("part_history", args=["SN1"])))
    assert f"<td>{ivy.pseudonym}<br>" in text
    assert "<td>sam<br>" in text
    authors = [event.by for event in told_to(sam, AuditEvent.objects.filter(action="verdict_corrected"))]
    assert authors == [ivy.pseudonym, "sam"]


def test_what_a_supervisor_judged_stands_under_a_pseudonym_to_others(make_part, judge, sam, ada, line):
    verdict = judge(make_part(), sam, "ok")
    actions.correct_verdict(verdict=verdict, outcome="scratched", reason="", by=sam)
    assert {event.by for event in told_to(ada, AuditEvent.objects.filter(line=line.slug))} == {sam.pseudonym}
    assert {event.by for event in told_to(sam, AuditEvent.objects.filter(line=line.slug))} == {"sam"}


def test_signatures_keep_their_names_and_a_freed_holder_does_not(make_part, line, ivy, sam, ada):
    part = make_part()
    actions.claim(line=line, by=ivy)
    actions.free_lease(inspection=part, by=sam)
    audit.record("halted", by=sam, line=line.slug, reason="lamp")
    freed, halted = told_to(ada, AuditEvent.objects.all())
    assert (freed.by, freed.data["held_by"]) == ("sam", ivy.pseudonym)
    assert halted.by == "sam"
    assert AuditEvent.objects.first().data["held_by"] == "ivy"  # the row itself keeps what was


def test_an_admin_looks_a_pseudonym_up_and_that_is_on_record(page, ada, ivy):
    text = words(page(ada).get(reverse("setup_users")))
    assert f"{ivy.pseudonym}</td>" in text
    page(ada).get(reverse("setup_users"))
    assert AuditEvent.objects.filter(action="pseudonyms_read", by="ada").count() == 1


def test_a_look_in_the_next_hour_is_on_record_again(ada, ivy):
    start = datetime(2026, 3, 2, 8, tzinfo=UTC)
    for minutes in (0, 59, 60):
        actions.note_pseudonyms_read(by=ada, now=start + timedelta(minutes=minutes))
    assert AuditEvent.objects.filter(action="pseudonyms_read").count() == 2
