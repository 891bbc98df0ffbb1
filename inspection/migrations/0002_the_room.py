import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import inspection.models.people


def give_pseudonyms(apps, schema_editor):
    for user in apps.get_model("inspection", "User").objects.filter(pseudonym=None):
        user.pseudonym = inspection.models.people.new_pseudonym()
        user.save(update_fields=["pseudonym"])


class Migration(migrations.Migration):
    dependencies = [
        ("inspection", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="line",
            name="viewing_seconds",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="The photo is covered after this time, and the part is judged as seen. Empty: no limit.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(600)],
            ),
        ),
        migrations.AddField(
            model_name="line",
            name="zoom_limit",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="The closest look, in percent of the photo's own pixels (100: one to one). Empty: no limit.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(25),
                    django.core.validators.MaxValueValidator(1600),
                ],
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="keys",
            field=models.JSONField(
                blank=True, default=dict, editable=False, help_text="Own keys of the room, by action."
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(blank=True, help_text="Empty: as the browser asks.", max_length=10),
        ),
        # Rows that are there already each draw a pseudonym of their own before the column is unique.
        migrations.AddField(
            model_name="user", name="pseudonym", field=models.CharField(max_length=12, null=True, editable=False)
        ),
        migrations.RunPython(give_pseudonyms, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="user",
            name="pseudonym",
            field=models.CharField(
                default=inspection.models.people.new_pseudonym, editable=False, max_length=12, unique=True
            ),
        ),
        migrations.AddField(
            model_name="verdict",
            name="advice_shown_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.CreateModel(
            name="Sample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("view", models.CharField(blank=True, help_text="The view that it shows; empty: any.", max_length=40)),
                (
                    "meaning",
                    models.CharField(
                        choices=[
                            ("good", "Good part"),
                            ("limit_ok", "Limit: still OK"),
                            ("limit_scratched", "Limit: scratched"),
                        ],
                        max_length=16,
                    ),
                ),
                ("caption", models.CharField(blank=True, max_length=120)),
                ("stored", models.CharField(editable=False, help_text="SHA-256 of the bytes kept.", max_length=64)),
                ("format", models.CharField(editable=False, max_length=8)),
                ("width", models.PositiveIntegerField(editable=False)),
                ("height", models.PositiveIntegerField(editable=False)),
                ("at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="samples", to="inspection.line"
                    ),
                ),
                (
                    "variant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="samples",
                        to="inspection.variant",
                    ),
                ),
            ],
            options={
                "ordering": ["line", "meaning", "pk"],
            },
        ),
        migrations.CreateModel(
            name="UrgentLot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lot", models.CharField(max_length=80)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="urgent_lots", to="inspection.line"
                    ),
                ),
            ],
            options={
                "ordering": ["at"],
                "constraints": [models.UniqueConstraint(fields=("line", "lot"), name="lot_is_urgent_once_on_its_line")],
            },
        ),
    ]
