"""The alarms' pages."""

from django.urls import path

from monitoring import views

urlpatterns = [
    path("alarms/", views.alarms, name="alarms"),
    path("alarms/<int:pk>/acknowledge/", views.acknowledge, name="acknowledge_alarm"),
    path("alarms/<int:pk>/close/", views.close, name="close_alarm"),
]
