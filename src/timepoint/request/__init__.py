"""Request: a job and a window become documents. Knows HTTP; knows neither the mapping nor the ledger.

Read in this order:

    spec        what a source, a request and a window say
    borders, window     fire time and watermark become windows (pure)
    fields, template, prepare   a window becomes a URL, headers and a body
    auth, tls, resolve  credentials, certificates, addresses
    transport, inflate  one HTTP exchange, its body bounded
    fetch, retry        attempts within the deadline, until an answer is accepted
    each        the values of a fan-out, and the lanes they make (a subpackage)
    paging      the answer for a window in several pages (a subpackage)
    report      an answer that is ordered, waited for and fetched (a subpackage)
    decode, unpack, charsets    an answer becomes documents; the files of an archive
    decoders    one format each: JSON, NDJSON, JSONP, CSV, XML, lines (a subpackage)
    transform   what the config puts between the decoded body and the mapping (a subpackage)
    shown, redact      what of all this may be shown
"""
