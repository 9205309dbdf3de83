"""Request: a job and a window become documents. Knows HTTP; knows neither the mapping nor the ledger."""
