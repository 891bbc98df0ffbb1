"""The app's registration."""

from django.apps import AppConfig


class AutomationConfig(AppConfig):
    name = "automation"
