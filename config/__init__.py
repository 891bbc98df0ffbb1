"""The settings, URLs and processes that put the apps together."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
