"""PostgreSQL keeps the audit trail in a part a month. The site goes on meanwhile: the table is locked for moments only."""

from django.db import migrations

from inspection import partitioning


def turn_over(apps, schema_editor):
    partitioning.by_month("inspection_auditevent", "at")


def back(apps, schema_editor):
    partitioning.one_table("inspection_auditevent")


class Migration(migrations.Migration):
    atomic = False  # its key is built beside the writers, which no transaction can

    dependencies = [
        ("inspection", "0009_accounts"),
    ]

    operations = [migrations.RunPython(turn_over, back, atomic=False)]
