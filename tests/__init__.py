"""Tests: units beside rules, journeys beside pages."""
