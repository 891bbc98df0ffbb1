"""What was compared before pairs were counted is counted by the workers in the minutes after the migration."""

from django.db import migrations

MARK = "INSERT INTO shadow_changedpart (inspection_id) SELECT DISTINCT inspection_id FROM shadow_prediction"


class Migration(migrations.Migration):
    dependencies = [("shadow", "0004_counted")]

    operations = [migrations.RunSQL(MARK, migrations.RunSQL.noop)]
