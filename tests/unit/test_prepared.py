"""Prepared queries answer as their querysets do, and the queue is found by its own index."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from inspection import actions
from inspection.actions.queue import _queue
from inspection.models import Inspection, Lease, Station, Variant
from inspection.prepared import MOMENT, TEXT, Given, GivenKeys, Prepared, PreparedChange

pytestmark = pytest.mark.django_db


def test_models_come_with_what_was_asked_for_along_with_them(line, station, make_part, django_assert_num_queries):
    whole, _bare = make_part("A", station="cam-1", variant="Model X"), make_part("B")
    found = Prepared(
        lambda: Inspection.objects.select_related("line", "station", "variant").filter(serial=Given("serial", TEXT))
    )
    with django_assert_num_queries(2):
        first, second = found(serial="A")[0], found(serial="B")[0]
        assert (first, first.line, first.station, first.variant.name) == (whole, line, station, "Model X")
        assert (second.station, second.variant) == (None, None)
    assert (first.received_at, first.state) == (whole.received_at, "waiting")
    assert found.first(serial="C") is None
    assert not Station.objects.exclude(pk=station.pk).exists()
    assert Variant.objects.count() == 1


def test_tuples_have_their_fields_values(make_part):
    part = make_part()
    rows = Prepared(
        lambda: Inspection.objects.filter(received_at__lte=Given("now", MOMENT)).values_list("pk", "received_at")
    )
    assert rows(now=part.received_at) == [(part.pk, part.received_at)]
    assert rows(now=part.received_at - timedelta(microseconds=1)) == []


def test_any_number_of_keys_is_one_value(make_part, django_assert_num_queries):
    parts = [make_part().pk for _ in range(3)]
    found = Prepared(lambda: Inspection.objects.filter(pk__in=GivenKeys("parts")).order_by("pk").values_list("pk"))
    with django_assert_num_queries(4):
        assert found(parts=[]) == []
        assert found(parts={parts[1]}) == [(parts[1],)]
        assert found(parts=parts[:2]) == [(parts[0],), (parts[1],)]
        assert found(parts=(part for part in [*parts, 10**12])) == [(part,) for part in parts]


def test_changes_say_how_many_rows_they_met(line, make_part, ivy):
    make_part(), make_part()
    update = PreparedChange(lambda: Inspection.objects.filter(line=Given("line")), lot=Given("lot", TEXT))
    assert update(line=line.pk, lot="L7") == 2
    assert set(Inspection.objects.values_list("lot", flat=True)) == {"L7"}
    lease = actions.claim(line=line, by=ivy)
    delete = PreparedChange(lambda: Lease.objects.filter(inspection=Given("part")))
    assert [delete(part=lease.inspection_id) for _ in range(2)] == [1, 0]


def plan_of(prepared: Prepared, **given) -> str:
    """How the database would find the rows."""
    prepared(**given)
    sql, places, _read = prepared._written
    values = [place.value_of(given) if isinstance(place, Given) else place for place in places]
    word = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # so few rows are read whole otherwise
        cursor.execute(word + sql, values)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.parametrize(("which", "index"), [("all", "inspection_queue"), ("urgent", "inspection_lots")])
@pytest.mark.parametrize("supervisor", [False, True])
def test_the_next_part_is_found_by_an_index_of_open_parts_alone(line, make_part, ivy, which, index, supervisor):
    """Without statistics, as a young SQLite has none; with another index each claim would read the whole history."""
    make_part()
    with transaction.atomic():
        plan = plan_of(_queue(which, supervisor=supervisor), line=line.pk, user=ivy.pk, now=timezone.now())
    assert index in plan
    if connection.vendor == "sqlite":
        assert "verdict_by_inspection" in plan


def test_the_prepared_queue_offers_what_the_queryset_awaits(line, make_part, judge, ivy, ian, sam):
    for _ in range(6):
        make_part()
    judge(line.inspections.order_by("pk")[0], ivy, "unsure")
    lease = actions.claim(line=line, by=ivy)
    actions.skip(inspection=lease.inspection, by=ivy, token=lease.token, reason="mine")
    actions.claim(line=line, by=ian)
    Inspection.objects.filter(pk=line.inspections.order_by("-pk")[0].pk).update(
        state="held", hold_until=timezone.now() + timedelta(minutes=1)
    )
    for person, supervisor in ((ivy, False), (ian, False), (sam, True)):
        now = timezone.now()
        awaited = line.inspections.awaiting(person, now=now, supervisor=supervisor).values_list("pk")
        with transaction.atomic():
            offered = _queue("all", supervisor=supervisor)(line=line.pk, user=person.pk, now=now)
        assert offered == list(awaited[:1])
