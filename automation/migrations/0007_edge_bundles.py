"""What a station may decide by while the network is down, and what it decided."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automation", "0006_policies_void_nothing"),
        ("inspection", "0011_station_decisions"),
        ("shadow", "0009_comparisons_are_looked_up_once"),
    ]

    operations = [
        migrations.CreateModel(
            name="EdgeBundle",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("pass_below", models.FloatField()),
                ("reject_from", models.FloatField()),
                (
                    "strata",
                    models.JSONField(blank=True, help_text="[station, variant] certified here; null: all.", null=True),
                ),
                ("most", models.PositiveIntegerField(help_text="Parts that the station may decide by it.")),
                (
                    "hours",
                    models.PositiveSmallIntegerField(
                        help_text="For which a ticket holds after the server last renewed it."
                    ),
                ),
                ("sha256", models.CharField(help_text="Of the file that the station fetches.", max_length=64)),
                ("by", models.CharField(max_length=150)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inspection.line"
                    ),
                ),
                (
                    "policy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="automation.policy"
                    ),
                ),
                (
                    "station",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inspection.station"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="shadow.modelversion"
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="EdgeEnd",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reason", models.CharField(max_length=500)),
                ("by", models.CharField(max_length=150)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "bundle",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="ended", to="automation.edgebundle"
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="EdgeMark",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.BigIntegerField(help_text="Of the bundle, as the station said it.")),
                (
                    "place",
                    models.BigIntegerField(
                        help_text="1, 2, 3 .. in the bundle: a number that lacks is a part that nobody judged."
                    ),
                ),
                ("outcome", models.CharField(choices=[("pass", "Pass"), ("reject", "Reject")], max_length=8)),
                ("score", models.FloatField(help_text="The station's own.")),
                ("novelty", models.FloatField()),
                ("decided_at", models.DateTimeField(help_text="By the station's clock.")),
                ("taken", models.BooleanField()),
                ("refused", models.JSONField(default=list)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "bundle",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="marks",
                        to="automation.edgebundle",
                    ),
                ),
                (
                    "inspection",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inspection.inspection"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="EdgeTicket",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("issued_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                (
                    "bundle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="tickets", to="automation.edgebundle"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddConstraint(
            model_name="edgebundle",
            constraint=models.UniqueConstraint(fields=("line", "number"), name="bundle_number_is_unique_on_its_line"),
        ),
        migrations.AddConstraint(
            model_name="edgebundle",
            constraint=models.CheckConstraint(
                condition=models.Q(("hours__lte", 24)), name="ticket_holds_for_24_hours_at_most"
            ),
        ),
        migrations.AddIndex(
            model_name="edgemark",
            index=models.Index(fields=["at"], name="edge_mark_by_time"),
        ),
        migrations.AddConstraint(
            model_name="edgemark",
            constraint=models.UniqueConstraint(
                condition=models.Q(("taken", True)), fields=("bundle", "place"), name="one_part_per_place_in_a_bundle"
            ),
        ),
        migrations.AddConstraint(
            model_name="edgemark",
            constraint=models.CheckConstraint(
                condition=models.Q(("taken", False), ("bundle__isnull", False), _connector="OR"),
                name="a_mark_taken_has_a_bundle",
            ),
        ),
    ]
