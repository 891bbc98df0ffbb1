"""The floor's pages: the inspector's room, photos, a part's history, the open queue, containments, signing in."""
