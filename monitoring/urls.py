"""The pages of alarms and channels."""

from django.urls import include, path

from inspection.setup_urls import pages
from monitoring import channel_views, closing_views, dead_letter_views, views, watch_urls

urlpatterns = [
    path("alarms/", views.alarms, name="alarms"),
    path("alarms/unwatch/", views.unwatch, name="unwatch_figure"),
    path("alarms/<int:pk>/", views.alarm, name="alarm"),
    path("alarms/<int:pk>/course/", views.alarm_course, name="alarm_course"),
    path("alarms/<int:pk>/acknowledge/", views.acknowledge, name="acknowledge_alarm"),
    path("alarms/<int:pk>/closing/", closing_views.closing, name="closing_alarm"),
    path("alarms/<int:pk>/closing/replay/", closing_views.replay, name="closing_replay"),
    path("alarms/<int:pk>/close/", closing_views.close, name="close_alarm"),
    *watch_urls.urlpatterns,
    path("setup/", include(pages("channel", "channels"))),
    path("setup/channels/<int:pk>/log/", channel_views.channel_log, name="channel_log"),
    path("setup/channels/<int:pk>/test/", channel_views.try_channel, name="try_channel"),
    path("setup/channels/<int:pk>/retry/", channel_views.retry_channel, name="retry_channel"),
    path("setup/channels/<int:pk>/secret/", channel_views.renew_channel_secret, name="renew_channel_secret"),
    path("setup/dead-letters/", dead_letter_views.dead_letters, name="dead_letters"),
    path("setup/dead-letters/send/", dead_letter_views.send_all, name="send_dead_letters"),
    path("setup/dead-letters/<slug:kind>/<int:pk>/send/", dead_letter_views.send_one, name="send_dead_letter"),
    path("setup/dead-letters/<slug:kind>/<int:pk>/drop/", dead_letter_views.drop, name="drop_dead_letter"),
]
