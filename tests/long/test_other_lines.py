"""Whoever is bound to a line reaches nothing of another: every address of the site is asked, by GET and by POST, with the
numbers and names of the other line's things. An address with a number that NUMBERED does not know fails the test."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from automation.management.commands.permissions import needs_of, patterns
from automation.models import Change, EdgeBundle, Policy
from inspection import actions
from inspection.models import ApiToken, AuditEvent, Containment, Line, ModelOutputShown, Study
from inspection.roles import May, Role, may
from monitoring.actions import open_alarm
from monitoring.models import Finding, Stream
from shadow.models import HeatMap, Snapshot, TrainingRun
from tests.conftest import make_person

pytestmark = pytest.mark.one_database

# The number in an address is that of a thing of the other line: by what stands before it.
NUMBERED = {
    "alarms": "alarm",
    "bundles": "bundle",
    "containments": "containment",
    "discrepancies": "prediction",
    "halt-requests": "request",
    "inspections": "part",
    "predictions": "prediction",
    "photos": "photo",
    "references": "reference",
    "samples": "sample",
    "studies": "study",
    "tokens": "token",
    "trainings": "run",
    "verdicts": "verdict",
    "figures": "stream",
    "certificates": "change",
}
OTHER = "zirkon"  # stands in everything of the other line, and nowhere else


@pytest.fixture
def other(shadowed, version, make_part, judge, answer, make_photo, set_level, ian, sam) -> dict[str, int]:
    """A line with one of everything that has a number, and what those numbers are."""
    line = Line.objects.create(slug=OTHER, name="Zirkon")
    station = line.stations.create(slug="zirkon-cam", name="Zirkon camera")
    set_level(line, "shadow", version)
    part = make_part("ZIRKON-1", on=line, station=station.slug, lot="zirkon-lot")
    prediction = answer(part, version, 0.9)
    HeatMap.of(prediction, [np.full((8, 8), 200, np.uint8)]).save()
    verdict = judge(part, ian, "ok", comment="zirkon remark")
    known = make_part("ZIRKON-2", on=line)
    answer(known, version, 0.9)
    judge(known, ian, "scratched")
    known.refresh_from_db()
    reference = actions.keep_reference(inspection=known, truth="scratched", reason="zirkon reason", by=sam)
    study = Study.objects.create(line=line, name="zirkon study", rounds=1, by=sam)
    sample = actions.add_sample(line=line, meaning="good", photo=make_photo(seed=7), caption="zirkon caption", by=sam)
    alarm = open_alarm(line=line, rule="zirkon", severity="alarm", message="Zirkon moved.")
    stream = Stream.objects.create(key=OTHER, line=line, station=station, figure="quality.brightness")
    Finding.objects.create(
        alarm=alarm, stream=stream, detector="mean", severity="alarm", before=1.0, after=2.0, moved_at=timezone.now()
    )
    taken = Snapshot.objects.create(line=line, digest="x", size=1, by="sam")
    run = TrainingRun.objects.create(
        line=line, snapshot=taken, name="zirkon-net", reason="zirkon", by="sam", state="failed"
    )
    policy = Policy.objects.filter(line=line).first()
    change = Change.objects.create(line=line, from_policy=policy, kind="raise", proposed={}, reason="zirkon", by=sam)
    bundle = EdgeBundle.objects.create(
        pk=7, number=7, line=line, station=station, policy=policy, version=version, pass_below=0.1, reject_from=0.3,
        most=1, hours=8, sha256="0" * 64, by="zirkon",
    )  # fmt: skip
    request = actions.request_halt(line=line, by=ian, reason="zirkon lamp")
    ApiToken.issue(ian)
    token = ApiToken.objects.get()  # of somebody else
    containment = Containment.objects.create(inspection=part, reason="zirkon escape")
    found = {
        "alarm": alarm, "containment": containment, "prediction": prediction, "request": request, "part": part,
        "photo": part.photos.get(), "reference": reference, "sample": sample, "study": study, "run": run,
        "verdict": verdict, "stream": stream, "change": change, "token": token,
        "bundle": bundle,
    }  # fmt: skip
    return {name: row.pk for name, row in found.items()}


@pytest.fixture
def own(db) -> Line:
    """The line to which everybody here is bound."""
    return Line.objects.create(slug="line-b", name="Line B")


def guarded(who) -> Iterator[tuple[str, URLPattern]]:
    """The addresses that the person's role may reach. Set-up is left out: it is of the factory as a whole, and whoever may set
    up may bind and unbind people, themselves among them."""
    for route, pattern in patterns(get_resolver(), "/"):
        if needs_of(pattern) not in (None, May.SET_UP) and may(who, needs_of(pattern)):
            yield route, pattern


def address(route: str, numbers: dict[str, int], line: str) -> str:
    """The route filled in with the other line's things, and with the name of a line."""
    if number := re.search(r"([a-z-]+)/<int:(?:pk|change|number)>", route):
        route = route.replace(number.group(), f"{number.group(1)}/{numbers[NUMBERED[number.group(1)]]}")
    route = route.replace("<path:serial>", "ZIRKON-1").replace("<int:position>", "0").replace("<slug:digest>", "0" * 64)
    route = re.sub(r"<(slug:name|str:model)>", "v1", route)
    return re.sub(r"<slug:(line|slug)>", line, route)


def body(numbers: dict[str, int]) -> dict:
    """What any address may take, and always of the other line."""
    part, prediction, request = numbers["part"], numbers["prediction"], numbers["request"]
    return {
        "line": OTHER, "reason": "because", "comment": "because", "outcome": "ok", "serial": "ZIRKON-1", "part": part,
        "inspection": part, "references": [numbers["reference"]], "inspectors": [1], "change": numbers["change"],
        "asked": request, "request": request, "pick": prediction, "prediction": prediction, "finding": "person",
        "truth": "ok", "label": "ok", "model": "v1", "level": "human_only", "lot": "zirkon-lot", "name": "x", "rounds": 1,
        "owner": "sam", "cause": "other", "lease": "0" * 32, "leases": [], "figure": "quality.brightness", "position": 0,
        "meaning": "good", "every": "week", "alarm": numbers["alarm"], "remedy": "lower", "epochs": 1, "step": "review",
        "scope": "factory", "number": numbers["bundle"], "station": "zirkon-cam", "hours": 8, "most": 1,
    }  # fmt: skip


def post(client, to: str, sent: dict):
    kind = {"content_type": "application/json"} if to.startswith("/api/") and to != "/api/v1/inspections/" else {}
    return client.post(to, sent, **kind)


def told(response) -> str:
    text = b"".join(response.streaming_content) if response.streaming else response.content
    return text.decode(errors="replace").lower()


def trail() -> list[tuple]:
    return list(AuditEvent.objects.filter(line=OTHER).values_list("pk", "action"))


@pytest.fixture(params=list(Role))
def bound(request, client, own):
    """Somebody of each role, bound to line B and signed in."""
    person = make_person("bob", request.param)
    person.lines.set([own])
    client.force_login(person)
    return person


REFUSED = (403, 404, 405)


def test_nothing_of_another_line_is_reached_by_its_number_or_name(other, client, bound):
    """Also where the address names one's own line, and a number of the other's."""
    before, reached, asked = trail(), [], 0
    for route, _pattern in guarded(bound):
        lines = (OTHER, "line-b") if "<int:" in route else (OTHER,)
        for to in {address(route, other, line) for line in lines}:
            if "<int:" in route or OTHER in to.lower():
                asked += 2
                answers = (client.get(to), post(client, to, body(other)))
                for answer in answers:
                    told(answer)  # read to its end, a file is closed
                reached += [(to, answer.status_code) for answer in answers if answer.status_code not in REFUSED]
    assert reached == []
    assert trail() == before
    assert asked


# A supervisor's pages are among an admin's, and ask the same of lines.
@pytest.mark.parametrize("bound", [Role.STATION, Role.INSPECTOR, Role.ADMIN], indirect=True)
def test_no_list_and_no_page_tells_of_another_line(other, client, bound):
    before, leaks = trail(), []
    for route, _pattern in guarded(bound):
        to = address(route, other, "line-b")
        if "<int:" not in route and OTHER not in to.lower():
            for answer in (client.get(to), client.get(to, {"line": OTHER})):
                # The trail's links carry the question itself.
                text = told(answer).replace("?line=zirkon", "") if answer.status_code == 200 else ""
                leaks += [to] if OTHER in text else []
            told(post(client, to, body(other)))
    assert leaks == []
    assert trail() == before
    assert not ModelOutputShown.objects.filter(user=bound).exists()
