from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shadow", "0002_evaluation")]

    operations = [
        migrations.AddField(
            model_name="prediction",
            name="novelty",
            field=models.FloatField(
                blank=True, help_text="Distance from the photos of the training; 1 = the version's limit.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="prediction",
            name="figures",
            field=models.JSONField(
                default=list, help_text="Per photo, what each stage found: {stage: {figure: value}}."
            ),
        ),
    ]
