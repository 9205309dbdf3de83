"""Server: the scrape side. Serves published snapshots; knows neither the ledger nor any API."""
