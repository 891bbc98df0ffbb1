"""The pages of automation, and the model's part of the inspector's page."""

from django.urls import path

from automation import edge_views, inspectors, lineage_views, remedies, switching_views, views, what_if_page

urlpatterns = [
    path("lines/<slug:line>/automation/", views.line_automation, name="line_automation"),
    path("lines/<slug:line>/automation/propose/", views.propose_change, name="propose_change"),
    path("lines/<slug:line>/automation/policy/", views.edit_policy, name="edit_policy"),
    path("lines/<slug:line>/automation/approve/", views.approve_change, name="approve_change"),
    path("lines/<slug:line>/automation/halt/", views.halt_line, name="halt_line"),
    path("lines/<slug:line>/automation/halt/decline/", views.decline_halt, name="decline_halt"),
    path("lines/<slug:line>/automation/flow/", views.line_flow, name="line_flow"),
    path("lines/<slug:line>/automation/ramp/", views.move_ramp, name="move_ramp"),
    path(
        "lines/<slug:line>/automation/certificates/<int:change>.json", views.certificate_file, name="certificate_file"
    ),
    path("lines/<slug:line>/automation/roll-back/", views.roll_back, name="roll_back"),
    path("lines/<slug:line>/automation/switch/", switching_views.switch_version, name="switch_version"),
    path("lines/<slug:line>/automation/standby/", switching_views.set_standby, name="set_standby"),
    path("lines/<slug:line>/automation/candidates/", switching_views.add_candidate, name="add_candidate"),
    path("lines/<slug:line>/automation/candidates/end/", switching_views.end_candidate, name="end_candidate"),
    path("lines/<slug:line>/automation/bundles/", edge_views.export_bundle, name="export_bundle"),
    path("lines/<slug:line>/automation/bundles/end/", edge_views.end_bundle, name="end_bundle"),
    path("lines/<slug:line>/automation/what-if/", what_if_page.what_if, name="what_if"),
    path("lines/<slug:line>/sensitivity/", inspectors.sensitivity, name="sensitivity"),
    path("lines/<slug:line>/references/reach/", inspectors.reference_reach, name="reference_reach"),
    path("models/<slug:name>/decisions/", lineage_views.version_decisions, name="version_decisions"),
    path("inspections/<int:pk>/lineage/", lineage_views.part_lineage, name="part_lineage"),
    path("alarms/<int:pk>/remedies/", remedies.alarm_remedies, name="alarm_remedies"),
    path("inspections/<int:pk>/advice/", views.advice_fragment, name="advice_fragment"),
    path("inspections/<int:pk>/advice/heatmap/<int:position>.png", views.advice_heat_map, name="advice_heat_map"),
]
