"""Server: the scrape side. Serves published snapshots; knows neither the ledger nor any API.

Read in this order:

    loader              the published snapshots in memory, refreshed in a thread
    selection, slices   a part of the page; a page cut into writes
    live, process       families that are true only at the moment of the scrape
    loosely, status     what the poller says of itself, as health and readiness
    pages               what people look at
    web                 what --web.config.file asks for: TLS, users, headers
    lifecycle           a reload of the config over HTTP
    app, connection     which path answers what, and how long a client may take to ask
    admission, accepting            who may be connected when not all can; from a socket to a connection
    listening, settings, serve      the sockets, the options, the process
"""
