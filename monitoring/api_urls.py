"""To come."""

urlpatterns: list = []
