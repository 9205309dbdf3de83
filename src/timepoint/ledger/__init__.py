"""Ledger: points become what changes, and that is kept. The only room that knows SQL."""
