"""What operators do to a whole service: move older tables over, and look at how it stands."""
