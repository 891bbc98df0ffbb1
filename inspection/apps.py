"""The app's registration, and the append-only triggers reinstalled after every migrate."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class InspectionConfig(AppConfig):
    name = "inspection"

    def ready(self) -> None:
        from inspection import append_only

        append_only.serve_purge_flag()
        # The one signal we listen to: Django remakes a SQLite table in a migration and loses its triggers.
        post_migrate.connect(append_only.install_triggers, dispatch_uid="append-only triggers")
