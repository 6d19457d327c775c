# SPDX-License-Identifier: MIT
from django.db import models


class Order(models.Model):
    item = models.CharField(max_length=100)
    state = models.CharField(max_length=20, default="new")
    placed_at = models.DateTimeField(auto_now_add=True)


class Summary(models.Model):
    """How many orders there were, each minute."""

    orders = models.IntegerField()
    made_at = models.DateTimeField(auto_now_add=True)
