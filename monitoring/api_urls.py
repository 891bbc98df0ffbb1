"""The API of alarms and of messages that were given up, under `/api/v1/`."""

from django.urls import path

from monitoring import api, api_dead_letters

urlpatterns = [
    path("alarms/", api.alarms, name="api_alarms"),
    path("alarms/<int:pk>/", api.alarm, name="api_alarm"),
    path("alarms/<int:pk>/acknowledge/", api.acknowledge, name="api_acknowledge_alarm"),
    path("alarms/<int:pk>/close/", api.close, name="api_close_alarm"),
    path("dead-letters/", api_dead_letters.dead_letters, name="api_dead_letters"),
    path("dead-letters/send/", api_dead_letters.send_all, name="api_send_dead_letters"),
    path("dead-letters/<slug:kind>/<int:pk>/send/", api_dead_letters.send_one, name="api_send_dead_letter"),
    path("dead-letters/<slug:kind>/<int:pk>/drop/", api_dead_letters.drop, name="api_drop_dead_letter"),
]
