"""Who read figures of whom, and who asked to be forgotten."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inspection", "0007_halt_requests"),
    ]

    operations = [
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("by", models.CharField(max_length=150)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "seen_to",
                    models.BigIntegerField(default=0, help_text="The last event of the trail that was looked at."),
                ),
                ("events", models.PositiveBigIntegerField(default=0, help_text="Events that held a name of theirs.")),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="erasure", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="FiguresRead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "where",
                    models.CharField(
                        choices=[
                            ("inspectors", "Figures of the inspectors"),
                            ("study", "A study"),
                            ("report", "Agreement report by inspector"),
                            ("pairs", "The pairs behind a report"),
                            ("discrepancies", "Discrepancies of one inspector"),
                            ("accounts", "List of names beside pseudonyms"),
                            ("export", "Export of everything kept of you"),
                        ],
                        max_length=14,
                    ),
                ),
                (
                    "line",
                    models.CharField(
                        blank=True, help_text="The line's slug; empty for the whole factory.", max_length=40
                    ),
                ),
                ("hour", models.DateTimeField(help_text="When it began.")),
                (
                    "person",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "reader",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-hour", "-pk"],
                "indexes": [models.Index(fields=["hour"], name="figures_read_by_hour")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("person", "hour", "reader", "where", "line"),
                        name="figures_are_noted_as_read_once_an_hour",
                    )
                ],
            },
        ),
    ]
