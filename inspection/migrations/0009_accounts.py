"""Scopes, lines and the last use of API tokens; a second factor of an account, and its recovery codes."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inspection", "0008_readings_and_erasures"),
    ]

    operations = [
        migrations.CreateModel(
            name="SecondFactor",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="second_factor",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("sealed_secret", models.CharField(editable=False, max_length=255)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("confirmed_at", models.DateTimeField(editable=False, null=True)),
                ("last_step", models.BigIntegerField(default=0, editable=False)),
                ("wrong_in_a_row", models.PositiveIntegerField(default=0, editable=False)),
            ],
        ),
        migrations.AlterModelOptions(
            name="apitoken",
            options={"ordering": ["-pk"], "verbose_name": "token"},
        ),
        migrations.AddField(
            model_name="apitoken",
            name="bound",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="label",
            field=models.CharField(blank=True, db_default="", max_length=80),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="last_used_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="lines",
            field=models.ManyToManyField(blank=True, related_name="+", to="inspection.line"),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="scope",
            field=models.CharField(
                choices=[
                    ("all", "all that the account may"),
                    ("read", "read, and change nothing"),
                    ("send", "send parts and read its own"),
                    ("judge", "claim and judge parts"),
                ],
                db_default="all",
                default="all",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="withdrawn_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("used_at", models.DateTimeField(editable=False, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recovery_codes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
