"""Automation's API, under `/api/v1/`."""

from django.urls import path

from automation import answers_api, api, api_edge, api_export

urlpatterns = [
    path("lines/<slug:slug>/automation/", api.line_automation, name="api_line_automation"),
    path("lines/<slug:slug>/automation/changes/", api.changes, name="api_changes"),
    path("lines/<slug:slug>/automation/approve/", api.approve, name="api_approve"),
    path("lines/<slug:slug>/automation/halt/", api.halt, name="api_halt"),
    path("lines/<slug:slug>/automation/rollback/", api.rollback, name="api_rollback"),
    path("lines/<slug:slug>/automation/standby/", api.standby, name="api_standby"),
    path("lines/<slug:slug>/automation/what-if/", api.what_if, name="api_what_if"),
    path("lines/<slug:slug>/edge/", api_edge.edge, name="api_edge"),
    path("lines/<slug:slug>/edge/bundles/", api_edge.bundles, name="api_bundles"),
    path("lines/<slug:slug>/edge/bundles/<int:number>/", api_edge.bundle_file, name="api_bundle"),
    path("lines/<slug:slug>/edge/bundles/<int:number>/end/", api_edge.end_bundle, name="api_end_bundle"),
    path("models/<str:model>/predictions/", answers_api.answers, name="api_earlier_answers"),
    path("inspections/<int:pk>/advice/", api.advice, name="api_advice"),
    path("dispositions/export/", api_export.export, name="api_export_dispositions"),
]
