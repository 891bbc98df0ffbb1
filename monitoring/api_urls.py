"""The alarms' API, under `/api/v1/`."""

from django.urls import path

from monitoring import api

urlpatterns = [
    path("alarms/", api.alarms, name="api_alarms"),
    path("alarms/<int:pk>/", api.alarm, name="api_alarm"),
    path("alarms/<int:pk>/acknowledge/", api.acknowledge, name="api_acknowledge_alarm"),
    path("alarms/<int:pk>/close/", api.close, name="api_close_alarm"),
]
