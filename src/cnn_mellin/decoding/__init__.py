"""From logits to phones."""
