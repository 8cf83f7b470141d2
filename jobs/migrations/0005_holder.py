from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_sent_at")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="holder",
            field=models.CharField(blank=True, db_default="", default="", max_length=80),
        )
    ]
