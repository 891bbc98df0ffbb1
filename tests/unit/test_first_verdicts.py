"""What a process remembers of the first verdicts on seeded scratches: it is what the rows say, and is asked for once."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from automation import seeds
from automation.seeds import seeds_of
from inspection.models import Inspection, Reference, SeededPart, Verdict
from shadow.models import ModelVersion, Prediction

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def version(transactional_db):
    return ModelVersion.objects.create(name="one", weights_sha256="0" * 64, threshold=0.5, thresholds=[0.5], by="ada")


@pytest.fixture
def scratch(line, sam, version, monkeypatch):
    """Files a scratched reference; returns what shows it again and has somebody judge it, so long ago."""
    monkeypatch.setattr(seeds, "_remembered", {})

    def part(serial, origin, at):
        return Inspection.objects.create(
            line=line, serial=serial, origin=origin, captured_at=at, received_at=at, hold_until=at, state="decided"
        )

    def keep(name):
        now = timezone.now()
        source = part(name, "live", now - timedelta(days=9))
        Reference.objects.create(inspection=source, truth="scratched", reason="measured", by=sam)
        Prediction.objects.create(inspection=source, version=version, score=0.1, outcome="ok")

        def judged(by, outcome, *, ago):
            again = part(f"{name}/{SeededPart.objects.count()}", "seeded", now - ago)
            SeededPart.objects.create(
                inspection=again, source=source, purpose="reference", truth="scratched", by="t", at=now - ago
            )
            return Verdict.objects.create(inspection=again, inspector=by, outcome=outcome, at=now - ago)

        judged.source = source
        return judged

    return keep


DAY, NOW = timedelta(days=1), timedelta()


def found(line, version):
    return sorted(hit for _, hit in seeds_of(line, version))


def test_what_was_found_is_not_read_again(line, version, scratch, ivy, ian, django_assert_num_queries):
    one = scratch("one")
    one(ivy, "ok", ago=DAY)
    assert found(line, version) == [False]
    one(ian, "scratched", ago=NOW)  # a later verdict changes nothing
    assert seeds._remembered == {
        line.pk: {one.source.pk: Verdict.objects.order_by("pk").values_list("pk", flat=True)[0]}
    }
    with django_assert_num_queries(1):
        seeds._very_first(line)
    assert found(line, version) == [False]


def test_another_reference_is_asked_for_alone(line, version, scratch, ivy):
    scratch("one")(ivy, "ok", ago=DAY)
    assert found(line, version) == [False]
    two = scratch("two")
    assert found(line, version) == [False]
    two(ivy, "scratched", ago=DAY)
    assert found(line, version) == [False, True]


def test_what_is_young_is_not_remembered(line, version, scratch, ivy):
    scratch("one")(ivy, "scratched", ago=NOW)
    assert found(line, version) == [True]
    assert seeds._remembered == {line.pk: {}}


def test_inside_a_transaction_all_is_read(line, version, scratch, ivy):
    one = scratch("one")
    one(ivy, "scratched", ago=DAY)
    seeds._remembered[line.pk] = {one.source.pk: 10**9}
    with transaction.atomic():
        assert found(line, version) == [True]


def test_who_judges_the_part_behind_it_later_takes_their_verdict_out(line, version, scratch, ivy, ian):
    one = scratch("one")
    one(ivy, "ok", ago=DAY)
    one(ian, "scratched", ago=DAY)
    assert found(line, version) == [False]
    Verdict.objects.create(inspection=one.source, inspector=ivy, outcome="scratched")
    assert found(line, version) == [True]


def test_a_reference_that_is_none_any_more_is_left_out(line, version, scratch, ivy):
    scratch("one")(ivy, "scratched", ago=DAY)
    assert found(line, version) == [True]
    Reference.objects.update(truth="ok")
    assert found(line, version) == []
