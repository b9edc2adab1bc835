"""Who somebody is: identities, sessions, erasure."""
