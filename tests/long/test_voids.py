"""What voids a certificate is a row of the version on its line: whoever decides there, and whoever was quicker to lower."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from automation import policies
from automation.actions import apply_fallbacks, approve_change, propose_change, roll_back, switch_version, watch_escapes
from automation.actions.voiding import void_evidence
from automation.certificates import certificate_in_force
from automation.evidence import smallest_burst
from automation.facts import evidence_start
from automation.models import EscapeWatch, Void
from automation.verifying import verify
from inspection.append_only import AppendOnlyError
from inspection.models import AuditEvent, Line, Verdict
from inspection.refusals import Conflict
from inspection.seals import unsealed
from monitoring.actions import close_alarm, open_alarm
from monitoring.models import Alarm

BARS = {"pass_below": 0.1, "reject_from": 0.5}
SMALL = {"alpha": 0.2, "blind_pairs": 20, "sensitivity_from_seeds": False}
BURST = smallest_burst(0.2)


@pytest.fixture
def certified(line, version, make_evidence, set_level, ivy, ada, sam):
    """Line A, raised to partial by version 1's own certificate and by two people."""
    make_evidence(line, version, 24, 0.01, "ok", by=ivy)
    make_evidence(line, version, 18, 0.9, "scratched", by=ivy)
    set_level(line, "assist", version, limits=SMALL)
    change = propose_change(line=line, by=ada, reason="proven", level="partial", policy=BARS | {"ramp": [[1, 0.1]]})
    approve_change(change=change, by=sam)
    return line


@pytest.fixture
def found_later(certified, audited, later, ivy):
    """Version 1 has passed parts; `found_later()`: only now people judge their audits, and find all of them scratched."""
    parts = audited(certified, BURST, outcome=None)
    watch_escapes(now=later(31))

    def find():
        for part in parts:
            Verdict.objects.create(inspection=part, inspector=ivy, occasion="audit", outcome="scratched")
        return watch_escapes(now=later(131))

    return find


def lands(line) -> tuple[str, str]:
    policy = policies.in_force(line)
    return policy.level, str(policy.version)


def test_escapes_of_a_version_that_was_switched_away_void_its_certificate(
    certified, version, other_version, set_level, found_later, ada
):
    number = policies.in_force(certified).number
    set_level(certified, "partial", other_version, **BARS)
    assert found_later() == 1
    assert (Alarm.objects.get().severity, apply_fallbacks(), lands(certified)) == ("warning", [], ("partial", "v2"))
    [void] = Void.objects.all()
    assert (void.version, void.number, void.by) == (version, number + 1, "system")
    assert void.reason == Alarm.objects.get().message
    assert policies.certified(certified, version) is None
    assert evidence_start(certified, version) == void.at
    assert evidence_start(certified, other_version) is None
    assert roll_back(line=certified, by=ada, reason="back", to=number).level == "assist"
    set_level(certified, "partial", other_version, **BARS)
    switch_version(line=certified, version=version, by=ada, reason="back")
    assert lands(certified) == ("assist", "v1")


def test_whoever_lowers_the_line_before_the_audits_are_judged_keeps_no_certificate(
    certified, version, found_later, ada
):
    propose_change(line=certified, by=ada, level="assist", reason="something smells")
    assert found_later() == 1
    assert Alarm.objects.get().severity == "critical"
    assert apply_fallbacks() == []
    assert [void.version for void in Void.objects.all()] == [version]
    assert certificate_in_force(policies.in_force(certified)) is None
    with pytest.raises(Conflict, match=r"0 parts below 0\.05 judged"):
        propose_change(line=certified, by=ada, level="partial", policy=BARS, reason="again")


def test_any_critical_alarm_voids_the_version_that_decided_when_it_opened(
    certified, version, other_version, set_level, ada, later
):
    open_alarm(line=certified, rule="disagreement", severity="critical", message="Moved.")
    propose_change(line=certified, by=ada, level="shadow", reason="something smells")
    assert apply_fallbacks() == []
    assert [(void.version, void.reason) for void in Void.objects.all()] == [(version, "critical alarm: Moved.")]
    assert lands(certified) == ("shadow", "v1")
    assert not unsealed().filter(action="evidence_voided").exists()
    apply_fallbacks(now=later(60))
    assert Void.objects.count() == 1


def test_an_alarm_that_became_critical_later_is_about_who_decided_then(certified, version, other_version, set_level):
    open_alarm(line=certified, rule="disagreement", severity="warning", message="Moves.")
    set_level(certified, "partial", other_version, **BARS)
    open_alarm(line=certified, rule="disagreement", severity="critical", message="Moved.")
    apply_fallbacks()
    assert [void.version for void in Void.objects.all()] == [other_version]


def test_a_critical_alarm_where_people_decide_voids_nothing(certified, ada):
    propose_change(line=certified, by=ada, level="assist", reason="a test")
    open_alarm(line=certified, rule="disagreement", severity="critical", message="Moved.")
    apply_fallbacks()
    assert not Void.objects.exists()


def test_one_alarm_voids_once_and_after_it_was_closed_the_next_voids_again(
    certified, version, other_version, set_level, found_later, audited, later, sam
):
    set_level(certified, "partial", other_version, **BARS)
    found_later()
    watch_escapes(now=later(300))
    assert Void.objects.count() == 1
    close_alarm(alarm=Alarm.objects.get(), by=sam, comment="A worn nozzle.")
    audited(certified, BURST, outcome="scratched", model=version)
    EscapeWatch.objects.update(state={**EscapeWatch.objects.get(version=version).state, "done": False})
    watch_escapes(now=later(600))
    assert Void.objects.count() == 2


@pytest.mark.parametrize("how", ["switch", "roll back"])
def test_a_version_that_comes_back_goes_on_with_what_was_heard_of_it(
    certified, version, other_version, set_level, audited, later, ada, how
):
    """A switch there and back would else empty the detectors just before they alarm."""
    number = policies.in_force(certified).number
    audited(certified, 3, outcome="scratched")
    watch_escapes(now=later(31))
    set_level(certified, "partial", other_version, **BARS)
    watch_escapes(now=later(100))
    if how == "switch":
        switch_version(line=certified, version=version, by=ada, reason="back")
    else:
        roll_back(line=certified, by=ada, reason="back", to=number)
    assert lands(certified) == ("partial", "v1")
    audited(certified, 1)
    watch_escapes(now=later(200))
    assert EscapeWatch.objects.get(version=version).state["burst"]["recent"] == [True, True, True, False]


def test_a_version_that_is_certified_again_is_so_from_then_on(certified, version, set_level):
    void_evidence(line=certified, version=version, reason="alarm", now=timezone.now())
    assert policies.certified(certified, version) is None
    again = set_level(certified, "partial", version, **BARS)
    assert policies.certified(certified, version) is None, "by no change"
    assert policies.unvoided(certified, version).get() == again


def test_a_void_of_one_line_is_none_of_another(certified, version, set_level):
    other = Line.objects.create(slug="line-b", name="Line B")
    set_level(other, "partial", version, **BARS)
    void_evidence(line=other, version=version, reason="alarm", now=timezone.now())
    assert policies.certified(certified, version) is not None
    assert evidence_start(certified, version) is None


def test_it_stands_in_the_sealed_trail_and_for_ever(certified, found_later):
    found_later()
    void = Void.objects.get()
    row = AuditEvent.objects.get(action="evidence_voided")
    assert (row.subject, row.by, row.data["version"]) == (f"void {void.pk}", "system", "v1")
    assert not unsealed().filter(action="evidence_voided").exists()
    with pytest.raises(AppendOnlyError):
        void.delete()


def test_certificates_are_verified_by_the_voids_of_their_time(certified, version, set_level, make_evidence, ivy, ada):
    """Whether the policy changed with it or not."""
    void_evidence(line=certified, version=version, reason="alarm", now=timezone.now())
    set_level(certified, "assist", version)
    now = timezone.now()
    for score, outcome, n in ((0.01, "ok", 24), (0.9, "scratched", 18)):
        moments = [now + timedelta(days=k % 4) for k in range(n)]
        make_evidence(certified, version, n, score, outcome, by=ivy, moments=moments)
    propose_change(line=certified, by=ada, level="partial", policy=BARS, reason="again")
    void_evidence(line=certified, version=version, reason="another", now=timezone.now())
    assert [held.differs for held in verify()] == [[], [], []]


def test_the_page_says_of_which_version_a_certificate_is_void(
    page, certified, version, other_version, set_level, found_later, ada
):
    set_level(certified, "partial", other_version, **BARS)
    found_later()
    text = page(ada).get("/lines/line-a/automation/").content.decode()
    assert "v1: certificate void" in text
    assert "The system lowered" not in text


# ---- carried over from releases that marked policies


@pytest.fixture
def at_migration(request, transactional_db):
    """`at_migration("0003_...")` gives the models of then; afterwards everything is as it was."""
    if request.config.getoption("nomigrations"):
        pytest.skip("the tables were made without migrations: this runs on PostgreSQL, with them")

    def go(name):
        call_command("migrate", "automation", name, verbosity=0)
        return MigrationExecutor(connection).loader.project_state([("automation", name)]).apps

    yield go
    call_command("migrate", "automation", verbosity=0)


def test_marks_on_policies_become_rows_and_go_back(at_migration, line, version, other_version):
    then = at_migration("0003_ramps_signatures_and_watches")
    Marked = then.get_model("automation", "Policy")
    rows = ((1, "partial", version, False), (2, "assist", version, True), (3, "partial", other_version, False))
    for number, level, of, void in rows:
        Marked.objects.create(
            line_id=line.pk, number=number, level=level, version_id=of.pk, voids_evidence=void, by="system",
            reason="alarm", **BARS,
        )  # fmt: skip
    state = {"escapes": {"alpha": 0.1}, "burst": {"alpha": 0.1, "alarm": True}, "done": True}
    for of, raised in ((version, 1), (other_version, 3)):
        then.get_model("automation", "EscapeWatch").objects.create(
            line_id=line.pk, version_id=of.pk, state=state | {"raised": Marked.objects.get(number=raised).pk}
        )
    call_command("migrate", "automation", verbosity=0)
    [void] = Void.objects.all()
    assert (void.version, void.number, void.reason) == (version, 1, "alarm")
    assert void.at == policies.Policy.objects.get(number=2).at
    watches = {watch.version: (watch.state.get("voided"), watch.state["done"]) for watch in EscapeWatch.objects.all()}
    assert watches == {version: (True, True), other_version: (None, False)}, "the second voids at its next look"
    void_evidence(line=line, version=other_version, reason="another", now=timezone.now())
    back = at_migration("0003_ramps_signatures_and_watches").get_model("automation", "Policy")
    marked = back.objects.filter(voids_evidence=True).order_by("number").values_list("number", flat=True)
    assert list(marked) == [2, 3], "what no policy was written for marks the version's last one"
