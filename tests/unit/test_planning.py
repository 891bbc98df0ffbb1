"""What queries tell the planner, and how moments come from the database."""

from datetime import UTC, datetime

import pytest
from django.db import DataError, connection

from inspection.models import Photo
from inspection.planning import KeyBeside

pytestmark = pytest.mark.django_db


def test_a_key_beside_is_that_of_the_joined_table_and_in_a_subquery_of_its_alias_too():
    photos = Photo.objects.alias(part=KeyBeside("inspection__line")).filter(part__gte=7)
    assert '"inspection_inspection"."id" >= ' in str(photos.query)
    assert 'U1."id" >= ' in str(Photo.objects.filter(pk__in=photos.values("pk")).query)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps moments as texts that Django reads")
def test_moments_come_from_postgresql_to_the_microsecond_and_in_utc():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT '2026-03-01 07:00:00.120001+08'::timestamptz, '1969-12-31 23:00+00'::timestamptz, NULL::timestamptz"
        )
        first, second, none = cursor.fetchone()
    assert first == datetime(2026, 2, 28, 23, 0, 0, 120001, tzinfo=UTC) and first.tzinfo is UTC
    assert (second, none) == (datetime(1969, 12, 31, 23, tzinfo=UTC), None)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such moment")
def test_a_moment_that_python_cannot_hold_is_refused_in_words():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'infinity'::timestamptz")
        with pytest.raises(DataError, match="too large"):
            cursor.fetchone()
