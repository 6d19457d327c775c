"""A shop that takes orders; tasks confirm them."""

from flask import Flask, redirect, render_template_string, request, url_for
from tasks import confirm, huey

app = Flask(__name__)

#: The ids of the orders' tasks, by the order. A real shop has a database.
orders = {}

PAGE = """<!doctype html>
<title>Shop</title>
<form method="post">Item: <input name="item"> <button>Order</button></form>
<ul>{% for item, state in orders %}<li>{{ item }}: {{ state }}</li>{% endfor %}</ul>
"""


@app.get("/")
def show():
    states = [(item, huey.result(one, preserve=True) or "ordered") for item, one in orders.items()]
    return render_template_string(PAGE, orders=states)


@app.post("/")
def order():
    item = request.form["item"]
    orders[item] = confirm(item).id
    return redirect(url_for("show"))


@app.get("/quote/<item>")
def quote(item):
    """Waits for a task: a greenlet that waits costs next to nothing."""
    return confirm(item).get(blocking=True, timeout=10)
