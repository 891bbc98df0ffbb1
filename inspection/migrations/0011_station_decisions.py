"""A station has decided a part by itself, and what it sent of that."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inspection", "0010_events_by_month"),
    ]

    operations = [
        migrations.CreateModel(
            name="StationDecision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sent", models.JSONField()),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "inspection",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="station_decision",
                        to="inspection.inspection",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
    ]
