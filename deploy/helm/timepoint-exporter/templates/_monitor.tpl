{{/* What a ServiceMonitor and a PodMonitor have in common: one endpoint. A dict: values, port, and tls. */}}
{{- define "timepoint-exporter.endpoint" -}}
- port: {{ .port }}
  path: {{ .values.path }}
  honorLabels: {{ .values.honorLabels }}
  {{- if kindIs "bool" .values.honorTimestamps }}
  honorTimestamps: {{ .values.honorTimestamps }}
  {{- end }}
  {{- with .values.interval }}
  interval: {{ . }}
  {{- end }}
  {{- with .values.scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  {{- with default (ternary "https" "" .tls) .values.scheme }}
  scheme: {{ . }}
  {{- end }}
  {{- with .values.tlsConfig }}
  tlsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.basicAuth }}
  basicAuth:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.params }}
  params:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.relabelings }}
  relabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "timepoint-exporter.monitorMetadata" -}}
name: {{ include "timepoint-exporter.fullname" .root | quote }}
namespace: {{ default (include "timepoint-exporter.namespace" .root) .values.namespace | quote }}
labels:
  {{- include "timepoint-exporter.labels" .root | nindent 2 }}
  {{- with .values.additionalLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
