"""Configs of other exporters become configs of this one, with a report of what changed.

Owns: everything known of another exporter's config. Must not know: how a job runs; the result is a text that is
checked as any other config is.

Read in this order:

    notes           what somebody must know who takes over a config
    reading         a foreign YAML file as data, with notes on what does not fit
    query           what a foreign path selects, written as RFC 9535
    kubectl, cel    the two syntaxes of json_exporter's paths
    names, secrets  names that must change; credentials, which are not copied
    mapping         json_exporter's metrics as rows and metrics
    http_client, body   what stands in a module about its request
    targets         what Prometheus' scrape config says about targets
    json_exporter   modules and targets as sources and jobs
    writing         a config as YAML
    report          the text of the new config and of the report, and the check that it passes
"""
