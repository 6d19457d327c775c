# SPDX-License-Identifier: MIT
from django.urls import path
from orders import views

urlpatterns = [path("", views.orders, name="orders")]
