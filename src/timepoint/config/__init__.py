"""Config: the YAML file becomes jobs, in two steps: its shape, then its meaning. Knows no sockets and no ledger."""
