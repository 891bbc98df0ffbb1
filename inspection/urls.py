"""The floor's pages."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from inspection.views import containing, own_data, parts, photos, preferences, queue, room, samples, scan, shift, trail

urlpatterns = [
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("inspect/", room.inspect, name="inspect"),
    path("inspect/<slug:line>/", room.inspect, name="inspect"),
    path("inspect/<slug:line>/halt/", room.request_halt, name="request_halt"),
    path("inspect/<slug:line>/summary/", shift.shift_summary, name="shift_summary"),
    path("inspections/<int:pk>/verdict/", room.verdict, name="verdict"),
    path("inspections/<int:pk>/release/", room.release, name="release"),
    path("inspections/<int:pk>/skip/", room.skip, name="skip"),
    path("inspections/<int:pk>/retake/", room.retake, name="retake"),
    path("inspections/<int:pk>/free/", queue.free_lease, name="free_lease"),
    path("verdicts/<int:pk>/change/", room.verdict_change, name="verdict_change"),
    path("verdicts/<int:pk>/correct/", room.correct, name="correct"),
    path("photos/<int:pk>/", photos.photo, name="photo"),
    path("photos/<int:pk>/preview/", photos.photo_preview, name="photo_preview"),
    path("photos/<int:pk>/sample/", samples.add_sample, name="add_sample"),
    path("samples/<int:pk>/", samples.sample, name="sample"),
    path("samples/<int:pk>/preview/", samples.sample_preview, name="sample_preview"),
    path("samples/<int:pk>/remove/", samples.remove_sample, name="remove_sample"),
    path("lines/<slug:line>/samples/", samples.samples, name="samples"),
    path("scan/", scan.scan, name="scan"),
    path("parts/", parts.parts, name="parts"),
    path("parts/<path:serial>/", parts.part_history, name="part_history"),
    path("queue/", queue.queue, name="queue"),
    path("queue/urgent/", queue.mark_lot_urgent, name="mark_lot_urgent"),
    path("queue/urgent/end/", queue.end_urgency, name="end_urgency"),
    path("containments/", containing.containments, name="containments"),
    path("containments/<int:pk>/", containing.containment, name="containment"),
    path("containments/<int:pk>/take/", containing.take_containment, name="take_containment"),
    path("containments/<int:pk>/close/", containing.close_containment, name="close_containment"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("preferences/keys/", preferences.own_keys, name="own_keys"),
    path("preferences/language/", preferences.own_language, name="own_language"),
    path("preferences/data/", own_data.own_data, name="own_data"),
    path("trail/", trail.audit_trail_page, name="audit_trail_page"),
    path("trail/verify/", trail.verify_trail, name="verify_trail"),
]
