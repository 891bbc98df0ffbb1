"""The pages that show what the watch sees: all lines, a line, one figure, and the screen on the wall."""

from django.urls import path

from monitoring import dashboard_views as views

urlpatterns = [
    path("watch/", views.watch_lines, name="watch_lines"),
    path("watch/live/", views.watch_lines_live, name="watch_lines_live"),
    path("watch/wall/", views.wall, name="wall"),
    path("watch/wall/live/", views.wall_live, name="wall_live"),
    path("lines/<slug:line>/watch/", views.watch_line, name="watch_line"),
    path("lines/<slug:line>/watch/live/", views.watch_line_live, name="watch_line_live"),
    path("lines/<slug:line>/watch/figures/<int:pk>/", views.watch_figure, name="watch_figure"),
    path("lines/<slug:line>/watch/learn/", views.learn_anew, name="learn_anew"),
    path("lines/<slug:line>/watch/policy/", views.watch_policy, name="watch_policy"),
]
