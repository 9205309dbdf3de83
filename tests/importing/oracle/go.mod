module timepoint.test/oracle

go 1.22.0

require k8s.io/client-go v0.31.5
