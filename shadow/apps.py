"""The app's registration."""

from django.apps import AppConfig


class ShadowConfig(AppConfig):
    name = "shadow"
