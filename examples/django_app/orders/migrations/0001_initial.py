# SPDX-License-Identifier: MIT
from django.db import migrations, models


def key():
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", key()),
                ("item", models.CharField(max_length=100)),
                ("state", models.CharField(default="new", max_length=20)),
                ("placed_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="Summary",
            fields=[
                ("id", key()),
                ("orders", models.IntegerField()),
                ("made_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    ]
