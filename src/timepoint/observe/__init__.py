"""Observe: what Prometheus and Grafana need to know to watch the jobs of a config.

Owns: the scrape job, the rules and the dashboard that fit a config. Pure: jobs in, texts out. Must not know: YAML of
configs, files, processes, the exporter's page.

Read in this order:

    facts               what of a config matters to those who watch: periods, delays, labels, limits
    promql              selectors, texts and durations as PromQL wants them
    scrape              the scrape job
    alerts, records     alerting and recording rules, and the values that follow from each job
    rules_file          rules as the file that Prometheus reads
    units               what Grafana calls a unit
    board               the words of a dashboard: rows, panels, queries, variables
    flows               how a panel asks a counter for its rate
    metric_panels       panels for the metrics of the jobs
    health_panels       panels for the exporter itself
    compose             the whole dashboard of a config
    grafana             a dashboard as Grafana's JSON, by Grafana's own library
"""
