"""Official replies and what they cost: prices, reservations, settlement, the nightly check."""
