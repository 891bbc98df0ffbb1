"""A bare Django view that authenticates, inserts one row and returns the next: the least that judging a part can cost.

It stands behind the same middleware as the product, on the same database and server, with the same session and CSRF token.
"""

import json

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from config.urls import urlpatterns as product

TABLES = (
    "CREATE TABLE bench_item (id bigint PRIMARY KEY, serial varchar(120) NOT NULL)",
    "CREATE TABLE bench_answer (item_id bigint NOT NULL, user_id bigint NOT NULL, outcome varchar(10) NOT NULL)",
)


def answer(request: HttpRequest) -> HttpResponse:
    """Insert the answer, and return the item after the one that was answered."""
    if not request.user.is_authenticated:
        return HttpResponse(status=403)
    sent = json.loads(request.body)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bench_answer (item_id, user_id, outcome) VALUES (%s, %s, %s)",
            [sent["item"], request.user.pk, sent["outcome"]],
        )
        cursor.execute("SELECT id, serial FROM bench_item WHERE id > %s ORDER BY id LIMIT 1", [sent["item"]])
        item, serial = cursor.fetchone()
    return JsonResponse({"item": item, "serial": serial}, status=201)


urlpatterns = [path("bare/", answer), *product]
