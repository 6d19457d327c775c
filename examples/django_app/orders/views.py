# SPDX-License-Identifier: MIT
from django.db import transaction
from django.shortcuts import redirect, render

from orders.models import Order
from orders.tasks import deliver


def orders(request):
    if request.method == "POST":
        with transaction.atomic():
            order = Order.objects.create(item=request.POST["item"])
            deliver(order.pk)
        return redirect("orders")
    return render(request, "orders/orders.html", {"orders": Order.objects.order_by("-pk")[:20]})
