"""The market screen: the community's cards as a grid, one of them in full, publishing."""
