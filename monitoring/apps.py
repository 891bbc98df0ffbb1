"""The app's registration."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        """Who is told of alarms is set up beside lines and users."""
        from inspection.setup_views import add_section
        from monitoring.channel_views import CHANNELS

        add_section(CHANNELS)
