"""The app's registration, and the append-only triggers reinstalled after every migrate."""

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate
from PIL import Image


class InspectionConfig(AppConfig):
    name = "inspection"

    def ready(self) -> None:
        from inspection import append_only, moments

        append_only.prepare_connections()
        moments.prepare_connections()
        # Django remakes a SQLite table in a migration and loses its triggers. The signal is sent once per app when
        # every migration has run; hearing our own is enough for all tables.
        post_migrate.connect(append_only.install_triggers, sender=self, dispatch_uid="append-only triggers")
        # Pillow's own guard, at twice this, fires before ours can measure; and it guards what else opens pictures.
        Image.MAX_IMAGE_PIXELS = settings.PHOTO_MAX_PIXELS
