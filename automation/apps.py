"""The app's registration, and that of its figures with the watch."""

from django.apps import AppConfig


class AutomationConfig(AppConfig):
    name = "automation"

    def ready(self) -> None:
        from automation import figures

        figures.register_source()
