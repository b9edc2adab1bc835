"""The user screen: who one is, the wallet, coupons and invites, signing in and out."""
