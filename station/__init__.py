"""The agent of a camera station: takes photos from a folder, sends them, stores and forwards, and brings answers back."""
