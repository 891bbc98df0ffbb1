"""The shadow over HTTP."""
