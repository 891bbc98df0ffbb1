"""The floor's API, under `/api/v1/`."""

from django.urls import path

from inspection import api, api_changes, api_containing, api_halting

urlpatterns = [
    path("inspections/", api.inspections, name="api_inspections"),
    path("inspections/<int:pk>/", api.inspection, name="api_inspection"),
    path("inspections/<int:pk>/renew/", api.renew, name="api_renew"),
    path("inspections/<int:pk>/release/", api.release, name="api_release"),
    path("inspections/<int:pk>/skip/", api.skip, name="api_skip"),
    path("inspections/<int:pk>/retake/", api.retake, name="api_retake"),
    path("inspections/<int:pk>/verdicts/", api.verdicts, name="api_verdicts"),
    path("verdicts/<int:pk>/correction/", api.correction, name="api_correction"),
    path("dispositions/changes/", api_changes.changes, name="api_disposition_changes"),
    path("queue/claim/", api.claim, name="api_claim"),
    path("queue/mine/", api.mine, name="api_mine"),
    path("queue/renew/", api.renew_all, name="api_renew_all"),
    path("queue/leave/", api.leave, name="api_leave"),
    path("queue/urgent-lots/", api.urgent_lots, name="api_urgent_lots"),
    path("queue/urgent-lots/end/", api.end_urgency, name="api_end_urgency"),
    path("containments/", api_containing.containments, name="api_containments"),
    path("containments/<int:pk>/", api_containing.containment, name="api_containment"),
    path("containments/<int:pk>/take/", api_containing.take, name="api_take_containment"),
    path("containments/<int:pk>/close/", api_containing.close, name="api_close_containment"),
    path("halt-requests/", api_halting.halt_requests, name="api_halt_requests"),
    path("halt-requests/<int:pk>/decline/", api_halting.decline, name="api_decline_halt"),
    path("audit/", api.audit_trail, name="api_audit"),
]
