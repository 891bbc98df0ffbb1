"""The parts of a lot are found without reading the line's history."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inspection", "0005_trail_of_no_part"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="inspection",
            index=models.Index(fields=["lot", "line", "received_at"], name="inspection_by_lot"),
        ),
    ]
