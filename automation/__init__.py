"""Who decides: levels, policies, evidence, gates, routing and the way back."""
