from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shadow", "0005_count_what_is_there")]

    operations = [
        migrations.AddIndex(
            model_name="comparison",
            index=models.Index(
                condition=models.Q(
                    ("finding", ""),
                    ("standing__in", ("escape", "overkill")),
                    models.Q(("kind", "seeded"), _negated=True),
                ),
                fields=["line", "-prediction"],
                name="comparison_unsettled",
            ),
        ),
        migrations.AddIndex(
            model_name="comparison",
            index=models.Index(
                condition=models.Q(
                    ("standing__in", ("escape", "overkill")), models.Q(("kind", "seeded"), _negated=True)
                ),
                fields=["line", "standing", "finding", "score", "prediction"],
                name="comparison_by_score",
            ),
        ),
    ]
