"""The candidate beside the people: model versions, predictions, agreement, training."""
