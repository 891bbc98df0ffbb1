"""The app's registration."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"
