from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("automation", "0005_voids_are_rows")]

    operations = [migrations.RemoveField(model_name="policy", name="voids_evidence")]
