"""The pages of automation, and the model's part of the inspector's page."""

from django.urls import path

from automation import inspectors, views

urlpatterns = [
    path("lines/<slug:line>/automation/", views.line_automation, name="line_automation"),
    path("lines/<slug:line>/automation/propose/", views.propose_change, name="propose_change"),
    path("lines/<slug:line>/automation/policy/", views.edit_policy, name="edit_policy"),
    path("lines/<slug:line>/automation/approve/", views.approve_change, name="approve_change"),
    path("lines/<slug:line>/automation/halt/", views.halt_line, name="halt_line"),
    path("lines/<slug:line>/automation/roll-back/", views.roll_back, name="roll_back"),
    path("lines/<slug:line>/sensitivity/", inspectors.sensitivity, name="sensitivity"),
    path("lines/<slug:line>/references/reach/", inspectors.reference_reach, name="reference_reach"),
    path("inspections/<int:pk>/advice/", views.advice_fragment, name="advice_fragment"),
    path("inspections/<int:pk>/advice/heatmap/<int:position>.png", views.advice_heat_map, name="advice_heat_map"),
]
