"""What ``--web.config.file`` asks of the scrape side: TLS, users, headers, a rate.

Read in this order:

    spec        what a file can say
    tls         TLS settings as Python's ``ssl`` has them
    current     the file that is in force, and its reload
    passwords   checking of users without holding up anybody
    rate        how often one client may ask
    gate        what stands between a request and the pages
"""
