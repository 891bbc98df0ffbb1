"""The chain of seals: every event once, and an edited, moved or missing row is named."""

import io
import json
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from inspection import audit, seals
from inspection.append_only import append_only_tables, install_triggers
from inspection.models import AuditEvent, AuditSeal
from inspection.seals import seal_late, seal_trail, verify_trail
from inspection.tasks import keep_house
from inspection.unnamed import known

pytestmark = pytest.mark.django_db


@pytest.fixture
def trail():
    """Four sealed events of line A and one of the factory."""
    events = [audit.record(f"done_{number}", by="ada", line="line-a", number=number) for number in range(1, 5)]
    audit.record("factory", by="ada")
    assert seal_trail() == 5
    return events


@pytest.fixture
def tamper():
    """Changes history as somebody with the database's own tools would: with the triggers dropped."""

    def change(statement: str, *parameters) -> None:
        tables = ("inspection_auditevent", "inspection_auditseal")
        verbs = ("update", "delete", "truncate") if connection.vendor == "postgresql" else ("update", "delete")
        assert set(tables) <= set(append_only_tables())
        with connection.cursor() as cursor:
            for table in tables:
                for verb in verbs:
                    where = f" ON {table}" if connection.vendor == "postgresql" else ""
                    cursor.execute(f"DROP TRIGGER {table}_refuses_{verb}{where}")
            cursor.execute(statement, parameters)
        install_triggers()

    return change


def test_every_event_is_sealed_once(trail):
    assert seal_trail() == 0
    report = verify_trail()
    assert (report.sealed, report.unsealed, report.broken) == (5, 0, [])
    assert list(AuditSeal.objects.values_list("line", "number")) == [("", 1), *(("line-a", n) for n in range(1, 5))]


def test_a_new_event_is_the_unsealed_tail_until_the_next_round(trail):
    audit.record("later", by="ada", line="line-a")
    assert (verify_trail().unsealed, verify_trail().broken) == (1, [])
    keep_house()
    assert (verify_trail().sealed, verify_trail().unsealed) == (6, 0)


def test_one_line_can_be_sealed_alone():
    audit.record("a", by="ada", line="line-a")
    audit.record("b", by="ada", line="line-b")
    assert seal_trail(line="line-a") == 1
    assert verify_trail().unsealed == 1


def test_a_long_backlog_is_sealed_in_rounds(monkeypatch):
    for _ in range(5):
        audit.record("x", by="ada")
    assert [seal_trail(limit=2) for _ in range(4)] == [2, 2, 1, 0]
    monkeypatch.setattr(seals, "BATCH", 2)  # and it is verified in batches
    assert (verify_trail().sealed, verify_trail().broken) == (5, [])


def test_each_link_hangs_on_the_one_before(trail):
    first, second = AuditSeal.objects.filter(line="line-a")[:2]
    assert second.digest == seals.digest_of(trail[1], first.digest, known())
    assert second.digest != seals.digest_of(trail[1], "", known())


@pytest.mark.parametrize(
    "change", ["by = 'eve'", "action = 'nothing'", "subject = 'x'", "data = '{}'", "at = '2020-01-01 00:00:00+00:00'"]
)
def test_an_edited_event_is_named_and_it_alone(trail, tamper, change):
    tamper(f"UPDATE inspection_auditevent SET {change} WHERE id = %s", trail[1].pk)
    assert verify_trail().broken == [f"link 2 of line-a: event {trail[1].pk} does not match its seal"]


def test_an_event_moved_to_another_line_is_named(trail, tamper):
    tamper("UPDATE inspection_auditevent SET line = 'line-b' WHERE id = %s", trail[1].pk)
    assert len(verify_trail().broken) == 1


def test_a_missing_event_is_named(trail, tamper):
    tamper("DELETE FROM inspection_auditevent WHERE id = %s", trail[2].pk)
    assert verify_trail().broken == [f"link 3 of line-a: event {trail[2].pk} is missing"]


def test_a_missing_link_is_named_and_the_next_event_not_accused(trail, tamper):
    tamper("DELETE FROM inspection_auditseal WHERE event_id = %s", trail[1].pk)
    report = verify_trail()
    assert report.broken == ["link 3 of line-a: link 2 is missing"]
    assert report.unsealed == 1


def test_a_link_removed_with_its_event_and_the_rest_renumbered_does_not_match(trail, tamper):
    tamper("DELETE FROM inspection_auditseal WHERE event_id = %s", trail[1].pk)
    tamper("DELETE FROM inspection_auditevent WHERE id = %s", trail[1].pk)
    tamper("UPDATE inspection_auditseal SET number = 2 WHERE event_id = %s", trail[2].pk)
    tamper("UPDATE inspection_auditseal SET number = 3 WHERE event_id = %s", trail[3].pk)
    assert verify_trail().broken == [f"link 2 of line-a: event {trail[2].pk} does not match its seal"]


def test_two_sealers_at_once_both_succeed(at_once):
    for number in range(20):
        audit.record("x", by="ada", line="line-a", number=number)
    results = at_once(*[seal_trail] * 4)
    assert sorted(results) == [0, 0, 0, 20]
    assert verify_trail().broken == []


def test_the_command_says_it_is_whole(trail):
    out = io.StringIO()
    call_command("verify_audit_trail", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"sealed": 5, "unsealed": 0, "broken": []}


def test_the_command_fails_with_what_it_found(trail, tamper):
    tamper("DELETE FROM inspection_auditevent WHERE id = %s", trail[0].pk)
    out = io.StringIO()
    with pytest.raises(CommandError, match=rf"broken in 1 places: link 1 of line-a: event {trail[0].pk} is missing"):
        call_command("verify_audit_trail", "--json", stdout=out)
    assert out.getvalue().count("\n") == 1
    assert json.loads(out.getvalue())["broken"]


def test_the_trail_has_no_foreign_keys():
    assert not [
        field for model in (AuditEvent, AuditSeal) for field in model._meta.concrete_fields if field.is_relation
    ]


def test_an_event_that_commits_after_many_others_is_sealed_by_the_late_look(monkeypatch):
    monkeypatch.setattr(seals, "NEWEST", 3)
    late = audit.record("late", by="ada", line="line-a")
    for _ in range(5):
        audit.record("x", by="ada", line="line-a")
    assert seal_trail() == 4
    assert seal_trail() == 0  # out of the window of the rounds
    assert verify_trail().unsealed == 2
    assert seal_late() == 2
    assert seal_late() == 0
    assert (verify_trail().sealed, verify_trail().unsealed, verify_trail().broken) == (6, 0, [])
    assert AuditSeal.objects.get(event_id=late.pk).number == 5


def test_a_backlog_is_sealed_in_the_order_of_its_events(monkeypatch):
    monkeypatch.setattr(seals, "seal_trail", partial(seal_trail, limit=2))
    monkeypatch.setattr(seals, "NEWEST", 1)
    events = [audit.record("x", by="ada") for _ in range(7)]
    assert seal_late() == 7
    assert list(AuditSeal.objects.values_list("event_id", flat=True)) == [event.pk for event in events]


def test_the_heads_are_the_last_links(trail):
    for line in ("line-a", ""):
        assert seals.heads()[line] == AuditSeal.objects.filter(line=line).order_by("-number").first().digest
    assert list(seals.heads()) == ["", "line-a"]
