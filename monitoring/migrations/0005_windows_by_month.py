"""PostgreSQL keeps windows of figures in a part a month. The site goes on meanwhile: the table is locked for moments only."""

from django.db import migrations

from inspection import partitioning


def turn_over(apps, schema_editor):
    partitioning.by_month("monitoring_window", "start")


def back(apps, schema_editor):
    partitioning.one_table("monitoring_window")


class Migration(migrations.Migration):
    atomic = False  # its key is built beside the writers, which no transaction can

    dependencies = [
        ("monitoring", "0004_times_by_bounds_and_limits_of_loads"),
        ("inspection", "0010_events_by_month"),
    ]

    operations = [migrations.RunPython(turn_over, back, atomic=False)]
