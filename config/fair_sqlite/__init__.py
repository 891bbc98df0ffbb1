"""SQLite as Django's own backend has it, with a gate at which writers wait in line."""
