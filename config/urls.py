"""Every URL of the site."""
urlpatterns = []
