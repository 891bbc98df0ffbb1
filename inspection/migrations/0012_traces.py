"""Where a part's trace began."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inspection", "0011_station_decisions"),
    ]

    operations = [
        migrations.AddField(
            model_name="inspection",
            name="traceparent",
            field=models.CharField(editable=False, max_length=55, null=True),
        ),
    ]
