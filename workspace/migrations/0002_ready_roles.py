from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workspace", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="usergroup",
            name="is_ready",
            field=models.BooleanField(default=False, editable=False),
        ),
    ]
