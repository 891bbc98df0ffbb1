"""The settings, URLs and processes that put the apps together."""
