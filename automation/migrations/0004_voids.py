import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automation", "0003_ramps_signatures_and_watches"),
        ("inspection", "0006_containment_lot"),
        ("shadow", "0007_evidence_is_counted"),
    ]

    operations = [
        migrations.CreateModel(
            name="Void",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "number",
                    models.PositiveIntegerField(
                        help_text="The policy in force then: what the version may do by it, and by those before it, is void."
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("by", models.CharField(max_length=150)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inspection.line"
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
                "ordering": ["pk"],
                "indexes": [models.Index(fields=["line", "version", "number"], name="void_by_line_and_version")],
            },
        ),
        migrations.AddField(
            model_name="escapewatch",
            name="corrected_to",
            field=models.BigIntegerField(default=0, help_text="The last correction that was looked at."),
        ),
    ]
