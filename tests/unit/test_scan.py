"""A scanned serial: the part that waits opens to be judged, else its history, else a sentence says that there is none."""

from html import unescape
from urllib.parse import quote

import pytest
from django.urls import reverse

from inspection import actions
from inspection.models import Lease, Line


def words(response):
    return unescape(response.content.decode())


@pytest.fixture
def scan(page):
    """`scan(ivy, "SN1")` posts what a scanner or the box sends."""
    return lambda person, serial: page(person).post(reverse("scan"), {"serial": serial})


def in_room(part) -> str:
    return f"{reverse('inspect', args=[part.line.slug])}?part={part.pk}"


def test_a_part_that_waits_is_taken_and_opens(scan, ivy, make_part):
    make_part("SN1")
    part = make_part("SN2")
    assert scan(ivy, " SN2 ").url == in_room(part)
    assert Lease.objects.get().inspection == part


def test_a_part_in_hand_opens_again(scan, ivy, make_part):
    part = make_part("SN1")
    lease = actions.claim(line=part.line, by=ivy)
    assert scan(ivy, "SN1").url == in_room(part)
    assert Lease.objects.get().token == lease.token


def test_it_may_wait_on_another_of_the_persons_lines(scan, ivy, line, make_part):
    part = make_part("SN1", on=Line.objects.create(slug="line-b", name="Line B"))
    assert scan(ivy, "SN1").url == in_room(part)


def test_a_part_that_is_judged_shows_its_history(scan, ivy, make_part, judge):
    judge(make_part("SN1"), ivy, "ok")
    assert scan(ivy, "SN1").url == reverse("part_history", args=["SN1"])


def test_a_part_with_somebody_else_is_not_taken(scan, ivy, ian, sam, make_part):
    part = make_part("SN1")
    actions.claim(line=part.line, by=ian)
    response = scan(ivy, "SN1")
    assert response.status_code == 404
    assert "No part SN1 waits for you, and none that you judged has this serial." in words(response)
    assert scan(sam, "SN1").url == reverse("part_history", args=["SN1"])
    assert Lease.objects.get().user == ian


@pytest.mark.parametrize("serial", ["no\0body", "x" * 121, "NOBODY", "{serial}"])
def test_nonsense_gets_the_sentence(scan, ivy, serial):
    response = scan(ivy, serial)
    assert response.status_code == 404
    assert "waits for you" in words(response)


def test_nothing_scanned_is_asked_for_again(scan, ivy):
    response = scan(ivy, "   ")
    assert response.status_code == 404
    assert "Scan or type a serial." in words(response)


def test_whoever_oversees_reads_another_sentence(scan, sam, line):
    assert "There is no part NOBODY on your lines." in words(scan(sam, "NOBODY"))


@pytest.mark.parametrize("serial", ["a/b", "50%", "%2F", "a?b#c", "手机 001", "<b>x</b>", "a\\b", "a+b&c"])
def test_odd_serials_work(serial, scan, page, ivy, make_part, judge):
    part = make_part(serial)
    assert scan(ivy, serial).url == in_room(part)
    lease = Lease.objects.get()
    actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="ok")
    history = scan(ivy, serial).url
    assert history == f"/parts/{quote(serial, safe='/&+')}/"
    response = page(ivy).get(history)
    assert response.status_code == 200
    assert f"<h1>{serial}</h1>" in words(response)


def test_the_box_of_an_inspector_opens_what_waits(page, ivy, sam, make_part):
    make_part("SN1")
    own = words(page(ivy).get(reverse("parts")))
    assert f'role="search" method="post" action="{reverse("scan")}"' in own
    assert f'role="search" method="post" action="{reverse("scan")}"' not in words(page(sam).get(reverse("parts")))
    assert page(ivy).get(reverse("parts"), {"serial": "SN1"}).status_code == 404  # a GET takes no part
    assert not Lease.objects.exists()


def test_every_page_of_whoever_judges_carries_the_scanners_form(page, ivy, sam, otto, line):
    for person in (ivy, sam):
        text = words(page(person).get(reverse("parts")))
        assert 'action="/scan/" data-scan hidden' in text
        assert "js/scanner.js" in text
    assert "data-scan" not in words(page(otto).get(reverse("parts")))


@pytest.mark.parametrize("who", ["otto", "cam"])
def test_only_whoever_judges_scans(who, request, scan):
    assert scan(request.getfixturevalue(who), "SN1").status_code == 403


def test_a_page_that_found_nothing_may_be_reloaded_and_asked_again(scan, page, ivy, sam):
    for person in (ivy, sam):
        assert scan(person, "SN9").status_code == 404
        assert page(person).get(reverse("scan")).url == reverse("parts")
    assert f'action="{reverse("parts")}"' in words(scan(sam, "SN9"))
