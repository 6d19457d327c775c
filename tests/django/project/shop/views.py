# SPDX-License-Identifier: MIT
from django.db import transaction
from django.http import HttpResponse, JsonResponse

from shop.models import Order
from shop.tasks import confirm


def order(request, number):
    """Take an order, and have it confirmed once it is in the database for good."""
    with transaction.atomic():
        Order.objects.create(number=number)
        result = confirm(number)
    return HttpResponse(result.id)


def orders(request):
    return JsonResponse(dict(Order.objects.values_list("number", "state")))
