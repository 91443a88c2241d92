from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("contacts", "0010_followed_events")]

    operations = [
        migrations.AlterField(
            model_name="computedmetric",
            name="computation",
            field=models.CharField(max_length=40, unique=True),
        ),
    ]
