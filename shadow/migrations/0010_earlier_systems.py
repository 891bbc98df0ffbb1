import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inspection", "0007_halt_requests"),
        ("shadow", "0009_comparisons_are_looked_up_once"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="kind",
            field=models.CharField(
                choices=[("trained", "Trained"), ("imported", "Earlier system")],
                db_default="trained",
                default="trained",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="answers_within",
            field=models.PositiveIntegerField(
                blank=True, help_text="Seconds after a part's arrival in which an earlier system answers.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="weights_sha256",
            field=models.CharField(help_text="Of an earlier system, which has none: its declaration's.", max_length=64),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.CheckConstraint(
                condition=models.Q(answers_within=None, kind="trained")
                | models.Q(answers_within__gte=1, kind="imported"),
                name="earlier_system_says_how_long_it_takes",
            ),
        ),
        migrations.AddField(
            model_name="prediction",
            name="late",
            field=models.BooleanField(
                help_text="Of one that was sent: after a verdict, so it can speak against its version, never for it. Null: scored here.",
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="AwaitedAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField(help_text="When the part arrived.")),
                (
                    "inspection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="inspection.inspection"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="shadow.modelversion",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["version", "since"], name="awaited_by_version")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("inspection", "version"), name="one_answer_awaited_per_part_and_version"
                    )
                ],
            },
        ),
    ]
